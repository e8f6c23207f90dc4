"""Train a small system from Python, look at its record, and search with it.

    python docs/examples/train_from_python.py work_dirs/example

Everything that a config holds can be overridden; here the demo is cut down to a minute on two cores.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tbpsbench import load_system
from tbpsbench.engine.train import train

CONFIG = "tbpsbench::mini/two-tower_mini-pedes.py"
SMALL = ["data.dataset.size=tiny", "data.batch_size=16", "schedule.max_epochs=4", "evaluation.interval=2"]


def main(folder: str, *overrides: str) -> None:
    """Train into `folder`, or go on where an earlier call was stopped."""
    record = train(CONFIG, folder, [*SMALL, *overrides], resume="auto")
    scores = record["results"]["standard"]["scores"]
    print(f"{record['name']} on {record['spec']['data']}: R@1 {scores['R@1']:.1f} %, mAP {scores['mAP']:.1f} %")
    system = load_system(folder)
    words = system.encode_text(["a woman in a red coat", "a man with a black backpack"])
    print(f"{system.name}, trained on {system.trained_on.name}: captions become {words.shape[1]} numbers each")
    print(f"the checkpoint and nothing else: {Path(folder) / 'best.pth'}")


if __name__ == "__main__":
    # Where processes are spawned and not forked (macOS), the workers of a loader import this file: hence the guard.
    main(*sys.argv[1:] or ["work_dirs/example"])
