"""Train a model from a config, choose a checkpoint, evaluate it on the test split, write a record."""

from __future__ import annotations

import sys
from pathlib import Path

from tbpsbench.cli import config_parser, run_tool
from tbpsbench.engine.workdir import WorkDir, undo_if_refused


def main() -> None:
    parser = config_parser(
        __doc__ or "",
        epilog="examples:\n"
        "  python tools/train.py configs/mini/two-tower_mini-pedes.py\n"
        "  python tools/train.py configs/mini/two-tower_mini-pedes.py --seed 1 --cfg-options data.batch_size=32\n"
        "  torchrun --nproc-per-node 2 tools/train.py configs/mini/two-tower_mini-pedes.py",
    )
    parser.add_argument(
        "--work-dir",
        help="the run's folder; default work_dirs/CONFIG-NAME, with --seed its subfolder seed-N",
    )
    parser.add_argument("--seed", type=int, help="used instead of the config's seed")
    there = parser.add_mutually_exclusive_group()
    there.add_argument(
        "--resume",
        nargs="?",
        const="yes",
        default="no",
        choices=["yes", "auto", "no"],
        help="continue the run in the folder: yes (the bare flag) needs one, auto starts one if there is none",
    )
    there.add_argument("--overwrite", action="store_true", help="discard the run, or what has its names, in the folder")
    parser.add_argument(
        "--allow-config-change",
        nargs="+",
        default=[],
        metavar="KEY",
        help="with --resume: keys of the config that may differ from those of the resumed run",
    )
    args = parser.parse_args()
    # The folder is claimed before anything slow is imported, so that a run killed early can be resumed like any other.
    default = Path("work_dirs") / Path(args.config).stem / ("" if args.seed is None else f"seed-{args.seed}")
    folder = default if args.work_dir is None else args.work_dir
    workdir = WorkDir(folder, resume=args.resume, overwrite=args.overwrite, command=sys.argv)
    with undo_if_refused(workdir):
        from tbpsbench.config.check import require_valid
        from tbpsbench.config.load import load_config

        config = load_config(args.config, args.cfg_options)
        require_valid(config)
        print(*config.notes, sep="\n", end="\n" * bool(config.notes))
        from tbpsbench.engine.run import build_run
        from tbpsbench.engine.train import Training

        training = Training(
            build_run(config, seed=args.seed, folder=workdir.path),
            workdir,
            allow_config_change=args.allow_config_change,
            command=sys.argv,
        )
        record = training.train()
    workdir.release()
    if record:
        from tbpsbench.records.table import print_record

        print_record(record, workdir.path / "record" / "record.json")


if __name__ == "__main__":
    run_tool(main)
