"""`tbpsbench.kernels` needs torch alone, triton where it launches, and nothing else of this package."""

import ast
import json
import pkgutil
import sys

import pytest
from kernel_cases import ROOT, outside

import tbpsbench.kernels

FOLDER = ROOT / "tbpsbench" / "kernels"
# Files named after triton are imported where kernels are launched, and need it.
MODULES = pkgutil.iter_modules(tbpsbench.kernels.__path__)
NAMES = sorted(module.name for module in MODULES if not module.name.startswith("triton"))
# What else of the environment could slip in.
HEAVY = ("mmengine", "mmpretrain", "mmcv", "transformers", "pandas", "scipy", "sklearn", "open_clip", "torchvision")
# Imported where it is installed, by a function.
OPTIONAL = {"mamba_ssm"}
IMPORT = """
import importlib, json, sys
blocked = json.loads(sys.argv[1])
sys.modules.update(dict.fromkeys(blocked))
for name in json.loads(sys.argv[2]):
    importlib.import_module(f"tbpsbench.kernels.{name}")
ours = [name for name in sys.modules if name.startswith("tbpsbench.") and not name.startswith("tbpsbench.kernels")]
print(json.dumps({"ours": ours, "heavy": [name for name in json.loads(sys.argv[3]) if name in sys.modules]}))
"""


@pytest.mark.parametrize("blocked", [[*HEAVY, "triton", "numpy"], []], ids=["everything", "nothing"])
def test_all_of_it_imports_without(blocked):
    found = outside(IMPORT, json.dumps(blocked), json.dumps(NAMES), json.dumps([] if blocked else HEAVY))
    assert found == {"ours": [], "heavy": []}


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: str(path.relative_to(FOLDER)))
def test_its_imports_are_relative_or_of_torch_and_triton(path):
    """The folder can be published by itself."""
    allowed = {"__future__", "torch", "triton"} | OPTIONAL | sys.stdlib_module_names
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module]
        for name in names:
            assert name.split(".")[0] in allowed, f"{path}:{node.lineno} imports {name}"


def test_every_kernel_folder_has_its_definition_and_both_forms():
    for folder in (path.parent for path in FOLDER.glob("*/__init__.py")):
        names = {path.stem for path in folder.glob("*.py")}
        assert {"naive", "torch"} <= names, folder
        assert any(name.startswith("triton") for name in names), folder
