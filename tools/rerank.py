"""Try settings of a re-ranker on the validation split, the only one that this tool reads, and say which is best.

    python tools/rerank.py work_dirs/demo KReciprocal k1=5,10,20 k2=1,3,6 weight=0.1,0.3,0.5

The last line shows how to evaluate the test split with the winner, once.
"""

from __future__ import annotations

import argparse

from tbpsbench.cli import add_tuning, run_tool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_tuning(
        parser, "the re-ranker, e.g. KReciprocal", "e.g. data.dataset.root=/data/CUHK-PEDES evaluation.ties=expected"
    )
    parser.add_argument("ranges", metavar="ARGUMENT=VALUES", nargs="*", help="values to try, with commas between them")
    args = parser.parse_args()
    from tbpsbench.engine.reranking import build_rerankers
    from tbpsbench.engine.trained import open_trained
    from tbpsbench.engine.tuning import RERANKER, grid, tune

    components = grid(args.name, args.ranges)
    for component in components:
        build_rerankers([component])
    # Each is tried alone, and so stands alone in the config: several would be a chain. What the static check looks at
    # beside the arguments is the loss that a re-ranker asks, so it sees one setting for each.
    first, *others = {repr(one.get("loss")): RERANKER.key.format(repr(one)) for one in components}.values()
    for override in others:
        open_trained(args.checkpoint, args.config, [*args.cfg_options, override])
    tune(RERANKER, args, components, [first])


if __name__ == "__main__":
    run_tool(main)
