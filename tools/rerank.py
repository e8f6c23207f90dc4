"""Try settings of a re-ranker on the validation split, the only one that this tool reads, and say which is best.

    python tools/rerank.py work_dirs/demo KReciprocal k1=5,10,20 k2=1,3,6 weight=0.1,0.3,0.5

The last line shows how to evaluate the test split with the winner, once.
"""

from __future__ import annotations

import argparse

from tbpsbench.cli import add_overrides, run_tool
from tbpsbench.reading import given_path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="a checkpoint, or the folder of a run or a system")
    parser.add_argument("name", metavar="NAME", help="the re-ranker, e.g. KReciprocal")
    parser.add_argument("ranges", metavar="ARGUMENT=VALUES", nargs="*", help="values to try, with commas between them")
    parser.add_argument("--config", help="a config that names other data, of which the validation split is used")
    parser.add_argument(
        "--by", metavar="SCORE", help="what is best, e.g. mAP (default: the config's evaluation.metric)"
    )
    parser.add_argument("--out", type=given_path, metavar="JSON", help="file for all results")
    add_overrides(parser, "e.g. data.dataset.root=/data/CUHK-PEDES evaluation.ties=expected")
    args = parser.parse_args()
    from dataclasses import asdict, replace

    from tbpsbench.engine.rerank_search import as_table, grid, search
    from tbpsbench.engine.trained import known_texts, open_trained
    from tbpsbench.files import write_json

    components = grid(args.name, args.ranges)
    # All of them stand in the config, so that the static check sees them.
    trained = open_trained(args.checkpoint, args.config, [*args.cfg_options, f"evaluation.rerank={components!r}"])
    print(*trained.notes, sep="\n", end="\n" * bool(trained.notes))
    system, data, section = trained.system, trained.data, trained.settings.evaluation
    section = replace(section, metric=args.by or section.metric)
    split = data.sources.validation_split
    found = search(system.model, data, section, components, known_texts(system, data))
    if args.out:
        write_json(args.out, {"split": split, "by": section.metric, "tried": [asdict(one) for one in found]})
    print(as_table(found))
    tried = f"{len(components)} setting{'s' * (len(components) > 1)} tried on the split {split!r}"
    if (best := found[0].component) is None:
        print(f"{tried}: none is better by {section.metric} than no re-ranking.")
    else:
        print(f"{tried}; best by {section.metric}, to be evaluated on the test split once:")
        print(f'  python tools/test.py {args.checkpoint} --cfg-options "evaluation.rerank=[{best!r}]"')


if __name__ == "__main__":
    run_tool(main)
