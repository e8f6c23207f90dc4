"""Golden files: numbers that released code gave, in every file of a folder that fits a family's pattern.

The folder is tests/data/golden, or what TBPSBENCH_GOLDEN names. Names and sizes of the files are not known here: tests
read them from the arrays.
"""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

FOLDER = Path(os.environ.get("TBPSBENCH_GOLDEN") or Path(__file__).parents[1] / "data" / "golden").resolve()


def golden_files(family):
    """Every FAMILY_*.npz, by name; where there is none the pattern itself, a path that `Golden` fails to open."""
    return sorted(FOLDER.glob(f"{family}_*.npz")) or [FOLDER / f"{family}_*.npz"]


def each_golden(family):
    """Run a test once per file of a family, as its argument `path`; the test's id names the file."""
    return pytest.mark.parametrize("path", golden_files(family), ids=lambda path: path.stem)


class Golden:
    """The arrays of a file; remembers which were read."""

    def __init__(self, path):
        if not path.is_file():
            where = "the folder that TBPSBENCH_GOLDEN names" if os.environ.get("TBPSBENCH_GOLDEN") else "the repository"
            pytest.fail(f"no golden file {path}: {where} must hold at least one", pytrace=False)
        with np.load(path, allow_pickle=False) as arrays:
            self.arrays = {name: arrays[name] for name in arrays.files}
        self.path, self.read = path, set()

    def __iter__(self):
        return iter(self.arrays)

    def __getitem__(self, name):
        self.read.add(name)
        return self.arrays[name]

    def tensor(self, name):
        return torch.from_numpy(self[name])

    def below(self, prefix):
        """name -> array, for all names that start with `prefix`, without it."""
        return {name.removeprefix(prefix): self[name] for name in self if name.startswith(prefix)}

    def weights(self, prefix=""):
        """name -> tensor of the initial parameters whose names start with `prefix`, without it."""
        return {name: torch.from_numpy(array) for name, array in self.below(f"init/{prefix}").items()}

    def unread(self):
        return sorted(set(self.arrays) - self.read)


def clip_towers(golden):
    """The sections of CLIPImage and CLIPText, as large as the towers of an irra_ or rde_ file.

    The file does not tell the number of heads (one per 64 channels, as in CLIP) and the stride of the patches (the
    largest that gives the number of positions).
    """
    state = golden.weights("base_model.")
    width, _, patch, _ = state["visual.conv1.weight"].shape
    text_width, embed = state["text_projection"].shape
    H, W = golden["images"].shape[2:]
    positions = len(state["visual.positional_embedding"]) - 1
    strides = [s for s in range(1, patch + 1) if ((H - patch) // s + 1) * ((W - patch) // s + 1) == positions]
    image = {"embed_dim": embed, "width": width, "layers": blocks(state, "visual.transformer."), "patch_size": patch}
    text = {"embed_dim": embed, "width": text_width, "layers": blocks(state, "transformer.")}
    text |= {"vocab_size": len(state["token_embedding.weight"]), "context_length": len(state["positional_embedding"])}
    return (
        {"type": "CLIPImage", "arch": image, "img_size": (H, W), "stride": max(strides)},
        {"type": "CLIPText", "arch": text},
    )


def blocks(state, prefix):
    """Number of residual blocks below a name."""
    prefix = f"{prefix}resblocks."
    return len({name.removeprefix(prefix).split(".")[0] for name in state if name.startswith(prefix)})


def caption_mask(ids_BT):
    """True up to the end of each text, which has the largest id."""
    return torch.arange(ids_BT.shape[1]) <= ids_BT.argmax(dim=1)[:, None]


def relative_error(ours, theirs):
    """Size of the difference relative to the size of the whole array: single numbers may cancel to almost nothing."""
    ours, theirs = (np.asarray(x.detach() if torch.is_tensor(x) else x, dtype=np.float64) for x in (ours, theirs))
    assert ours.shape == theirs.shape
    return np.linalg.norm(ours - theirs) / max(np.linalg.norm(theirs), 1e-30)


def assert_golden(ours, theirs, tolerance=1e-5):
    """Equal but for the rounding of float32."""
    error = relative_error(ours, theirs)
    assert error <= tolerance, f"relative error {error:.2g} is over {tolerance:g}"
