"""At most three files make a run: the data, the system, and the run's own; and the files that runs share are in use."""

from pathlib import Path

import pytest

from tbpsbench.bundle import PREFIX, locate
from tbpsbench.config.flat import differences
from tbpsbench.config.literal import read_literals
from tbpsbench.config.load import load_config

BASES = sorted(Path("configs/_base_").rglob("*.py"))
RUNS = sorted({*Path("configs").rglob("*.py"), *Path("plugins").glob("*/configs/**/*.py")} - set(BASES))


def files_of(path):
    """The config's own file and all that it is based on, at any depth, each once."""
    bases = read_literals(path)[0].get("_base_", [])
    found = [path.resolve()]
    for base in [bases] if isinstance(bases, str) else bases:
        found += [
            file
            for file in files_of(locate(base) if base.startswith(PREFIX) else path.parent / base)
            if file not in found
        ]
    return found


@pytest.mark.parametrize("path", RUNS, ids=str)
def test_config_is_read_from_three_files_at_most(path):
    files = files_of(path)
    names = [str(file.relative_to(Path.cwd())) for file in files]
    assert len(files) <= 3, f"{len(files)} files: {' <- '.join(names)}"


def test_bases_of_bases_count(tmp_path):
    for name, base in (("run", ["data.py", "system.py"]), ("data", []), ("system", "towers.py"), ("towers", "data.py")):
        (tmp_path / f"{name}.py").write_text(f"_base_ = {base!r}\n")
    assert [file.stem for file in files_of(tmp_path / "run.py")] == ["run", "data", "system", "towers"]


@pytest.mark.parametrize("path", BASES, ids=str)
def test_base_is_whole(path):
    assert files_of(path) == [path.resolve()]


@pytest.mark.parametrize("path", BASES, ids=str)
def test_base_is_used_by_a_config_or_offered_by_the_documentation(path):
    used = {file for run in RUNS for file in files_of(run)}
    assert path.resolve() in used or str(path) in Path("docs/data.md").read_text()


def test_small_bdam_mamba_differs_in_its_towers_alone():
    """Both are written out whole; what is changed in one and forgotten in the other shows here."""
    whole, small = (load_config(f"configs/_base_/systems/bdam-mamba{size}_tiny.py").values for size in ("", "-s"))
    towers = ("model.image_encoder.arch.", "model.text_encoder.arch.")
    changed = differences(whole, small)
    assert len(changed) == 8
    assert all(key.startswith(towers) for key in changed)


@pytest.mark.parametrize(
    ("plain", "full"),
    [
        ("_base_/systems/tbps-clip_clip-vit-b16", "_base_/systems/tbps-clip-full_clip-vit-b16"),
        ("tbps_clip/tbps-clip_tiny_mini-pedes", "tbps_clip/tbps-clip-full_tiny_mini-pedes"),
    ],
)
def test_full_tbps_clip_adds_views_words_and_simclr_alone(plain, full):
    changed = differences(*(load_config(f"configs/{name}.py").values for name in (plain, full)))
    added = ("data.views.", "data.text_transforms.", "model.losses.nitc.also", "model.losses.simclr.")
    assert all(key.startswith((*added, "model.balancer.weights.simclr")) for key in changed)
    assert all(before == "(absent)" for before, _ in changed.values())
