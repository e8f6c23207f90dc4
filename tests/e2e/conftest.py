"""One finished run for all tests of the tools, and the plug-in of docs/plugins.md."""

import importlib
import sys
from pathlib import Path

import pytest
from guide_parts import guide_files
from small_models import CLIP_TEXT, CLIP_TOKENS

from tbpsbench import plugins
from tbpsbench.registry import SLOTS


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    return tmp_path_factory.mktemp("finished") / "run"


@pytest.fixture
def run(tool, demo, finished):
    """A finished run of two epochs and what was printed, made once."""
    if not (finished / "record" / "record.json").exists():
        code, out, err = tool("train", demo[0], "--work-dir", finished, *demo[1:], "schedule.max_epochs=2")
        assert code == 0, err
        (finished.parent / "printed.txt").write_text(out)
    return finished


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """The package of the guide, laid out as pip would; returns its folder."""
    files, root = guide_files(), tmp_path_factory.mktemp("site")
    modules = [Path(name).stem for name in files if Path(name).stem not in ("config", "bag")]
    (root / "my_parts").mkdir()
    (root / "my_parts" / "__init__.py").write_text(f"from my_parts import {', '.join(modules)}\n")
    for name, text in files.items():
        (root / name).write_text(text)
    info = root / "my_parts-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-parts\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[tbpsbench.plugins]\nmy-parts = my_parts\n")

    def found(group):
        here = importlib.metadata.distributions(path=[str(root)])
        return [point for distribution in here for point in distribution.entry_points.select(group=group)]

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(root))
        patch.setattr(plugins.metadata, "entry_points", found)
        patch.setattr(plugins, "_plugins", {})
        patch.setattr(plugins, "_done", False)
        patch.setattr(plugins, "_made", [])
        importlib.invalidate_caches()
        (plugin,) = plugins.load_all()
        assert plugin.error is None
        yield root / "my_parts"
        for slot, name in plugin.registered:
            SLOTS[slot].remove(name)
    for name in [name for name in sys.modules if name.split(".")[0] == "my_parts"]:
        del sys.modules[name]


@pytest.fixture
def options(mini):
    """Overrides that make a run with these parts small."""
    return [
        f"data.dataset.root={mini}", "data.dataset.size=tiny", f"{CLIP_TEXT})", CLIP_TOKENS, "data.size=(32, 16)",
        "data.batch_size=16", "data.num_workers=0", "runtime.threads=1", "evaluation.interval=1",
        "schedule.max_epochs=2", "schedule.warmup_epochs=0.5", "model.image_encoder.dim=16",
    ]  # fmt: skip
