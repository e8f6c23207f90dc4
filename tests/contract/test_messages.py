"""Every assertion of the contracts says what was expected: its reader did not write it."""

import ast
from pathlib import Path

import pytest

FILES = sorted(Path("tbpsbench/testing").glob("*.py"))


def messages(tree):
    """(line, message or None) of every assertion."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            yield node.lineno, node.msg
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("assert_close", "AssertionError"):
            yield node.lineno, node.args[-1]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_assertion_says_what_was_expected(path):
    found = list(messages(ast.parse(path.read_text())))
    if path.stem not in ("__init__", "toy"):
        assert found
    for line, message in found:
        said = [n.value for n in ast.walk(message) if isinstance(n, ast.Constant)] if message else []
        by_caller = isinstance(message, ast.Name)
        assert by_caller or any("expect" in str(part) for part in said), f"{path}:{line} does not say what was expected"


def test_all_public_names_are_exported():
    from tbpsbench import testing

    checks = {
        node.name
        for path in FILES
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith(("check_", "toy_"))
    }
    assert checks <= set(testing.__all__)
    assert all(hasattr(testing, name) for name in testing.__all__)
