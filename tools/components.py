"""List what a config can name: every slot, one slot (losses), or one component with its arguments (InfoNCE)."""

from __future__ import annotations

import argparse

from tbpsbench.cli import run_tool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "name", metavar="NAME", nargs="?", help="a slot or a component; without it all slots are listed"
    )
    parser.add_argument("--markdown", action="store_true", help="print the page docs/components.md")
    args = parser.parse_args()
    if args.markdown and args.name:
        parser.error("--markdown prints the page of all components; leave out NAME, or --markdown")
    from tbpsbench.config.catalogue import details, overview, page
    from tbpsbench.errors import ConfigError

    if args.markdown:
        print(page(), end="")
        return
    try:
        print(overview(args.name))
    except ConfigError:
        print(details(args.name))


if __name__ == "__main__":
    run_tool(main)
