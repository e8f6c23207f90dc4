"""Draw pictures: samples of a data set, curves of a run, what a checkpoint has learnt, what systems cost."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tbpsbench.cli import add_checkpoint_arguments, add_config_arguments, run_tool

if TYPE_CHECKING:
    from tbpsbench.engine.trained import Trained


def _samples(args: argparse.Namespace) -> Path:
    from tbpsbench.config.check import require_valid
    from tbpsbench.config.load import load_config
    from tbpsbench.config.settings import Settings
    from tbpsbench.data.sources import read_sources
    from tbpsbench.visualize.samples import contact_sheet

    config = load_config(args.config, args.cfg_options)
    require_valid(config)
    sources = read_sources(Settings.of(config.values).data, None, training=False)
    return contact_sheet(sources.annotations, args.out, rows=args.rows or 5)


def _open(args: argparse.Namespace) -> Trained:
    from tbpsbench.engine.trained import open_trained

    trained = open_trained(args.checkpoint, args.config, args.cfg_options)
    print(*trained.notes, sep="\n", end="\n" * bool(trained.notes))
    return trained


def _retrieval(args: argparse.Namespace) -> Path:
    from tbpsbench.visualize.retrieval import best_matches, retrieval_sheet

    trained = _open(args)
    ranking = best_matches(trained.system.model, trained.data, args.split, k=10)
    return retrieval_sheet(trained.data, args.split, ranking, args.out, rows=args.rows or 8)


def _curves(args: argparse.Namespace) -> Path:
    from tbpsbench.visualize.curves import training_curves

    return training_curves(args.run, args.out)


def _gates(args: argparse.Namespace) -> Path:
    from tbpsbench.visualize.gates import gate_figure, gate_values, require_gate

    trained = _open(args)
    require_gate(trained.system.model)
    gates = gate_values(trained.system.model, trained.data.gallery(args.split))
    return gate_figure(gates, _title(trained, args.split), args.out)


def _tsne(args: argparse.Namespace) -> Path:
    from tbpsbench.visualize.tsne import show, tsne_figure

    trained = _open(args)
    shown = show(trained.system.model, trained.data, args.split, args.persons, args.colour)
    return tsne_figure(shown, _title(trained, args.split), args.out)


def _title(trained: Trained, split: str) -> str:
    return f"{trained.system.name} on {trained.data.name}, {split}"


def _radar(args: argparse.Namespace) -> Path:
    from tbpsbench.visualize.radar import radar_figure, read_radar

    return radar_figure(read_radar(args.records, args.protocol), args.out)


# name -> what is drawn, by what, from which arguments
KINDS: dict[str, tuple[str, Callable[[argparse.Namespace], Path], str]] = {
    "samples": ("a contact sheet: identities, their images, one caption each", _samples, "config --rows"),
    "retrieval": ("queries with their ten best images", _retrieval, "checkpoint --split --rows"),
    "curves": ("losses, their weights and validation scores of a run", _curves, "run"),
    "gates": ("distributions of BDAM's gate and the fuser's", _gates, "checkpoint --split"),
    "tsne": ("identity and clothing vectors", _tsne, "checkpoint --split --persons --colour"),
    "radar": ("parameters, FLOPs, memory and mAP, means over seeds", _radar, "records --protocol"),
}
ARGUMENTS: dict[str, dict[str, Any]] = {
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
            elif argument == "checkpoint":
                add_checkpoint_arguments(kind)
            else:
                kind.add_argument(argument, **ARGUMENTS[argument])
        kind.add_argument("--out", type=Path, required=True, metavar="PNG", help="the picture to write")
        kind.set_defaults(draw=draw)
    args = parser.parse_args()
    print(f"picture: {args.draw(args)}")


if __name__ == "__main__":
    run_tool(main)
