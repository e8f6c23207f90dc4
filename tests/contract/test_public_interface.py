"""What ships below plugins/ imports nothing of tbpsbench that docs/plugins.md does not call public."""

import ast
import re
from pathlib import Path

import pytest

PACKAGES = sorted(path for path in Path("plugins").glob("*/tbpsbench_*") if path.is_dir())


def public():
    section = Path("docs/plugins.md").read_text().split("## Public modules")[1]
    return set(re.findall(r"`(tbpsbench\.[\w.]+)`", section.split("Tests of plug-ins")[0]))


def imported(path):
    """Modules of tbpsbench that a file imports outside `if TYPE_CHECKING`."""
    tree = ast.parse(path.read_text())
    only_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in only_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "tbpsbench")
        elif isinstance(node, ast.ImportFrom) and node.module == "tbpsbench":
            yield from (f"tbpsbench.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tbpsbench."):
            yield str(node.module)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_shipped_plug_ins_use_the_public_interface_alone(package):
    found = {module for path in package.rglob("*.py") for module in imported(path) if not module.endswith(".base")}
    assert found <= public()
