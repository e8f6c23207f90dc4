"""Small systems and a few pictures, made once, when a test asks for them."""

import shutil

import pytest
from small_systems import TOKEN_LOSS, TOKENS, untrained

# kind -> (overrides, seed): one vector a picture, the same with other weights, and sets of vectors.
KINDS = {"vectors": ((), 0), "other": ((), 1), "sets": ((TOKENS, TOKEN_LOSS), 0)}


@pytest.fixture(scope="session")
def checkpoints(mini, tmp_path_factory):
    """kind -> checkpoint."""
    folder = tmp_path_factory.mktemp("checkpoints")

    class Made(dict):
        def __missing__(self, kind):
            options, seed = KINDS[kind]
            self[kind] = untrained(mini, folder / f"{kind}.pth", *options, seed=seed)
            return self[kind]

    return Made()


@pytest.fixture
def photos(mini, tmp_path):
    """A folder with ten pictures, two of them in a folder of their own."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for number, path in enumerate(sorted((mini / "tiny-0" / "images").glob("*.png"))[:10]):
        shutil.copy(path, folder / ("more" if number > 7 else "") / f"{number}.png")
    return folder
