"""Score features, similarities or answers of any other code on a data set, and write their record.

    python tools/score.py CONFIG features.npz --name IRRA --out records/irra      the data and evaluation of this config
    python tools/score.py --dataset CUHKPEDES --root data/CUHK-PEDES answers.txt --name IRRA

docs/scoring.md has the forms of the files and the lines that export features from a research repository.
"""

from __future__ import annotations

import argparse

from tbpsbench.cli import add_overrides, run_tool
from tbpsbench.errors import ConfigError
from tbpsbench.reading import given_path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "config", metavar="CONFIG", nargs="?", help="names the data and the evaluation; nothing else of it is read"
    )
    parser.add_argument(
        "file", metavar="FILE", type=given_path, help=".npz with features or similarities, or an answer file"
    )
    parser.add_argument("--dataset", metavar="TYPE", help="a data set instead of a config, e.g. CUHKPEDES")
    parser.add_argument("--root", help="its folder, with --dataset")
    parser.add_argument("--name", required=True, help="what boards call the system")
    parser.add_argument("--split", default="test", help="the split to score (default: test)")
    parser.add_argument("--out", type=given_path, help="folder for record.json and ranks.npz; printed only without it")
    parser.add_argument("--distractors", metavar="FILE.npy", help="features of pictures that match nobody")
    parser.add_argument("--seed", type=int, default=0, help="of the training behind the file (default: 0)")
    parser.add_argument("--trained-on", metavar="DATA", help="the training data as its authors say (default: unknown)")
    parser.add_argument(
        "--as-they-are", action="store_true", help="compare features by their dot product, without dividing by lengths"
    )
    add_overrides(parser, "e.g. evaluation.protocols=('standard',) evaluation.both_directions=True")
    args = parser.parse_args()
    if (args.config is None) == (args.dataset is None):
        raise ConfigError("give a config or --dataset TYPE: one of them names the data")
    if args.root is not None and args.dataset is None:
        raise ConfigError("--root goes with --dataset; with a config use --cfg-options data.dataset.root=...")
    if not 0 <= args.seed < 2**32:
        raise ConfigError(f"--seed is {args.seed}, expected 0 to {2**32 - 1}")
    from tbpsbench.config.load import load_config
    from tbpsbench.external.read import read_given
    from tbpsbench.external.score import external_record, require_label, score
    from tbpsbench.external.task import config_of, open_task
    from tbpsbench.records.make import require_place, write_record
    from tbpsbench.records.table import print_record

    require_label(args.name, "--name")
    require_label(args.trained_on or args.name, "--trained-on")
    if args.config is None:
        config = config_of(args.dataset, args.root, args.cfg_options)
    else:
        config = load_config(args.config, args.cfg_options)
    require_place(args.out, args.name)
    task = open_task(config, args.split, args.distractors)
    given = read_given(args.file, task, normalize=not args.as_they_are)
    evaluation, task = score(given, task)
    print(*given.notes, sep="\n")
    record, evidence = external_record(
        given, task, evaluation, name=args.name, file=args.file, seed=args.seed, trained_on=args.trained_on
    )
    if args.out:
        write_record(args.out, record, evidence)
    print_record(record, args.out / "record.json" if args.out else None)


if __name__ == "__main__":
    run_tool(main)
