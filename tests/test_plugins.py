import importlib
import importlib.metadata
import logging
import os
import subprocess
import sys
import textwrap

import pytest

from tbpsbench import plugins
from tbpsbench.config.check import check
from tbpsbench.config.load import load_config
from tbpsbench.errors import RegistryError
from tbpsbench.model import roles
from tbpsbench.records.environment import plugin_provenance
from tbpsbench.registry import LOSSES
from tbpsbench.weights.convert import converters


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Lay out packages as pip would, with an entry point each, and make discovery start anew."""

    def add(name: str, source: str = "", *, called: str | None = None, **modules: str) -> None:
        """A module of this name; with `modules`, a package that holds them; `called` names its entry point."""
        if modules:
            (tmp_path / name).mkdir()
        place = tmp_path / name / "__init__.py" if modules else tmp_path / f"{name}.py"
        for path, text in ((place, source), *((tmp_path / name / f"{key}.py", modules[key]) for key in modules)):
            path.write_text(textwrap.dedent(text))
        info = tmp_path / f"{name}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[tbpsbench.plugins]\n{called or name} = {name}\n")
        importlib.invalidate_caches()

    def found(group):
        distributions = importlib.metadata.distributions(path=[str(tmp_path)])
        return [point for distribution in distributions for point in distribution.entry_points.select(group=group)]

    monkeypatch.syspath_prepend(str(tmp_path))
    # Plug-ins that are really installed stay out of these tests.
    monkeypatch.setattr(plugins.metadata, "entry_points", found)
    monkeypatch.setattr(plugins, "_plugins", {})
    monkeypatch.setattr(plugins, "_done", False)
    monkeypatch.setattr(plugins, "_made", [])
    before, modules = set(LOSSES._entries), set(sys.modules)
    yield add
    for name in set(LOSSES._entries) - before - set(LOSSES._builtins):
        LOSSES.remove(name)
    for name in set(sys.modules) - modules:
        if name.startswith("tbps_"):
            del sys.modules[name]


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


LAYERED = {"source": "from tbps_half import first, second, third\n", "first": GOOD}


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        ("raise OSError('no such device')", "OSError: no such device"),
        ("import sys; sys.exit(0)", r"it called sys\.exit\(0\)"),
        ("raise GeneratorExit('odd')", "GeneratorExit: odd"),
        ("def half(:", "SyntaxError: "),
        ("class Mute(Exception):\n    def __str__(self): return 1 / 0\nraise Mute", "Mute"),
    ],
)
def test_failure_half_way_leaves_nothing_behind_and_names_its_line(install, failure, said):
    second = textwrap.dedent(GOOD.replace("PluginLoss", "SecondLoss")) + textwrap.dedent(
        """
        from tbpsbench.model import roles
        from tbpsbench.weights.convert import converter

        roles.declare("hat", "hats")

        @converter("half", detect=lambda state: True)
        def convert(state, model):
            return dict(state)
        """
    )
    install("tbps_half", **LAYERED, second=second, third=f"# a comment\n{failure}")
    line = failure.count("\n") + 2
    with pytest.warns(UserWarning, match=rf"'tbps_half' .*{said}.*   \(tbps_half/third\.py:{line}\)"):
        names = LOSSES.names()
    assert "InfoNCE" in names
    assert not {"PluginLoss", "SecondLoss"} & set(names)
    assert "hat" not in roles.description_roles()
    assert "half" not in {known.name for known in converters()}
    assert not [name for name in sys.modules if name.startswith("tbps_half")]
    (plugin,) = plugins.failed()
    assert plugin.registered == []


def test_failure_takes_back_what_an_earlier_import_left_half_done(install):
    install("tbps_half", **LAYERED, second="raise OSError", third="")
    with pytest.raises(OSError):  # noqa: PT011  the plug-in's own
        importlib.import_module("tbps_half")
    assert "tbps_half.first" in sys.modules
    with pytest.warns(UserWarning, match=r"tbps_half/second\.py:1"):
        assert "PluginLoss" not in LOSSES.names()
    assert "tbps_half.first" not in sys.modules


def forget_tal(monkeypatch):
    """As if no one had imported this built-in yet."""
    monkeypatch.delitem(sys.modules, "tbpsbench.losses.tal", raising=False)
    monkeypatch.setattr(LOSSES, "_entries", {key: entry for key, entry in LOSSES._entries.items() if key != "TAL"})


def test_built_ins_that_a_failing_plug_in_imports_stay_whole(install, monkeypatch):
    install("tbps_broken", "import tbpsbench.losses.tal\nraise OSError\n")
    forget_tal(monkeypatch)
    with pytest.warns(UserWarning, match=r"\(tbps_broken\.py:2\)"):
        plugins.load_all()
    entry = LOSSES.entry("TAL")
    assert entry.plugin is None
    assert entry.requires


def test_a_built_in_is_never_credited_to_the_plug_in_that_imports_it(install, monkeypatch):
    install("tbps_good", "import tbpsbench.losses.tal\n" + textwrap.dedent(GOOD))
    forget_tal(monkeypatch)
    (plugin,) = plugins.load_all()
    assert plugin.registered == [("LOSSES", "PluginLoss")]


@pytest.mark.parametrize("last", ["", "raise OSError"])
def test_a_plug_in_that_another_one_imports_keeps_what_is_its(install, last):
    install("tbps_a", f"import tbps_b\n{last}")
    install("tbps_b", GOOD)
    if last:
        with pytest.warns(UserWarning, match=r"tbps_a\.py:2"):
            plugins.load_all()
    first, second = plugins.load_all()
    assert (first.registered, second.registered) == ([], [("LOSSES", "PluginLoss")])
    assert LOSSES.entry("PluginLoss").plugin == "tbps_b"


def test_what_a_plug_in_prints_goes_to_standard_error(install, capfd):
    install(
        "tbps_loud",
        """
        import logging, os, subprocess, sys
        print("hello \\x1b[31m")
        sys.stderr.write("careful\\n")
        os.write(1, b"past python\\n")
        subprocess.run([sys.executable, "-c", "print('a child')"])
        logger = logging.getLogger("tbps_loud")
        logger.addHandler(logging.StreamHandler(sys.stdout))
        """,
    )
    plugins.load_all()
    out, err = capfd.readouterr()
    assert out == ""
    assert "plug-in 'tbps_loud' printed while it was loaded:\n  hello \\x1b[31m\n  careful\n" in err
    assert "past python\n" in err
    assert "a child\n" in err
    logging.getLogger("tbps_loud").warning("later")  # the stream that it kept works on
    assert capfd.readouterr().out == "later\n"


@pytest.mark.parametrize("target", ["tbps_gone", "tbps gone", "tbps_good:gone"])
def test_an_entry_point_that_leads_nowhere_is_named(install, tmp_path, target):
    install("tbps_good", GOOD)
    points = tmp_path / "tbps_good-1.2.dist-info" / "entry_points.txt"
    points.write_text(points.read_text().replace("= tbps_good", f"= {target}"))
    with pytest.warns(UserWarning, match=rf"'tbps_good' .*'?(tbps.)?gone'? .*\(entry point tbps_good = {target}\)"):
        assert "PluginLoss" not in LOSSES.names()


def test_a_user_who_interrupts_is_obeyed_and_may_go_on(install, monkeypatch):
    install("tbps_slow", "import os\nif os.environ.get('TBPS_SLOW'): raise KeyboardInterrupt\n" + textwrap.dedent(GOOD))
    monkeypatch.setenv("TBPS_SLOW", "1")
    with pytest.raises(KeyboardInterrupt):
        plugins.load_all()
    monkeypatch.delenv("TBPS_SLOW")
    assert "PluginLoss" in LOSSES.names()


def test_one_name_twice_in_one_plug_in_is_refused_with_both_lines(install):
    install("tbps_twice", textwrap.dedent(GOOD) + textwrap.dedent(GOOD))
    with pytest.warns(UserWarning, match=r"tbps_twice\.py:\d+: the name 'PluginLoss' is taken .*tbps_twice\.py:\d+"):
        assert "PluginLoss" not in LOSSES.names()


def test_a_tool_gives_its_json_whatever_plug_ins_do(install, tmp_path):
    install("tbps_loud", "import sys\nprint('hello')\nsys.exit(3)\n")
    command = [sys.executable, "tools/check.py", "configs/mini/two-tower_mini-pedes.py"]
    path = f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}, check=False)
    assert done.returncode == 0, done.stderr
    assert "hello" not in done.stdout
    assert "  hello\n" in done.stderr
    assert "it called sys.exit(3)   (tbps_loud.py:3)" in done.stderr


def test_two_packages_with_one_entry_point_name_are_both_kept(install):
    """Each with its distribution and what it registered: the record of a run says which one it used."""
    install("tbps_one", GOOD, called="twin")
    install("tbps_two", GOOD.replace("class PluginLoss", "class OtherLoss"), called="twin")
    with pytest.warns(UserWarning, match="two plug-ins are called 'twin': of tbps_one 1.2 and of tbps_two 1.2"):
        plugins.load_all()
    rows = plugin_provenance({("LOSSES", "OtherLoss")})
    assert [(row["name"], row["distribution"], row["used"]) for row in rows] == [
        ("twin", "tbps_one", False),
        ("twin", "tbps_two", True),
    ]


@pytest.mark.filterwarnings("ignore:.*'twin'")
@pytest.mark.parametrize("names", [("tbps_one", "tbps_two"), ("tbps_two", "tbps_one")])
def test_of_two_plug_ins_of_one_name_the_whole_one_will_do(install, names):
    for name, text in zip(names, (GOOD, "raise RuntimeError('half')"), strict=True):
        install(name, text, called="twin")
    config = load_config("configs/mini/two-tower_mini-pedes.py", ["plugins=['twin']"])
    assert check(config) == []


@pytest.mark.filterwarnings("ignore:.*'twin'")
def test_plug_ins_of_one_name_that_all_fail_are_told_with_their_packages(install):
    for name in ("tbps_one", "tbps_two"):
        install(name, f"raise RuntimeError({name!r})", called="twin")
    config = load_config("configs/mini/two-tower_mini-pedes.py", ["plugins=['twin']"])
    found = [str(problem) for problem in check(config)]
    said = "plugins: the plug-in 'twin' (of {0} 1.2) is installed but failed to load: RuntimeError: {0}"
    assert [text.partition("   (")[0] for text in found] == [said.format(name) for name in ("tbps_one", "tbps_two")]


def test_importing_the_package_and_its_slots_imports_nothing_heavy():
    code = (
        "import sys, tbpsbench, tbpsbench.registry, tbpsbench.types, tbpsbench.engine.workdir, tbpsbench.cli\n"
        "print([m for m in ('torch', 'mmengine', 'transformers', 'open_clip', 'numpy', 'PIL') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"
