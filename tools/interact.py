"""Try settings of an interactor on the validation split, the only one that this tool reads, and say which is best.

    python tools/interact.py work_dirs/demo MTI "mllm=dict(type='Simulated', misjudged=0.1, wrong=0.1)" \\
        --try lam=0.2,0.5,0.8,0.95 xi=0.3,0.5,0.7 --by R@5

Give a real model a cache (cache=replies.sqlite): settings that ask the same are then answered from it. The last line
shows how to evaluate the test split with the winner, once.
"""

from __future__ import annotations

import argparse
from typing import Any

from tbpsbench.cli import add_tuning, run_tool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_tuning(parser, "the interactor, e.g. MTI", "e.g. data.dataset.root=/data/CUHK-PEDES data.captions=terse")
    parser.add_argument("given", metavar="ARGUMENT=VALUE", nargs="*", help="what all settings share, e.g. mllm=...")
    parser.add_argument("--try", dest="ranges", nargs="+", default=[], metavar="ARGUMENT=VALUES", help="values to try")
    args = parser.parse_args()
    from tbpsbench.config.literal import parse_value
    from tbpsbench.engine.tuning import INTERACTOR, grid, tune
    from tbpsbench.errors import ConfigError
    from tbpsbench.registry import INTERACTORS

    shared: dict[str, Any] = {}
    for text in args.given:
        key, equals, value = text.partition("=")
        if not equals or not key.isidentifier() or key in (*shared, "type"):
            raise ConfigError(f"write each argument once, as ARGUMENT=VALUE; got {text!r:.120}")
        shared[key] = parse_value(value)
    tried = grid(args.name, args.ranges)
    if twice := [key for key in tried[0] if key in shared]:
        raise ConfigError(f"{twice[0]} is given and tried: name it once")
    components = [{"type": args.name, **shared, **one} for one in tried]
    if problems := [one for c in components for one in INTERACTORS.problems(c, "evaluation.interactor")]:
        raise ConfigError("\n".join(f"{one.path}  {one.message}\n    {one.hint}" for one in problems[:10]))
    tune(INTERACTOR, args, components, [INTERACTOR.key.format(repr(components[0]))], list(shared))


if __name__ == "__main__":
    run_tool(main)
