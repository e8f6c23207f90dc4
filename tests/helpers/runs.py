"""Runs of training in this process, as tests of the engine start, break off and continue them."""

from same_run import resumed_parts, unlike

from tbpsbench.config.check import require_valid
from tbpsbench.config.load import load_config
from tbpsbench.engine import checkpoint
from tbpsbench.engine.run import build_run
from tbpsbench.engine.train import Training
from tbpsbench.engine.workdir import WorkDir

__all__ = ["assert_equal", "copy_after_epoch", "resumed_parts", "train_in"]


def train_in(folder, demo, *options, allow=(), resume="auto"):
    """Train the demo in a folder, or go on with what is there: (the Training, its record)."""
    config = load_config(demo[0], [*demo[2:], "data.num_workers=0", *options])
    require_valid(config)
    workdir = WorkDir(folder, resume=resume)
    try:
        training = Training(build_run(config, folder=workdir.path), workdir, allow_config_change=allow)
        return training, training.train()
    finally:
        workdir.release()


def copy_after_epoch(monkeypatch, epoch, folder):
    """From now on, what a run saves after this epoch goes to another folder, too, as a killed run leaves it."""
    save = checkpoint.save
    folder.mkdir()

    def save_twice(content, path):
        save(content, path)
        if content["meta"]["epoch"] == epoch:
            save(content, folder / path.name)

    monkeypatch.setattr(checkpoint, "save", save_twice)


def assert_equal(one, other, path=""):
    """Nested data are equal, tensors to the last bit."""
    assert list(unlike(one, other, path)) == []
