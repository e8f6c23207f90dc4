"""Try settings of an interactor on the validation split, the only one that this tool reads, and say which is best.

    python tools/interact.py work_dirs/demo MTI "mllm=dict(type='Simulated', misjudged=0.1, wrong=0.1)" \\
        --try lam=0.2,0.5,0.8,0.95 xi=0.3,0.5,0.7 --by R@5

Give a real model a cache (cache=replies.sqlite): settings that ask the same are then answered from it. The last line
shows how to evaluate the test split with the winner, once.
"""

from __future__ import annotations

import argparse
from typing import Any

from tbpsbench.cli import add_overrides, run_tool
from tbpsbench.reading import given_path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="a checkpoint, or the folder of a run or a system")
    parser.add_argument("name", metavar="NAME", help="the interactor, e.g. MTI")
    parser.add_argument("given", metavar="ARGUMENT=VALUE", nargs="*", help="what all settings share, e.g. mllm=...")
    parser.add_argument("--try", dest="ranges", nargs="+", default=[], metavar="ARGUMENT=VALUES", help="values to try")
    parser.add_argument("--config", help="a config that names other data, of which the validation split is used")
    parser.add_argument(
        "--by", metavar="SCORE", help="what is best, e.g. mAP (default: the config's evaluation.metric)"
    )
    parser.add_argument("--out", type=given_path, metavar="JSON", help="file for all results")
    add_overrides(parser, "e.g. data.dataset.root=/data/CUHK-PEDES data.captions=terse")
    args = parser.parse_args()
    from dataclasses import asdict, replace

    from tbpsbench.config.literal import parse_value
    from tbpsbench.engine.interact_search import search
    from tbpsbench.engine.rerank_search import as_table, grid
    from tbpsbench.engine.trained import known_texts, open_trained
    from tbpsbench.errors import ConfigError
    from tbpsbench.files import write_json
    from tbpsbench.registry import INTERACTORS

    shared: dict[str, Any] = {}
    for text in args.given:
        key, equals, value = text.partition("=")
        if not equals or not key.isidentifier() or key in (*shared, "type"):
            raise ConfigError(f"write each argument once, as ARGUMENT=VALUE; got {text!r:.120}")
        shared[key] = parse_value(value)
    components = [{"type": args.name, **shared, **tried} for tried in grid(args.name, args.ranges)]
    if problems := [one for c in components for one in INTERACTORS.problems(c, "evaluation.interactor")]:
        raise ConfigError("\n".join(f"{one.path}  {one.message}\n    {one.hint}" for one in problems[:10]))
    first = f"evaluation.interactor={components[0]!r}"
    trained = open_trained(args.checkpoint, args.config, [*args.cfg_options, first])
    print(*trained.notes, sep="\n", end="\n" * bool(trained.notes))
    system, data, section = trained.system, trained.data, trained.settings.evaluation
    section = replace(section, metric=args.by or section.metric)
    split = data.sources.validation_split
    found = search(system.model, data, section, components, known_texts(system, data))
    if args.out:
        write_json(args.out, {"split": split, "by": section.metric, "tried": [asdict(one) for one in found]})
    print(as_table(found, "nobody asked", "calls", ("type", *shared)))
    tried = f"{len(components)} setting{'s' * (len(components) > 1)} tried on the split {split!r}"
    if (best := found[0].component) is None:
        print(f"{tried}: none is better by {section.metric} than asking nobody.")
    else:
        print(f"{tried}; best by {section.metric}, to be evaluated on the test split once:")
        print(f'  python tools/test.py {args.checkpoint} --cfg-options "evaluation.interactor={best!r}"')


if __name__ == "__main__":
    run_tool(main)
