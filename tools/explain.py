"""Print what experiment a config is: every value, and the file and line that it comes from."""

from __future__ import annotations

from tbpsbench.cli import config_parser, run_tool


def main() -> None:
    parser = config_parser(__doc__ or "")
    parser.add_argument(
        "--only", metavar="PREFIX", default="", help="show keys that start with PREFIX, e.g. model.losses"
    )
    args = parser.parse_args()
    from tbpsbench.config.check import require_valid
    from tbpsbench.config.flat import explain
    from tbpsbench.config.load import load_config

    config = load_config(args.config, args.cfg_options)
    require_valid(config)
    rows = [row for row in explain(config) if row[0].startswith(args.only)]
    keys = max((len(key) for key, _, _ in rows), default=0)
    values = min(max((len(repr(value)) for _, value, _ in rows), default=0), 60)
    for key, value, origin in rows:
        print(f"{key:<{keys}}  {value!r:<{values}}  {origin}")
    print(*config.notes, sep="\n", end="\n" * bool(config.notes))


if __name__ == "__main__":
    run_tool(main)
