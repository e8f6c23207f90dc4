"""Draw pictures: samples of a data set, curves of a run, what a checkpoint has learnt, what systems cost."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tbpsbench.cli import add_checkpoint_arguments, add_config_arguments, run_tool
from tbpsbench.reading import given_path
from tbpsbench.visualize.queries import SHOW, require_few

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
    return contact_sheet(sources.annotations, args.out, split=args.split, rows=args.rows or 5)


def _open(args: argparse.Namespace) -> Trained:
    from tbpsbench.engine.trained import open_trained

    trained = open_trained(args.checkpoint, args.config, args.cfg_options)
    print(*trained.notes, sep="\n", end="\n" * bool(trained.notes))
    return trained


def _retrieval(args: argparse.Namespace) -> Path:
    from tbpsbench.visualize.retrieval import choose, rank, retrieval_sheet

    require_few(args.queries)
    trained, split = _open(args), args.split
    ranked = rank(trained.system.model, trained.data, split, trained.settings.evaluation)
    chosen, rule = choose(
        ranked, trained.data, split, rows=args.rows or 8, captions=args.queries, identities=args.identities,
        show=args.show, seed=args.seed,
    )  # fmt: skip
    return retrieval_sheet(trained.data, split, ranked, chosen, rule, args.out)


def _dialogue(args: argparse.Namespace) -> Path:
    from tbpsbench.visualize.dialogues import choose_talked, dialogue_sheet, talk

    require_few(args.queries)
    trained, split = _open(args), args.split
    talked = talk(trained.system.model, trained.data, split, trained.settings.evaluation)
    chosen, rule = choose_talked(
        talked, trained.data, split, rows=args.rows or 6, captions=args.queries, show=args.show, seed=args.seed
    )
    return dialogue_sheet(trained.data, split, talked, chosen, rule, args.out)


def _curves(args: argparse.Namespace) -> Path:
    from tbpsbench.visualize.curves import training_curves

    return training_curves(args.run, args.out)


def _gates(args: argparse.Namespace) -> Path:
    from tbpsbench.visualize.gates import gate_figure, gate_values, require_gate

    trained = _open(args)
    require_gate(trained.system.model)
    split = args.split
    gates = gate_values(trained.system.model, trained.data.gallery(split))
    return gate_figure(gates, _title(trained, split), args.out)


def _tsne(args: argparse.Namespace) -> Path:
    from tbpsbench.visualize.tsne import show, tsne_figure

    trained = _open(args)
    split = args.split
    shown = show(trained.system.model, trained.data, split, args.persons, args.colour)
    return tsne_figure(shown, _title(trained, split), args.out)


def _title(trained: Trained, split: str) -> str:
    from tbpsbench.visualize.paper import label

    return f"{label(trained.system.name)} on {label(trained.data.name, 40)}, {label(split, 24)}"


def _radar(args: argparse.Namespace) -> Path:
    from tbpsbench.visualize.radar import radar_figure, read_radar

    return radar_figure(read_radar(args.records, args.protocol), args.out)


def _number(least: int, most: int) -> Callable[[str], int]:
    """An argument that is a whole number of this range."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a whole number from {least} to {most}")
        return value

    return read


def _png(text: str) -> Path:
    """An argument that names the picture to write."""
    path = given_path(text)
    if path.suffix.lower() != ".png":
        raise argparse.ArgumentTypeError(f"{text[:200]!r}: a picture is written as PNG, so its name must end in .png")
    return path


# name -> what is drawn, by what, from which arguments
KINDS: dict[str, tuple[str, Callable[[argparse.Namespace], Path], str]] = {
    "samples": ("a contact sheet: identities, their images, one caption each", _samples, "config --split --rows"),
    "retrieval": ("queries with their ten best images", _retrieval, "checkpoint --split --rows --show --seed whose"),
    "dialogue": (
        "queries before and after an interaction, with the dialogue (set evaluation.interactor)",
        _dialogue,
        "checkpoint --split --rows --show --seed --queries",
    ),
    "curves": ("losses, their weights and validation scores of a run", _curves, "run"),
    "gates": ("distributions of BDAM's gate and the fuser's", _gates, "checkpoint --split"),
    "tsne": ("identity and clothing vectors", _tsne, "checkpoint --split --persons --colour"),
    "radar": ("parameters, FLOPs, memory and mAP, means over seeds", _radar, "records --protocol"),
}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "run": {"metavar": "RUN-FOLDER", "type": given_path},
    "records": {"metavar": "RECORD-FOLDER", "type": given_path, "nargs": "+", "help": "a record, or records below it"},
    "--queries": {"type": int, "nargs": "+", "default": [], "metavar": "ID", "help": "queries with these caption ids"},
    "--split": {"default": "test", "help": "split whose images are used; default: test, for samples all"},
    "--rows": {"type": _number(1, 100), "help": "identities or queries shown, at most 100"},
    "--show": {"choices": SHOW, "default": "mixed", "help": "which queries: right or wrong at rank 1, the worst, ..."},
    "--seed": {"type": _number(0, 2**63 - 1), "default": 0, "help": "of --show random; default: 0"},
    "--persons": {"type": _number(2, 1000), "default": 12, "help": "persons whose images are shown; default: 12"},
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
            elif argument == "whose":
                _add_whose(kind)
            else:
                kind.add_argument(argument, **ARGUMENTS[argument])
        kind.add_argument("--out", type=_png, required=True, metavar="PNG", help="the picture to write")
        kind.set_defaults(draw=draw)
    kinds.choices["samples"].set_defaults(split=None)
    args = parser.parse_args()
    print(f"picture: {args.draw(args)}")


def _add_whose(parser: argparse.ArgumentParser) -> None:
    whose = parser.add_mutually_exclusive_group()
    for name, what in (
        ("queries", "the queries with these caption ids"),
        ("identities", "queries about these persons"),
    ):
        whose.add_argument(f"--{name}", type=_number(0, 2**63 - 1), nargs="+", default=[], metavar="ID", help=what)


if __name__ == "__main__":
    run_tool(main)
