import json
import re
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tbpsbench.data.mini_pedes import MiniPEDES
from tbpsbench.errors import DataError, RegistryError
from tbpsbench.registry import DATASETS


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    dataset = MiniPEDES(root=str(tmp_path_factory.mktemp("mini")), size="tiny")
    dataset.load()
    return dataset


def test_it_is_made_on_first_use_in_a_folder_of_its_own(tiny):
    assert tiny.root.name == "tiny-0"
    found = tiny.load()
    assert found.dataset == "MiniPEDES"
    assert {"train", "val", "test"} <= set(found.splits())
    assert all((found.image_root / record.file).is_file() for record in found.records)


def test_it_is_not_made_again(tiny, monkeypatch):
    monkeypatch.setattr("tbpsbench.minipedes.build.build", None)
    assert len(tiny.load().records) > 0


def test_descriptions_lie_beside_the_captions(tiny):
    roles = {caption.role for record in tiny.load("descriptions").records for caption in record.captions}
    assert roles == {"identity", "clothing"}


def test_variants_do_not_share_a_folder():
    variants = [{}, {"size": "tiny"}, {"seed": 1}, {"domain": "indoor"}, {"size": "large", "identities": 50}]
    assert len({MiniPEDES(**variant).root for variant in variants}) == len(variants)


def test_data_of_another_version_is_refused(tiny, tmp_path):
    lines = (tiny.root / "human.jsonl").read_text().splitlines()
    header = json.loads(lines[0])
    header["made_from"]["version"] = -1
    other = MiniPEDES(root=str(tmp_path), size="tiny")
    other.root.mkdir()
    (other.root / "human.jsonl").write_text("\n".join([json.dumps(header), *lines[1:]]))
    with pytest.raises(DataError, match=r"version -1 of MiniPEDES.*Delete"):
        other.load()


def test_splits_cannot_be_given(tiny):
    with pytest.raises(DataError, match="always comes whole, with its splits"):
        tiny.prepare(allow_partial=True)


def test_builders_of_one_folder_take_turns(tiny, tmp_path, monkeypatch):
    running, most = [], []

    def slow_build(root, *_arguments, **_options):
        running.append(root)
        most.append(len(running))
        time.sleep(0.05)
        running.pop()
        shutil.copy(tiny.root / "human.jsonl", root / "human.jsonl")
        return root / "human.jsonl"

    monkeypatch.setattr("tbpsbench.minipedes.build.build", slow_build)
    with ThreadPoolExecutor(3) as pool:
        found = [pool.submit(MiniPEDES(root=str(tmp_path), size="tiny").load) for _ in range(3)]
    assert max(most) == 1
    assert {len(future.result().records) for future in found} == {len(tiny.load().records)}


@pytest.mark.parametrize(
    ("odd", "message"),
    [
        ({"size": "huge"}, "no size 'huge': choose one of tiny, default, large"),
        ({"size": ""}, "no size ''"),
        ({"size": "../tiny"}, "no size"),
        ({"domain": "mars"}, "no domain 'mars': choose one of street, indoor"),
        ({"size": "large", "identities": 5}, "identities=5 is too few"),
        ({"identities": 50}, "needs size='large'"),
        ({"seed": 2**63}, "is no whole number of 64 bits"),
        ({"seed": True}, "MiniPEDES.seed is True, expected int"),
    ],
)
def test_odd_arguments_are_refused_before_anything_is_made(tmp_path, odd, message):
    with pytest.raises(RegistryError, match=re.escape(message)):
        DATASETS.build({"type": "MiniPEDES", "root": str(tmp_path / "mini"), **odd}).load()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("variant", "options"),
    [
        ({}, ""),
        ({"size": "tiny", "seed": 3}, " --dataset-options size=tiny seed=3"),
        (
            {"size": "large", "identities": 50, "domain": "indoor"},
            " --dataset-options size=large identities=50 domain=indoor",
        ),
    ],
)
def test_the_command_that_makes_it_names_the_parent_folder_and_the_variant(variant, options):
    made = MiniPEDES(root="nosuch", **variant).how_to_make("human")
    assert made == f"Create it with: python tools/prepare_data.py MiniPEDES nosuch{options}"
    assert "tools/caption.py" in MiniPEDES(root="nosuch", **variant).how_to_make("generated")
