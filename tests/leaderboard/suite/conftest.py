"""A suite of runs that take seconds."""

from pathlib import Path

import pytest


@pytest.fixture
def suite(tmp_path, demo, mini):
    """A function that writes a suite of tiny runs."""

    def write(entries=("a", "b"), seeds=(0,), epochs=1, transfer=None, options=()):
        options = [*demo[2:], f"schedule.max_epochs={epochs}", "evaluation.interval=1", "data.num_workers=0", *options]
        values = {
            "title": "Tiny",
            "entries": {
                name: {"config": str(Path(demo[0]).resolve()), "options": [f"optimizer.lr={1e-3 / (number + 1)}"]}
                for number, name in enumerate(entries)
            },
            "datasets": {"mini": []},
            "seeds": tuple(seeds),
            "options": options,
            "transfer": transfer or {},
        }
        path = tmp_path / "suite.py"
        path.write_text("".join(f"{key} = {value!r}\n" for key, value in values.items()))
        return path

    return write
