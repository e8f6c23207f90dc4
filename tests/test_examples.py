"""The examples of the docs run as they stand, and README's six lines do."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*command, cwd):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def trained(mini, tmp_path_factory):
    """What docs/examples/train_from_python.py leaves and prints, trained for one epoch."""
    folder = tmp_path_factory.mktemp("example")
    small = [f"data.dataset.root={mini}", "schedule.max_epochs=1", "data.num_workers=0", "runtime.threads=1"]
    printed = run(ROOT / "docs/examples/train_from_python.py", "run", *small, cwd=folder)
    return folder, printed


def test_training_from_python_says_its_scores_and_where_the_checkpoint_is(trained):
    folder, printed = trained
    assert re.search(r"two-tower_mini-pedes on MiniPEDES \(tiny\): R@1 \d+\.\d %, mAP \d+\.\d %", printed)
    assert "trained on MiniPEDES (tiny): captions become 128 numbers each" in printed
    assert (folder / "run" / "best.pth").is_file()


def test_ten_images_are_ranked(trained, mini):
    folder, _ = trained
    images = mini / "tiny-0" / "images"
    printed = run(ROOT / "docs/examples/rank_ten_images.py", "run/best.pth", images, "a man in red", cwd=folder)
    rows = [line.split("  ") for line in printed.splitlines() if "  " in line]
    assert len(rows) == 10
    scores = [float(score) for score, _ in rows]
    assert scores == sorted(scores, reverse=True)
    assert sorted(path for _, path in rows) == [str(path) for path in sorted(images.glob("*.png"))[:10]]


def test_the_lines_of_the_readme_work_as_written(trained, mini):
    folder, _ = trained
    (code,) = re.findall(r"```python\n(.*?load_system.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert len([line for line in code.splitlines() if line.strip()]) <= 8
    (folder / "work_dirs").mkdir()
    (folder / "work_dirs" / "demo").symlink_to(folder / "run")
    (folder / "photos").symlink_to(mini / "tiny-0" / "images")
    printed = run("-c", code, cwd=folder)
    assert printed.count(".png") == 5


def test_the_page_for_readers_names_six_files_in_order_and_the_floors_as_lint_holds_them():
    page = (ROOT / "docs/dive.md").read_text()
    assert len(re.findall(r"^\d\. \[", page, re.M)) == 6
    layers = re.search(r"^layers =\n((?:    .*\n)+)", (ROOT / "setup.cfg").read_text(), re.M)[1]
    floors = [set(line.strip().split(" : ")) for line in layers.splitlines()]
    block = re.search(r"## The floors.*?```\n(.*?)```", page, re.S)[1]
    shown = [re.split(r" {3,}", line)[0].split() for line in block.splitlines()]
    height = {name: number for number, names in enumerate(floors) for name in names}
    heights = [height[name] for names in shown for name in names]
    assert heights == sorted(heights)
    assert set(height) - {name for names in shown for name in names} <= {
        "system_files", "system_card", "system_exported", "trained_on", "registration", "plugins", "builtins",
        "arguments",
    }  # fmt: skip
