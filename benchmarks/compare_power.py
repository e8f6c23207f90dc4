"""How often `leaderboard compare` claims what is not there, and how often it finds what is.

    python benchmarks/compare_power.py [--json] [--repeats 400]

Imagined studies with a known truth (tests/leaderboard/simulate.py) at the sizes of three test splits. For each number
of seeds, the share of studies with p < 0.05:
- `same`: two draws of seeds of one system; must be rare.
- `equal`: two systems with equal expected score that find other people and captions hard; must be rare.
- `gap`: a true gap of `--gap` points of R@1; must be common. Claims of the wrong sign do not count.
- `same, identities alone`: `same` with one seed each, where nothing tells the variance between seeds: what a comparison
  that does not resample seeds does.

A share p of R repeats has a standard error of sqrt(p (1 - p) / R): 0.011 for 5 % of 400.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

from _common import environment, finish, parser
from _targets import stated

SEEDS = ((2, 2), (3, 3), (5, 5))
PROMISED = ("RSTPReid", "CUHK-PEDES")


def load_simulation() -> ModuleType:
    """The simulation that the tests use; the tests are no package."""
    path = Path(__file__).parents[1] / "tests" / "leaderboard" / "simulate.py"
    spec = importlib.util.spec_from_file_location("simulate", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["simulate"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def measure(repeats: int, gap: float, seed_points: float) -> dict[str, dict[str, dict[str, float]]]:
    """Size -> seeds -> what was imagined -> share of claims."""
    simulate = load_simulation()
    world = simulate.World(seed=seed_points)
    found: dict[str, dict[str, dict[str, float]]] = {}
    for name, size in simulate.SIZES.items():
        found[name] = {}
        for seeds in SEEDS:
            rates = {
                "same": simulate.rejections(repeats, size, seeds, same=True, world=world, seed=1),
                "equal": simulate.rejections(repeats, size, seeds, world=world, seed=2),
                "gap": simulate.rejections(repeats, size, seeds, gap=gap, world=world, seed=3),
            }
            found[name]["{} and {} seeds".format(*seeds)] = rates
        alone = simulate.rejections(repeats, size, (1, 1), same=True, world=world, seed=4)
        found[name]["1 and 1 seeds"] = {"same, identities alone": alone}
    return found


def main() -> None:
    """Simulate, print a table, compare with the promise of protocol.md."""
    arguments = parser(__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--repeats", type=int, default=400, help="imagined studies for each share")
    arguments.add_argument("--gap", type=float, default=5.0, help="true difference in points of R@1")
    arguments.add_argument("--seed-points", type=float, default=0.7, help="how far a whole run shifts, in points")
    options = arguments.parse_args()
    started = time.perf_counter()
    rates = measure(options.repeats, options.gap, options.seed_points)
    three = {name: rates[name]["3 and 3 seeds"] for name in PROMISED}
    result: dict[str, Any] = {
        "name": "compare_power",
        "ratios": {
            "largest_false_claims": max(max(shares["same"], shares["equal"]) for shares in three.values()),
            "smallest_power": min(shares["gap"] for shares in three.values()),
        },
        "targets": stated("compare_power"),
        "promised_for": f"3 and 3 seeds on {' and '.join(PROMISED)}, a gap of 5 points",
        "shares_of_claims": rates,
        "gap_points": options.gap,
        "seed_points": options.seed_points,
        "repeats": options.repeats,
        "seconds": time.perf_counter() - started,
        "environment": environment(options.threads),
    }
    finish(result, options.json)


if __name__ == "__main__":
    main()
