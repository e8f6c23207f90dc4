"""Does a model tell identity from clothing? Linear probes from its features to every attribute, HSIC and CKA."""

from __future__ import annotations

import argparse

from tbpsbench.cli import add_checkpoint_arguments, run_tool
from tbpsbench.reading import given_path


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="A model disentangles if `identity` knows who somebody is and nothing of the clothes, `clothing` the\n"
        "reverse, and the two are independent. How to read the tables: docs/disentangling.md\n\n"
        "examples:\n"
        "  python tools/probe.py work_dirs/bdam/best.pth --population 1\n"
        "  python tools/probe.py CHECKPOINT --features identity clothing clothing_ungated --out probes.json",
    )
    add_checkpoint_arguments(parser)
    parser.add_argument(
        "--features",
        nargs="+",
        metavar="NAME",
        help="features to probe, one vector per image each (default: identity, with a disentangler clothing, and every "
        "heads.NAME.image, which is what retrieval compares); an unknown name lists those that the model has",
    )
    parser.add_argument(
        "--population",
        type=int,
        metavar="SEED",
        help="probe persons of a MiniPEDES drawn from this seed (made on first use) instead of the config's own: as "
        "many as the data set has, none of whom the model was trained on; give the same number for all models",
    )
    parser.add_argument(
        "--split",
        nargs="+",
        metavar="NAME",
        help="splits to probe, with the second outfits of their persons (default: test; with --population: all)",
    )
    parser.add_argument(
        "--folds", type=int, default=5, help="parts of the persons; rarer values than this are left out (default: 5)"
    )
    parser.add_argument(
        "--out", type=given_path, metavar="JSON", help="file for all results; without it they are only printed"
    )
    args = parser.parse_args()
    if args.folds < 2:
        parser.error("--folds: cross-validation needs at least 2")
    from tbpsbench.engine.trained import open_trained
    from tbpsbench.files import require_file, write_json
    from tbpsbench.probes import measure as probes
    from tbpsbench.probes.report import make_report, print_report
    from tbpsbench.system_files import checkpoint_file

    require_file(args.out)
    trained = open_trained(args.checkpoint, args.config, args.cfg_options)
    print(*trained.notes, sep="\n", end="\n" * bool(trained.notes))
    system = trained.system
    data = trained.data if args.population is None else probes.population(system, trained.asked, args.population)
    asked = args.split or (["test"] if args.population is None else data.annotations.splits())
    splits = probes.splits_of(data, asked)
    names = list(dict.fromkeys(args.features or probes.usual_features(system.model)))
    records, features = probes.extract(system.model, data, splits, names, trained.settings.evaluation.batch_size)
    report = make_report(
        system, checkpoint_file(args.checkpoint), data, splits, probes.measure(records, features, folds=args.folds)
    )
    print_report(report)  # first: it took minutes, and the disk may be full by now
    if args.out:
        write_json(args.out, report)
        print(f"probes: {args.out}")


if __name__ == "__main__":
    run_tool(main)
