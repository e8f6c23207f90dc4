"""One careful reader for every text that the tools take: UTF-8, JSON and JSONL, each error with file and line or key.

A file may come from a stranger. What reads as text but breaks whatever comes after it is refused here, once: characters
that cannot be written again (lone surrogates, NUL), integers beyond 64 bits, NaN and infinity, a key that is set twice,
nesting without end, and files far larger than any text of ours.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from tbpsbench.errors import DataError

# An official release is 40 MB of JSON; nothing that we call a text comes near this.
MAX_TEXT = 256 << 20
MAX_DEPTH = 100
# What Linux allows for the name of one file or folder, and for a whole path; bytes.
MAX_NAME, MAX_PATH = 255, 4095
MAX_SHOWN = 120
INT64 = range(-(2**63), 2**63)
# Only a text in which one of these occurs is looked at value by value.
_ODD_STRING = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_BROKEN = re.compile("[\ud800-\udfff\0]")


def read_bytes(path: str | Path, *, limit: int | None = None) -> bytes:
    """Read a whole file or say why not.

    Args:
        path: what to read.
        limit: the most bytes that such a file can have.

    Raises:
        DataError: if the file is missing, unreadable, or larger than the limit.
    """
    try:
        if limit is not None and (size := Path(path).stat().st_size) > limit:
            raise DataError(f"{shown(path)}: has {size} bytes, more than the {limit} that such a file can have")
        with Path(path).open("rb") as stream:
            raw = stream.read(-1 if limit is None else limit + 1)
        if limit is not None and len(raw) > limit:  # a device, which says that it has 0 bytes
            raise DataError(f"{shown(path)}: has more than the {limit} bytes that such a file can have")
        return raw
    except FileNotFoundError:
        raise DataError(f"{shown(path)}: no such file") from None
    except OSError as error:
        raise DataError(f"{shown(path)}: cannot be read ({error.strerror})") from error
    except ValueError as error:  # a NUL in the name
        raise DataError(f"{shown(path)}: not the name of a file ({error})") from None


def read_text(path: str | Path, *, exact: bool = False) -> str:
    """Read a text file in UTF-8; line ends stay as they are, a byte order mark is dropped.

    Args:
        path: what to read.
        exact: keep a byte order mark, too: every character as it was written.

    Raises:
        DataError: if it is missing, too large, not UTF-8, or holds a NUL; names the line.
    """
    raw = read_bytes(path, limit=MAX_TEXT)
    mark = "\ufeff" if exact and raw.startswith(codecs.BOM_UTF8) else ""
    return mark + decode(raw, shown(path))


def read_lines(path: str | Path) -> list[str]:
    """The lines of a text file without their ends; U+2028 and the like end no line.

    Raises:
        DataError: as `read_text`.
    """
    lines = [line.removesuffix("\r") for line in read_text(path).split("\n")]
    return lines[:-1] if lines[-1] == "" else lines


def read_json(path: str | Path) -> Any:
    """Parse a JSON file.

    Raises:
        DataError: if it is missing, too large, truncated, not JSON, or holds what the module refuses.
    """
    return parse_json(read_bytes(path, limit=MAX_TEXT), shown(path))


def read_jsonl(path: str | Path) -> Iterator[tuple[int, Any]]:
    """Yield (line number from 1, value) for every non-empty line.

    Raises:
        DataError: if the file is missing or a line is not JSON; names the line.
    """
    for number, line in enumerate(read_bytes(path, limit=MAX_TEXT).split(b"\n"), start=1):
        if line.strip():
            yield number, parse_json(line, shown(path), line=number)


def parse_json(raw: bytes, source: str, *, line: int | None = None, finite: bool = True) -> Any:
    """Parse JSON.

    Args:
        raw: the text, in UTF-8.
        source: what to call it in an error.
        line: which line of the source it is; counted from its beginning where it is the whole.
        finite: refuse NaN and infinity; a log of training may hold them.

    Raises:
        DataError: if it is not JSON, or holds what the module refuses.
    """
    place = source if line is None else f"{source}:{line}"
    text = decode(raw, source, line=line)
    try:
        value = json.loads(
            text,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_constant if finite else float,
            object_pairs_hook=_object,
        )
    except json.JSONDecodeError as error:
        raise DataError(
            f"{source}:{(line or 1) + error.lineno - 1}: not valid JSON ({error.msg}). "
            "Is the file complete? Download, copy or create it again."
        ) from None
    except RecursionError:
        raise DataError(f"{place}: nested deeper than {MAX_DEPTH} levels, which no such file is") from None
    except ValueError as error:
        raise DataError(f"{place}: {error}") from None
    if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH or _ODD_STRING.search(raw):
        _require_plain(value, place)
    return value


def decode(raw: bytes, source: str, *, line: int | None = None) -> str:
    """Bytes as text; `line` is the number of their first line.

    Raises:
        DataError: if they are not UTF-8 or hold a NUL; names the line.
    """
    first = line or 1
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = first + raw[: error.start].count(b"\n")
        raise DataError(f"{source}:{at}: not a text file in UTF-8 ({error.reason} at byte {error.start})") from None
    if "\0" in text:
        at = first + text[: text.index("\0")].count("\n")
        raise DataError(f"{source}:{at}: holds a NUL character, so it is no text file. Copy or create it again.")
    return text


def require_text(text: str, what: str) -> str:
    """The text itself, if it can be written to a file and shown.

    Raises:
        DataError: if it holds a lone surrogate (half of a character) or a NUL.
    """
    if found := _BROKEN.search(text):
        raise DataError(
            f"{what}: holds {_called(found[0])} at character {found.start()}, which cannot be written as UTF-8 text. "
            "Remove it."
        )
    return text


def given_path(path: str | Path) -> Path:
    """A path as a user writes it, in a config or on a command line: `~` stands for the home folder.

    Raises:
        DataError: if no file can be called so, or its name could not be written into a record.
    """
    text = str(path)
    called = text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."
    if _BROKEN.search(text):
        raise DataError(f"{shown(called)}: not the name of a file in UTF-8. Rename it.")
    if max(map(len, text.encode().split(b"/"))) > MAX_NAME or len(text.encode()) > MAX_PATH:
        raise DataError(
            f"{shown(called)}: longer than the name of a file can be ({MAX_NAME} bytes, {MAX_PATH} with its folders)"
        )
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise DataError(f"{shown(called)}: there is no such home folder. Write the path without ~.") from None


def shown(path: str | Path) -> str:
    """A path or name for a message: bytes that are not UTF-8, and control characters, are escaped."""
    return "".join(map(_shown_character, str(path)))


def _shown_character(character: str) -> str:
    if character.isprintable():
        return character
    escaped = "\udc80" <= character <= "\udcff"  # how Python keeps a byte that is not UTF-8
    return f"\\x{ord(character) - 0xDC00:02x}" if escaped else ascii(character)[1:-1]


def _called(character: str) -> str:
    return "a NUL character" if character == "\0" else f"the lone surrogate U+{ord(character):04X}"


def _integer(digits: str) -> int:
    if len(digits) > 20 or int(digits) not in INT64:
        raise ValueError(f"the number {_short(digits)} does not fit into 64 bits")
    return int(digits)


def _number(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"the number {_short(digits)} is too large")
    return value


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number of JSON; write null where a value is missing")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        (twice, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"the key {_short(ascii(twice))} is set twice in one object")
    return found


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:30]}... ({len(text)} characters)"


def _require_plain(value: Any, source: str) -> None:
    """Refuse strings that cannot be written and nesting that recursive code after this could not follow."""
    waiting: list[tuple[str, Any, int]] = [("", value, 1)]
    while waiting:
        place, item, depth = waiting.pop()
        if isinstance(item, str):
            require_text(item, f"{source}: {place or 'its text'}")
        elif isinstance(item, dict | list):
            if depth > MAX_DEPTH:
                raise DataError(f"{source}: nested deeper than {MAX_DEPTH} levels, which no such file is")
            if isinstance(item, dict):
                for key in item:
                    require_text(key, f"{source}: a key of {place or 'its object'}")
            inner = item.items() if isinstance(item, dict) else enumerate(item)
            waiting += [(f"{place}.{key}" if place else str(key), child, depth + 1) for key, child in inner]
