"""For whom, and for which captions, does a system work? R@1 and mAP by caption length, style, source and attributes.

    python tools/breakdown.py work_dirs/demo/best.pth                       evaluates, then splits by all that is known
    python tools/breakdown.py work_dirs/demo/record --by length sex age     reads the ranks of a record, no model needed

A group's interval is over its persons; groups that are too small to read anything into are marked.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from typing import TYPE_CHECKING

from tbpsbench.cli import add_checkpoint_arguments, run_tool
from tbpsbench.reading import given_path

if TYPE_CHECKING:
    from tbpsbench.leaderboard.breakdown.scored import Scored


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_checkpoint_arguments(parser)
    parser.add_argument(
        "--by",
        nargs="+",
        default=[],
        metavar="KEY",
        help="length (in words), style, source, camera, outfit, or an attribute of the data set; default: all that "
        "have 2 to 20 values. An unknown one lists those that there are",
    )
    parser.add_argument(
        "--length-bins",
        nargs="+",
        type=int,
        default=[10, 20, 30, 40],
        metavar="WORDS",
        help="largest number of words of each bin but the last; default: 10 20 30 40",
    )
    parser.add_argument("--split", help="the split to evaluate (default: test); a record has its own")
    parser.add_argument("--protocol", help="the protocol (default: the first of the config's)")
    parser.add_argument("--data", metavar="ROOT", help="for a record: folder of the data set, where it is not its own")
    parser.add_argument("--json", action="store_true", help="print everything as JSON instead of a table")
    parser.add_argument("--out", type=given_path, metavar="FILE", help="also write everything to a file, .csv or .json")
    args = parser.parse_args()
    bins = args.length_bins
    if bins[0] < 1 or any(low >= high for low, high in itertools.pairwise(bins)):
        parser.error("--length-bins: numbers of words must rise from at least 1")
    if args.out and args.out.suffix not in (".csv", ".json"):
        parser.error(f"--out {args.out}: the name must end in .csv or .json")
    from tbpsbench.files import atomic_write, require_file, write_json
    from tbpsbench.leaderboard.breakdown.report import csv_report, make_report, print_report

    require_file(args.out)
    report = make_report(_scored(args), args.by, bins)
    if args.json:
        print(json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False))
    else:
        print_report(report)
    if args.out and args.out.suffix == ".json":
        write_json(args.out, report)
    elif args.out:
        with atomic_write(args.out, "w") as stream:
            stream.write(csv_report(report))
    if args.out:
        print(f"breakdown: {args.out}", file=sys.stderr if args.json else sys.stdout)


def _scored(args: argparse.Namespace) -> Scored:
    from tbpsbench.errors import ConfigError
    from tbpsbench.leaderboard.breakdown.scored import from_checkpoint, from_record, is_record

    if is_record(args.checkpoint):
        if args.config or args.cfg_options or args.split:
            raise ConfigError(
                f"{args.checkpoint}: a record has its own config and split; leave out CONFIG, --cfg-options and "
                "--split. The folder of its data set is named with --data."
            )
        return from_record(args.checkpoint, args.protocol, args.data)
    from tbpsbench.engine.trained import open_trained

    if args.data:
        raise ConfigError("--data is for a record; for a checkpoint: --cfg-options data.dataset.root=ROOT")
    trained = open_trained(args.checkpoint, args.config, args.cfg_options)
    print(*trained.notes, sep="\n", end="\n" * bool(trained.notes), file=sys.stderr if args.json else sys.stdout)
    return from_checkpoint(trained, args.checkpoint, args.split or "test", args.protocol)


if __name__ == "__main__":
    run_tool(main)
