import subprocess
import sys

from tbpsbench.builtins import BUILTINS
from tbpsbench.registry import IMAGE_ENCODERS, TEXT_ENCODERS

HEAVY = ("mmpretrain", "transformers", "open_clip", "torchvision")


def test_looking_an_encoder_up_imports_no_heavy_package():
    """tools/check.py looks every component up; several seconds of imports would be felt."""
    names = [(slot, name) for slot in ("IMAGE_ENCODERS", "TEXT_ENCODERS") for name in BUILTINS[slot]]
    code = (
        "import sys\nfrom tbpsbench.registry import SLOTS\n"
        f"for slot, name in {names!r}: SLOTS[slot].get(name)\n"
        f"print([package for package in {HEAVY!r} if package in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_every_built_in_encoder_is_registered_under_its_name():
    for registry in (IMAGE_ENCODERS, TEXT_ENCODERS):
        for name in BUILTINS[registry.slot]:
            assert registry.get(name).__name__ == name
