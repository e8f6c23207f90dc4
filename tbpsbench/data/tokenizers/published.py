"""The tokenizer files of a published BERT: vocab.txt, and tokenizer_config.json with the rules for its text.

A cased model's vocabulary used on lower-cased text still gives ids, only poor ones: what its rules are must be said by
a file, or be plain from the vocabulary.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tbpsbench.errors import CheckpointError, ConfigError
from tbpsbench.reading import given_path, read_lines, read_text, shown
from tbpsbench.weights.packages import packaged_folder

VOCABULARY, RULES_FILE = "vocab.txt", "tokenizer_config.json"
# As transformers' BertTokenizer; `strip_accents=None` strips them where text is lower-cased.
RULES: dict[str, bool | None] = {"do_lower_case": True, "strip_accents": None, "tokenize_chinese_chars": True}
# A special token or one of BERT's spare ones, "[unused7]"; their capitals are no letters of a text.
_NO_TEXT = re.compile(r"\[[^\]]*\]")
_CAPITAL = re.compile("[A-Z]")


def load_vocabulary(pretrained: str) -> list[str]:
    """Tokens of a vocab.txt, or of a model on the Hugging Face hub, in the order of their ids.

    Args:
        pretrained: a folder, a file, or a name.

    Raises:
        ConfigError: if there is none, or the package that holds it is not installed.
        DataError: if the file is damaged.
    """
    return read_lines(_vocabulary_file(pretrained))


def load_rules(pretrained: str) -> dict[str, Any]:
    """What tokenizer_config.json says of do_lower_case, strip_accents and tokenize_chinese_chars; else BERT's defaults.

    Args:
        pretrained: as for `load_vocabulary`.

    Raises:
        ConfigError: if it says something else than true or false; or if there is none, and the vocabulary is one of a
            cased model.
        DataError: if the file is damaged.
    """
    vocabulary = _vocabulary_file(pretrained)
    beside = vocabulary.parent / RULES_FILE
    path = beside if beside.is_file() else _from_hub(pretrained, RULES_FILE) if _is_name(pretrained) else None
    said = _read_rules(path) if path is not None else {}
    if "do_lower_case" not in said:
        _require_uncased(vocabulary)
    return RULES | said


def _read_rules(path: Path) -> dict[str, Any]:
    try:
        # Such files hold "no limit" as a number of 31 digits, which no reader of ours takes; numbers are not asked for.
        said = json.loads(read_text(path), parse_int=len)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{shown(path)}: not valid JSON ({type(error).__name__}). Copy it again.") from None
    if not isinstance(said, dict):
        raise ConfigError(f"{shown(path)}: expected an object, found {type(said).__name__}")
    rules = {key: said[key] for key in RULES if key in said}
    for key, value in rules.items():
        if not isinstance(value, bool) and (key, value) != ("strip_accents", None):
            raise ConfigError(f"{shown(path)}: {key} is {value!r:.60}, expected true or false")
    return rules


def _require_uncased(vocabulary: Path) -> None:
    capital = next((t for t in read_lines(vocabulary) if _CAPITAL.search(t) and not _NO_TEXT.fullmatch(t)), None)
    if capital is not None:
        raise ConfigError(
            f"{shown(vocabulary)}: the token {capital!r:.60} has capital letters, so this is the vocabulary of a cased "
            f'model, but no {RULES_FILE} beside it says so. Write one: {{"do_lower_case": false}}, or true if text '
            "shall be lower-cased all the same."
        )


def _vocabulary_file(pretrained: str) -> Path:
    if pretrained.startswith("~"):
        pretrained = str(given_path(pretrained))
    if _is_name(pretrained):
        try:
            folder = packaged_folder(pretrained)
        except CheckpointError as error:
            raise ConfigError(str(error)) from None
        found = _from_hub(pretrained, VOCABULARY) if folder is None else folder / VOCABULARY
        if found is None:
            raise ConfigError(
                f"no vocabulary {pretrained!r}: neither a file nor a folder with vocab.txt, and the Hugging Face hub "
                "gave none. Give the path of a vocab.txt, or pretrained=None to build a vocabulary from the training "
                "captions."
            )
        return found
    path = Path(pretrained)
    return path / VOCABULARY if path.is_dir() else path


def _is_name(pretrained: str) -> bool:
    path = Path(pretrained)
    path = path / VOCABULARY if path.is_dir() else path
    return not path.is_file() and path.suffix != ".txt"


def _from_hub(name: str, file: str) -> Path | None:
    """Path of a hub model's file, from the local cache if it is there; None if it cannot be had.

    Not `from_pretrained`: transformers 5 answers with an empty vocabulary where it finds no file.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HFValidationError

    try:
        return Path(hf_hub_download(name, file))
    except (OSError, ValueError, HFValidationError):
        return None
