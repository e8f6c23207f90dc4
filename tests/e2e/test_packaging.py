"""Wheels of the package and of the template plug-in, installed into a fresh environment, used and taken out again."""

import json
import os
import re
import shutil
import site
import subprocess
import sys
from pathlib import Path

import pytest

OWN = ("tbpsbench", "__editable__", "_base.pth")
SMALLEST = [
    "schedule.max_epochs=1",
    "data.batch_size=16",
    "data.num_workers=0",
    "data.dataset.size=tiny",
    "runtime.threads=1",
    "evaluation.selection=last",
]
DEMO = "tbpsbench::mini/two-tower_mini-pedes.py"
CONFIG = "plugins/template/configs/template_mini-pedes.py"

pytestmark = pytest.mark.slow


def run(*command, cwd, check=True):
    # Without PYTHONPATH, so that nothing comes from this checkout.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 or not check, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """What a release holds, copied, so that building leaves nothing in the checkout."""
    folder = tmp_path_factory.mktemp("sources")
    unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
    for name in ("tbpsbench", "configs", "tools", "plugins/template"):
        shutil.copytree(name, folder / name, ignore=unwanted)
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(name, folder / name)
    return folder


@pytest.fixture(scope="module")
def wheels(sources, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheels")
    for source in (sources, sources / "plugins" / "template"):
        run(
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "-q",
            "--no-deps",
            "--no-build-isolation",
            "-w",
            folder,
            source,
            cwd="/",
        )
    return {path.name.split("-")[0]: path for path in folder.glob("*.whl")}


@pytest.fixture(scope="module")
def python(wheels, tmp_path_factory):
    """A fresh environment with the two wheels, and links to everything else that this one has: no download."""
    folder = tmp_path_factory.mktemp("fresh")
    run(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
    others = folder / "others"
    others.mkdir()
    for packages in [*site.getsitepackages(), *(path for path in sys.path if path.endswith("site-packages"))]:
        for path in Path(packages).iterdir():
            if not path.name.startswith(OWN) and not (others / path.name).exists():
                (others / path.name).symlink_to(path)
    (own,) = (folder / "venv" / "lib").glob("python*/site-packages")
    (own / "others.pth").write_text(f"{others}\n")
    python = folder / "venv" / "bin" / "python"
    for name in ("tbpsbench", "tbpsbench_template"):
        run(python, "-m", "pip", "install", "-q", "--no-deps", "--no-index", wheels[name], cwd=folder)
    return python


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """A folder with nothing in it: no clone, no configs, no tools."""
    return tmp_path_factory.mktemp("empty")


def test_wheels_hold_the_package_its_configs_and_tools_and_no_tests(wheels, sources):
    import zipfile

    assert set(wheels) == {"tbpsbench", "tbpsbench_template"}
    with zipfile.ZipFile(wheels["tbpsbench"]) as archive:
        names = set(archive.namelist())
    written = {str(path.relative_to(sources)) for path in (sources / "tbpsbench").rglob("*.py")}
    assert written <= names
    for folder in ("configs", "tools"):
        files = {str(path.relative_to(sources)) for path in (sources / folder).rglob("*.py")}
        assert {f"tbpsbench/bundle_files/{name}" for name in files} <= names
    assert "tbpsbench/py.typed" in names
    assert not [name for name in names if name.startswith(("tests/", "plugins/", "configs/", "tools/"))]


def test_installed_plug_in_is_used_by_name_and_its_absence_explained(python, sources, mini, tmp_path):
    where = run(
        python, "-c", "import tbpsbench, tbpsbench_template as t; print(tbpsbench.__file__, t.__file__)", cwd="/"
    )
    assert all(path.startswith(str(python.parents[1])) for path in where.stdout.split())
    train = [python, "tools/train.py", CONFIG, "--cfg-options", f"data.dataset.root={mini}", *SMALLEST]
    run(*train, "--work-dir", tmp_path / "run", cwd=sources)
    record = json.loads((tmp_path / "run" / "record" / "record.json").read_text())
    (plugin,) = record["plugins"]
    assert (plugin["name"], plugin["distribution"], plugin["version"]) == ("template", "tbpsbench-template", "0.1.0")
    assert plugin["used"] is True
    assert record["config"]["model"]["fuser"]["type"] == "GatedSum"

    run(python, "-m", "pip", "uninstall", "-q", "-y", "tbpsbench-template", cwd="/")
    refused = run(*train, "--work-dir", tmp_path / "without", cwd=sources, check=False)
    assert refused.returncode == 2
    assert "needs the plug-in 'template', which is not installed" in refused.stderr
    assert "pip install ./plugins/template" in refused.stderr
    assert not (tmp_path / "without").exists()


def test_console_script_works_in_an_empty_folder(python, empty, mini):
    tbpsbench = python.with_name("tbpsbench")
    listed = run(tbpsbench, "configs", "two-tower_mini", cwd=empty).stdout.split()
    assert listed == [DEMO]
    assert "train" in run(tbpsbench, "--help", cwd=empty).stdout
    for name in (DEMO, "configs/mini/two-tower_mini-pedes.py"):
        assert "no problems" in run(tbpsbench, "check", name, cwd=empty).stdout
    options = ["--cfg-options", f"data.dataset.root={mini}", *SMALLEST]
    run(tbpsbench, "train", DEMO, "--work-dir", "run", *options, cwd=empty)
    run(tbpsbench, "test", "run", "--out", "again", cwd=empty)
    run(tbpsbench, "visualize", "retrieval", "run", "--out", "sheet.png", cwd=empty)
    results = [json.loads((empty / name / "record.json").read_text())["results"] for name in ("run/record", "again")]
    assert results[0] == results[1]
    assert {path.name for path in empty.iterdir()} == {"run", "again", "sheet.png"}
    refused = run(tbpsbench, "trian", cwd=empty, check=False)
    assert refused.returncode == 2
    assert "Did you mean 'train'?" in refused.stderr


def test_guide_leads_from_an_empty_folder_to_a_row_of_a_board(python, mini, tmp_path):
    guide = Path("docs/plugins.md").read_text()
    files = re.findall(r"^`(my-plugin/[\w./]+)`.*?\n```\w+\n(.*?)^```", guide, re.M | re.S)
    assert len(files) == 5
    (tmp_path / "my-plugin").mkdir()
    for name, text in files:
        (tmp_path / name).write_text(text)
    commands = re.search(r"^Then:\n+```\n(.*?)^```", guide, re.M | re.S)[1].splitlines()
    parts = [line.partition("#")[0].split() for line in commands]
    install, check, pytest_, train, submit, render = [
        [python.with_name(program), *arguments] for program, *arguments in parts
    ]
    assert submit[1:3] == ["leaderboard", "submit"]
    python_m = [python, "-m", "pip"]
    run(*python_m, *install[1:], "--no-build-isolation", "-q", cwd=tmp_path)
    run(*check, cwd=tmp_path)
    run(*pytest_, "-p", "no:cacheprovider", cwd=tmp_path)
    run(*train, "--cfg-options", f"data.dataset.root={mini}", *SMALLEST, cwd=tmp_path)
    record = json.loads((tmp_path / submit[3] / "record.json").read_text())
    (plugin,) = [plugin for plugin in record["plugins"] if plugin["name"] == "my-plugin"]
    assert plugin["used"] is True
    run(*submit, cwd=tmp_path)
    run(*render, cwd=tmp_path)
    assert "my_config" in (tmp_path / "work_dirs" / "board" / "board.md").read_text()
    run(*python_m, "uninstall", "-q", "-y", "my-plugin", cwd="/")
