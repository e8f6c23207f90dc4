import importlib
import importlib.metadata
import subprocess
import sys
import textwrap

import pytest

from tbpsbench import plugins
from tbpsbench.errors import RegistryError
from tbpsbench.registry import LOSSES


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Lay out packages as pip would, with an entry point each, and make discovery start anew."""

    def add(name: str, source: str) -> None:
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(source))
        info = tmp_path / f"{name}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[tbpsbench.plugins]\n{name} = {name}\n")
        importlib.invalidate_caches()

    def found(group):
        distributions = importlib.metadata.distributions(path=[str(tmp_path)])
        return [point for distribution in distributions for point in distribution.entry_points.select(group=group)]

    monkeypatch.syspath_prepend(str(tmp_path))
    # Plug-ins that are really installed stay out of these tests.
    monkeypatch.setattr(plugins.metadata, "entry_points", found)
    monkeypatch.setattr(plugins, "_plugins", {})
    monkeypatch.setattr(plugins, "_done", False)
    before = set(LOSSES._entries)
    yield add
    for name in set(LOSSES._entries) - before - set(LOSSES._builtins):
        LOSSES.remove(name)


GOOD = """
    from tbpsbench.losses.base import Loss
    from tbpsbench.registry import LOSSES

    @LOSSES.register(requires=("anchor",))
    class PluginLoss(Loss):
        def __init__(self, anchor: str = "image.pooled") -> None:
            super().__init__()
            self.anchor = anchor

        def forward(self, features, batch):
            raise NotImplementedError
"""


def test_plug_in_is_found_and_its_provenance_kept(install):
    install("tbps_good", GOOD)
    assert "PluginLoss" in LOSSES.names()
    (plugin,) = [p for p in plugins.load_all() if p.name == "tbps_good"]
    assert (plugin.distribution, plugin.version, plugin.error) == ("tbps_good", "1.2", None)
    assert plugin.registered == [("LOSSES", "PluginLoss")]
    assert LOSSES.entry("PluginLoss").plugin == "tbps_good"


def test_plug_in_that_somebody_imported_before_keeps_its_provenance(install):
    install("tbps_early", GOOD)
    importlib.import_module("tbps_early")
    (plugin,) = [p for p in plugins.load_all() if p.name == "tbps_early"]
    assert plugin.registered == [("LOSSES", "PluginLoss")]
    assert LOSSES.entry("PluginLoss").plugin == "tbps_early"


def test_plug_in_that_fails_to_import_warns_and_explains_missing_names(install):
    install("tbps_broken", "import a_module_that_does_not_exist")
    with pytest.warns(UserWarning, match="plug-in 'tbps_broken' .*a_module_that_does_not_exist"):
        LOSSES.names()
    assert LOSSES.get("InfoNCE").__name__ == "InfoNCE"
    with pytest.raises(RegistryError, match=r"no loss is called 'BrokenLoss'[\s\S]*'tbps_broken' failed to load"):
        LOSSES.get("BrokenLoss")


def test_plug_in_cannot_shadow_a_built_in(install):
    install("tbps_shadow", GOOD.replace("class PluginLoss", "class InfoNCE"))
    with pytest.warns(UserWarning, match="'InfoNCE' is taken by the built-in"):
        plugins.load_all()
    assert LOSSES.get("InfoNCE").__module__ == "tbpsbench.losses.infonce"


def test_two_plug_ins_with_one_name_clash(install):
    install("tbps_first", GOOD)
    install("tbps_second", GOOD)
    with pytest.warns(UserWarning, match="'tbps_second' .*'PluginLoss' is taken by tbps_first.PluginLoss"):
        plugins.load_all()
    assert LOSSES.get("PluginLoss").__module__ == "tbps_first"


def test_importing_the_package_and_its_slots_imports_nothing_heavy():
    code = (
        "import sys, tbpsbench, tbpsbench.registry, tbpsbench.types, tbpsbench.engine.workdir, tbpsbench.cli\n"
        "print([m for m in ('torch', 'mmengine', 'transformers', 'open_clip', 'numpy', 'PIL') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"
