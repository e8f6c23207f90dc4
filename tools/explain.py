"""Print what experiment a config is: every value, and the file and line that it comes from."""

from __future__ import annotations

from tbpsbench.cli import config_parser, run_tool


def main() -> None:
    parser = config_parser(__doc__ or "")
    parser.add_argument(
        "--only", metavar="PREFIX", default="", help="show keys that start with PREFIX, e.g. model.losses"
    )
    args = parser.parse_args()
    from tbpsbench.arguments import did_you_mean
    from tbpsbench.config.check import require_valid
    from tbpsbench.config.flat import explain
    from tbpsbench.config.load import load_config
    from tbpsbench.errors import ConfigError

    config = load_config(args.config, args.cfg_options)
    require_valid(config)
    every = explain(config)
    rows = [row for row in every if row[0].startswith(args.only)]
    if not rows:
        # Whole sections are keys to the reader, too.
        parts = [key.split(".") for key, _, _ in every]
        known = dict.fromkeys(".".join(key[:end]) for key in parts for end in range(1, len(key) + 1))
        raise ConfigError(f"--only {args.only}: no key of the config starts so.{did_you_mean(args.only, known)}")
    keys = max(len(key) for key, _, _ in rows)
    values = min(max(len(repr(value)) for _, value, _ in rows), 60)
    for key, value, origin in rows:
        print(f"{key:<{keys}}  {value!r:<{values}}  {origin}")
    print(*config.notes, sep="\n", end="\n" * bool(config.notes))


if __name__ == "__main__":
    run_tool(main)
