"""Draw pictures: samples of a data set, curves of a run, what a checkpoint has learnt, what systems cost."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tbpsbench.cli import add_config_arguments, run_tool


def _samples(args: argparse.Namespace) -> Path:
    from tbpsbench import registry
    from tbpsbench.config.check import require_valid
    from tbpsbench.config.load import load_config
    from tbpsbench.config.schema import with_defaults
    from tbpsbench.visualize.samples import contact_sheet

    config = load_config(args.config, args.cfg_options)
    require_valid(config)
    section = with_defaults(config.values)["data"]
    dataset = registry.DATASETS.build(section["dataset"], "data.dataset")
    annotations = registry.CAPTION_SOURCES.build(section["captions"], "data.captions").load(dataset)
    return contact_sheet(annotations, args.out, rows=args.rows or 5)


def _retrieval(args: argparse.Namespace) -> Path:
    from tbpsbench.visualize.retrieval import best_matches, retrieval_sheet
    from tbpsbench.visualize.trained import trained_run

    run = trained_run(args.config, args.cfg_options, args.checkpoint)
    ranking = best_matches(run.model, run.data, args.split, k=10)
    return retrieval_sheet(run.data, args.split, ranking, args.out, rows=args.rows or 8)


def _curves(args: argparse.Namespace) -> Path:
    from tbpsbench.visualize.curves import training_curves

    return training_curves(args.run, args.out)


def _gates(args: argparse.Namespace) -> Path:
    from tbpsbench.visualize.gates import gate_figure, gate_values, require_gate
    from tbpsbench.visualize.trained import trained_run

    run = trained_run(args.config, args.cfg_options, args.checkpoint, require_gate)
    gates = gate_values(run.model, run.data.gallery(args.split))
    return gate_figure(gates, f"{run.name} on {run.data.name}, {args.split}", args.out)


def _tsne(args: argparse.Namespace) -> Path:
    from tbpsbench.visualize.trained import trained_run
    from tbpsbench.visualize.tsne import show, tsne_figure

    run = trained_run(args.config, args.cfg_options, args.checkpoint)
    shown = show(run.model, run.data, args.split, args.persons, args.colour)
    return tsne_figure(shown, f"{run.name} on {run.data.name}, {args.split}", args.out)


def _radar(args: argparse.Namespace) -> Path:
    from tbpsbench.visualize.radar import radar_figure, read_radar

    return radar_figure(read_radar(args.records, args.protocol), args.out)


# name -> what is drawn, by what, from which arguments
KINDS: dict[str, tuple[str, Callable[[argparse.Namespace], Path], str]] = {
    "samples": ("a contact sheet: identities, their images, one caption each", _samples, "config --rows"),
    "retrieval": ("queries with their ten best images", _retrieval, "config checkpoint --split --rows"),
    "curves": ("losses, their weights and validation scores of a run", _curves, "run"),
    "gates": ("distributions of BDAM's gate and the fuser's", _gates, "config checkpoint --split"),
    "tsne": ("identity and clothing vectors", _tsne, "config checkpoint --split --persons --colour"),
    "radar": ("parameters, FLOPs, memory and mAP, means over seeds", _radar, "records --protocol"),
}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "checkpoint": {"metavar": "CHECKPOINT", "type": Path},
    "run": {"metavar": "RUN-FOLDER", "type": Path},
    "records": {"metavar": "RECORD-FOLDER", "type": Path, "nargs": "+", "help": "a record, or records below it"},
    "--split": {"default": "test", "help": "split whose images are used; default: test"},
    "--rows": {"type": int, "help": "identities or queries shown"},
    "--persons": {"type": int, "default": 12, "help": "persons whose images are shown; default: 12"},
    "--colour": {"metavar": "pid|ATTRIBUTE", "default": "pid", "help": "what colours the points; default: pid"},
    "--protocol": {"default": "standard", "help": "protocol whose mAP is shown; default: standard"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    kinds = parser.add_subparsers(required=True, metavar=" | ".join(KINDS))
    for name, (about, draw, arguments) in KINDS.items():
        kind = kinds.add_parser(name, help=about, description=about)
        for argument in arguments.split():
            if argument == "config":
                add_config_arguments(kind)
            else:
                kind.add_argument(argument, **ARGUMENTS[argument])
        kind.add_argument("--out", type=Path, required=True, metavar="PNG", help="the picture to write")
        kind.set_defaults(draw=draw)
    args = parser.parse_args()
    print(f"picture: {args.draw(args)}")


if __name__ == "__main__":
    run_tool(main)
