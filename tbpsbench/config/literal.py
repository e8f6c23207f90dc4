"""Reading a config without running it: literals, `dict(...)` and `_base_`, each value with the line it stands on."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from tbpsbench.bundle import PREFIX, configs
from tbpsbench.errors import ConfigError
from tbpsbench.reading import read_bytes

Path_ = tuple[str, ...]
Origins = dict[Path_, str]


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
    text = read_bytes(path)
    try:
        tree = ast.parse(text, filename=str(path))
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        raise ConfigError(f"{path}:{line}: not valid Python ({getattr(error, 'msg', error)})") from None
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
    """The value of a `KEY=VALUE` override: a Python literal or `dict(...)`; anything else is taken as text."""
    try:
        return evaluate(ast.parse(text.strip(), mode="eval").body, "--cfg-options")
    except (SyntaxError, ValueError, ConfigError):
        return text


def evaluate(node: ast.expr, file: str) -> Any:
    """The plain value of an expression made of literals and `dict(...)` calls."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict" and not node.args:
        keys = [keyword.arg for keyword in node.keywords]
        if None not in keys:
            return {str(keyword.arg): evaluate(keyword.value, file) for keyword in node.keywords}
    if isinstance(node, ast.Dict):
        if all(isinstance(key, ast.Constant) and isinstance(key.value, str) for key in node.keys):
            return {key.value: evaluate(v, file) for key, v in zip(node.keys, node.values, strict=True)}  # type: ignore[union-attr]
        raise ConfigError(f"{file}:{node.lineno}: keys of a dict in a config are strings")
    if isinstance(node, ast.List):
        return [evaluate(item, file) for item in node.elts]
    if isinstance(node, ast.Tuple):
        return tuple(evaluate(item, file) for item in node.elts)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
        return ast.literal_eval(node)
    if isinstance(node, ast.Constant) and not isinstance(node.value, bytes | complex):
        return node.value
    raise ConfigError(
        f"{file}:{node.lineno}: {ast.unparse(node)!r} is not data: a config holds literals and dict(...), nothing else"
    )


def _origins(node: ast.expr, file: str, path: Path_) -> Iterator[tuple[Path_, str]]:
    yield path, f"{file}:{node.lineno}"
    if isinstance(node, ast.Call):
        children = [(str(keyword.arg), keyword.value) for keyword in node.keywords]
    elif isinstance(node, ast.Dict):
        children = [(str(getattr(k, "value", k)), v) for k, v in zip(node.keys, node.values, strict=True)]
    elif isinstance(node, ast.List | ast.Tuple):
        children = [(str(index), item) for index, item in enumerate(node.elts)]
    else:
        children = []
    for key, child in children:
        yield from _origins(child, file, (*path, key))
