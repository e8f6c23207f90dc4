"""List everything that is wrong with a config or a suite, at once, without reading data. Exit code 0 if nothing is,
else 2."""

from __future__ import annotations

from tbpsbench.cli import config_parser, run_tool


def main() -> None:
    parser = config_parser(__doc__ or "")
    args = parser.parse_args()
    from tbpsbench.captions.settings import is_captions, read_settings
    from tbpsbench.config.check import is_suite, require_valid
    from tbpsbench.config.load import load_config

    config = load_config(args.config, args.cfg_options)
    if is_suite(config) and not args.cfg_options:
        from tbpsbench.leaderboard.suite.read import read_suite

        print(f"{args.config}: no problems in {len(read_suite(args.config))} runs")
        return
    if is_captions(config):
        read_settings(config)
    else:
        require_valid(config)
    print(*config.notes, sep="\n", end="\n" * bool(config.notes))
    print(f"{args.config}: no problems")


if __name__ == "__main__":
    run_tool(main)
