"""One finished run for all tests of the tools."""

import pytest


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    return tmp_path_factory.mktemp("finished") / "run"


@pytest.fixture
def run(tool, demo, finished):
    """A finished run of two epochs and what was printed, made once."""
    if not (finished / "record" / "record.json").exists():
        code, out, err = tool("train", demo[0], "--work-dir", finished, *demo[1:], "schedule.max_epochs=2")
        assert code == 0, err
        (finished.parent / "printed.txt").write_text(out)
    return finished
