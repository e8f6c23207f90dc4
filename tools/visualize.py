"""Draw pictures: samples of a data set, retrieval results of a checkpoint, training curves of a run."""

from __future__ import annotations

import argparse
from pathlib import Path

from tbpsbench.cli import add_config_arguments, run_tool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="samples | retrieval | curves")
    samples = kinds.add_parser("samples", help="a contact sheet: identities, their images, one caption each")
    retrieval = kinds.add_parser("retrieval", help="queries with their ten best images, right ones framed green")
    curves = kinds.add_parser("curves", help="losses and validation scores of a run's folder")
    for kind in (samples, retrieval):
        add_config_arguments(kind)
        kind.add_argument("--rows", type=int, default=5 if kind is samples else 8, help="identities or queries shown")
    retrieval.add_argument("checkpoint", metavar="CHECKPOINT", type=Path)
    retrieval.add_argument("--split", default="test")
    curves.add_argument("run", metavar="RUN-FOLDER", type=Path)
    for kind in (samples, retrieval, curves):
        kind.add_argument("--out", type=Path, required=True, metavar="PNG", help="the picture to write")
    args = parser.parse_args()
    print(f"picture: {globals()[f'_{args.kind}'](args)}")


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
    return contact_sheet(annotations, args.out, rows=args.rows)


def _retrieval(args: argparse.Namespace) -> Path:
    from tbpsbench.config.check import require_valid
    from tbpsbench.config.load import load_config
    from tbpsbench.engine.checkpoint import load_model
    from tbpsbench.engine.train import build_run
    from tbpsbench.visualize.retrieval import best_matches, retrieval_sheet

    config = load_config(args.config, args.cfg_options)
    require_valid(config)
    run = build_run(config)
    load_model(run.model, args.checkpoint)
    run.model.eval()
    ranking = best_matches(run.model, run.data, args.split, k=10)
    return retrieval_sheet(run.data, args.split, ranking, args.out, rows=args.rows)


def _curves(args: argparse.Namespace) -> Path:
    from tbpsbench.visualize.curves import training_curves

    return training_curves(args.run, args.out)


if __name__ == "__main__":
    run_tool(main)
