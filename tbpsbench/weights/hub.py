"""From `pretrained` in a config to a weight file: a path is taken as it is, a name is looked up.

Some names stand for a model that an installed package holds (packages.py), the others are fetched from a model hub.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tbpsbench.errors import CheckpointError
from tbpsbench.weights.files import FOLDER_FILES, weight_file
from tbpsbench.weights.packages import packaged_folder

WEIGHT_SUFFIXES = (".pth", ".pt", ".bin", ".safetensors", ".ckpt")


def find_weights(pretrained: str | os.PathLike[str], repositories: Mapping[str, str]) -> Path:
    """The local weight file that `pretrained` means.

    Args:
        pretrained: a file, a folder, the name of a packaged model, a name in `repositories`, a hub repository
            "owner/name", or an https address.
        repositories: short name -> hub repository.

    Raises:
        CheckpointError: if the path does not exist, the name is unknown, its package is not installed, or the hub
            cannot be reached.
    """
    text = os.fspath(pretrained)
    if text.startswith("https://"):
        return _download(text)
    if text.startswith("~") or Path(text).suffix in WEIGHT_SUFFIXES or _exists(text):
        return weight_file(text)
    if folder := packaged_folder(text):
        return weight_file(folder)
    repository = repositories.get(text, text)
    if repository.count("/") != 1 or repository.startswith((".", "/", "~")):
        raise CheckpointError(
            f"{text}: no such file or folder, and no weights are known by this name. Known names: "
            f"{', '.join(sorted(repositories))}; or a hub repository 'owner/name'."
        )
    return _fetch(repository, text)


def _exists(text: str) -> bool:
    try:
        return Path(text).exists()
    except (OSError, ValueError):  # too long, or with a NUL: no file, perhaps a name
        return False


def _fetch(repository: str, name: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    for file in FOLDER_FILES:
        try:
            path = Path(hf_hub_download(repository, file))
            with contextlib.suppress(EntryNotFoundError):  # says which activation the weights were trained with
                hf_hub_download(repository, "config.json")
            return path
        except LocalEntryNotFoundError as error:
            raise CheckpointError(unreachable(name, repository, error)) from error
        except EntryNotFoundError:
            continue
        except Exception as error:  # httpx, OSError, repository errors: all mean that there are no weights to be had
            raise CheckpointError(unreachable(name, repository, error)) from error
    raise CheckpointError(f"{name}: the hub repository {repository} holds none of {', '.join(FOLDER_FILES)}")


def _download(url: str) -> Path:
    import torch

    # Other addresses end in the same name, and a question mark is no part of a file's.
    name = unquote(urlsplit(url).path).rsplit("/", 1)[-1] or "weights"
    folder = hashlib.sha256(url.encode()).hexdigest()[:16]
    target = Path(torch.hub.get_dir()) / "checkpoints" / folder / name
    if target.is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(url, str(target))
    except OSError as error:
        older = target.parents[1] / name
        kept = f" An older version kept such a file: if it is the same, pretrained={str(older)!r}." * older.is_file()
        raise CheckpointError(unreachable(url, url, error) + kept) from error
    return target


def unreachable(name: str, place: str, error: Exception) -> str:
    """The message for weights that no network brings."""
    reason = (str(error).splitlines() or [""])[0]
    return (
        f"{name}: the weights could not be fetched from {place} ({type(error).__name__}: {reason}). Without a network, "
        f"copy the weight file here and name it: pretrained='path/to/model.safetensors'."
    )
