"""Reading a config without running it: literals, `dict(...)` and `_base_`, each value with the line it stands on."""

from __future__ import annotations

import ast
import math
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from tbpsbench.bundle import PREFIX, configs
from tbpsbench.errors import ConfigError, DataError
from tbpsbench.reading import INT64, MAX_SHOWN, decode, read_bytes, require_text, shown

Path_ = tuple[str, ...]
Origins = dict[Path_, str]
OVERRIDE = "--cfg-options"
# The longest of our configs has 6 kB and five levels.
MAX_BYTES = 256 << 10
MAX_DEPTH = 30


class NotDataError(ConfigError):
    """An expression is no literal: an error in a file, plain text in an override."""


def read_literals(path: Path) -> tuple[dict[str, Any], Origins]:
    """Top-level names of a config file with their values, and where each value is written.

    Returns:
        values: nested plain data.
        origins: (key, key, ...) -> "file:line", for every value at every depth.

    Raises:
        ConfigError: for a missing file, a syntax error, or anything that is not data; names the line.
    """
    if not path.is_file():
        full = {Path(name).name: PREFIX + name for name in configs()}
        near = next((f" Did you mean {full[name]}?" for name in get_close_matches(path.name, full, n=1)), "")
        raise ConfigError(f"{path}: no such config file.{near} The packaged ones: tbpsbench configs")
    text = _read(path)
    tree = _parse(text, str(path), "exec")
    values: dict[str, Any] = {}
    origins: Origins = {}
    for position, statement in enumerate(tree.body):
        if position == 0 and isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            continue  # the docstring
        if not (
            isinstance(statement, ast.Assign)
            and len(statement.targets) == 1
            and isinstance(statement.targets[0], ast.Name)
        ):
            raise ConfigError(
                f"{path}:{statement.lineno}: a config is data: write NAME = literal or NAME = dict(...), "
                "nothing else (no imports, no code)"
            )
        name = statement.targets[0].id
        if name in values:
            raise ConfigError(f"{path}:{statement.lineno}: {name} is set twice; the first is at {origins[(name,)]}")
        values[name] = evaluate(statement.value, str(path))
        origins.update(_origins(statement.value, str(path), (name,)))
    return values, origins


def parse_value(text: str) -> Any:
    """The value of a `KEY=VALUE` override: a Python literal or `dict(...)`; anything else is taken as text.

    Raises:
        ConfigError: if it is meant as data and cannot be (see `evaluate`), or holds what no text can.
    """
    plain_text(text, OVERRIDE)
    try:
        return evaluate(_parse(text.strip(), OVERRIDE, "eval").body, OVERRIDE)
    except NotDataError:
        return text


def evaluate(node: ast.expr, file: str, depth: int = 1) -> Any:
    """The plain value of an expression made of literals and `dict(...)` calls.

    Raises:
        NotDataError: if it is made of anything else.
        ConfigError: if it is data that no config holds: a key set twice, a number beyond 64 bits, endless nesting.
    """
    place = f"{file}:{node.lineno}"
    if depth > MAX_DEPTH:
        raise ConfigError(f"{place}: nested deeper than {MAX_DEPTH} levels, which no config is")
    if isinstance(node, ast.Call | ast.Dict):
        pairs = _pairs(node, place)
        if twice := [key for key, times in Counter(key for key, _ in pairs).items() if times > 1]:
            raise ConfigError(f"{place}: the key {twice[0]!r:.60} is set twice in one dict: keep one of them")
        return {plain_text(key, place): evaluate(value, file, depth + 1) for key, value in pairs}
    if isinstance(node, ast.List | ast.Tuple):
        items = [evaluate(item, file, depth + 1) for item in node.elts]
        return items if isinstance(node, ast.List) else tuple(items)
    sign, number = 1, node
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        sign, number = -1, node.operand
    if isinstance(number, ast.Constant):
        value = number.value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return _number(sign * value, place)
        if sign == 1 and (value is None or isinstance(value, bool)):
            return value
        if sign == 1 and isinstance(value, str):
            return plain_text(value, place)
    raise NotDataError(f"{place}: {_written(node)} is not data: a config holds literals and dict(...), nothing else")


def _read(path: Path) -> str:
    try:
        return decode(read_bytes(path, limit=MAX_BYTES), shown(path))
    except DataError as error:
        raise ConfigError(str(error)) from None


def _parse(text: str, file: str, mode: Literal["exec", "eval"]) -> Any:
    """The syntax tree of a text of any kind.

    Raises:
        NotDataError: for what is not Python.
        ConfigError: for what no Python could hold: nesting without end, numbers without end.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes such as "\d"
            return ast.parse(text, file, mode)
    except SyntaxError as error:
        if error.msg.startswith("Exceeds the limit"):
            raise ConfigError(f"{file}:{error.lineno or 1}: holds a number that does not fit into 64 bits") from None
        raise NotDataError(f"{file}:{error.lineno or 1}: not valid Python ({error.msg})") from None
    except ValueError as error:
        raise NotDataError(f"{file}:1: not valid Python ({error})") from None
    except (RecursionError, MemoryError, OverflowError):
        raise NotDataError(f"{file}:1: not a config: nested without end") from None


def _pairs(node: ast.Call | ast.Dict, place: str) -> list[tuple[str, ast.expr]]:
    """Keys and values of `dict(...)` or `{...}`, not evaluated."""
    if isinstance(node, ast.Dict):
        found = [
            (key.value, value)
            for key, value in zip(node.keys, node.values, strict=True)
            if isinstance(key, ast.Constant) and isinstance(key.value, str)
        ]
        if len(found) == len(node.keys):
            return found
        raise NotDataError(f"{place}: keys of a dict in a config are strings")
    named = [(keyword.arg, keyword.value) for keyword in node.keywords if keyword.arg is not None]
    if (
        isinstance(node.func, ast.Name)
        and node.func.id == "dict"
        and not node.args
        and len(named) == len(node.keywords)
    ):
        return named
    raise NotDataError(f"{place}: {_written(node)} is not data: a config holds literals and dict(...), nothing else")


def _number(value: float, place: str) -> float:
    if isinstance(value, int) and value not in INT64:
        raise ConfigError(f"{place}: a number of {value.bit_length()} bits does not fit into 64")
    if not math.isfinite(value):
        raise ConfigError(f"{place}: a number is too large")
    return value


def plain_text(text: str, place: str) -> str:
    """The text itself, if it can be written again.

    Raises:
        ConfigError: if it holds a lone surrogate or a NUL.
    """
    try:
        return require_text(text, place)
    except DataError as error:
        raise ConfigError(str(error)) from None


def _written(node: ast.expr) -> str:
    try:
        return repr(ast.unparse(node))[:MAX_SHOWN]
    except (RecursionError, ValueError):  # nested without end, or a number of thousands of digits
        return f"a {type(node).__name__}"


def _origins(node: ast.expr, file: str, path: Path_) -> Iterator[tuple[Path_, str]]:
    yield path, f"{file}:{node.lineno}"
    children: Iterable[tuple[str, ast.expr]] = ()
    if isinstance(node, ast.Call | ast.Dict):
        children = _pairs(node, file)
    elif isinstance(node, ast.List | ast.Tuple):
        children = ((str(index), item) for index, item in enumerate(node.elts))
    for key, child in children:
        yield from _origins(child, file, (*path, key))
