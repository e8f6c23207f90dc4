import json
import shutil
import subprocess
import sys
import time
import uuid
from collections import defaultdict

import numpy as np
import pytest
from PIL import Image
from survivors import marked, orphans

from tbpsbench.annotations import read_annotations
from tbpsbench.errors import DataError, StorageError
from tbpsbench.minipedes.build import build, draw_person, load_png, plan
from tbpsbench.minipedes.people import CLOTHING_FACTORS, IDENTITY_FACTORS
from tbpsbench.minipedes.scenes import draw_image
from tbpsbench.visualize.samples import contact_sheet

# Changes with any pixel; raise build.VERSION when it does.
TINY_SEED_0 = "140b6b1f0a748fe3dfd258fce1be354a76e56be31e96a047d256e4e707aad19b"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return read_annotations(build(tmp_path_factory.mktemp("tiny"), "tiny", workers=1))


@pytest.fixture(scope="module")
def described(tiny):
    return read_annotations(tiny.path.parent / "descriptions.jsonl")


def test_pixels_of_tiny_are_the_same_on_every_machine(tiny):
    assert tiny.header["notes"]["pixels_sha256"] == TINY_SEED_0


def test_two_workers_draw_the_same_as_one(tiny, tmp_path):
    other = build(tmp_path, "tiny", workers=2)
    assert other.read_bytes() == tiny.path.read_bytes()
    assert (tmp_path / "descriptions.jsonl").read_bytes() == (tiny.path.parent / "descriptions.jsonl").read_bytes()


def test_another_seed_and_domain_give_other_pixels(tiny):
    for seed, domain in ((1, "street"), (0, "indoor")):
        assert not np.array_equal(
            draw_image(seed, 0, "A", 0, domain).pixels, load_png(tiny.image_root / tiny.records[0].file)
        )


def test_an_image_drawn_alone_equals_the_one_in_the_data_set(tiny):
    for record in (tiny.records[40], tiny.records[-1], tiny.records[3]):
        index = int(record.file.removesuffix(".png").split("_")[-1])
        scene = draw_image(0, record.pid, record.outfit, index)
        assert np.array_equal(scene.pixels, load_png(tiny.image_root / record.file))
        assert scene.shot.camera == record.camera


def test_splits_share_no_identity_and_clothes_splits_hold_outfit_b(tiny):
    ids = {split: {record.pid for record in tiny.split(split)} for split in tiny.splits()}
    assert set(ids) == {"train", "val", "test", "val-clothes", "test-clothes"}
    assert not ids["train"] & ids["val"] | ids["train"] & ids["test"] | ids["val"] & ids["test"]
    assert ids["val-clothes"] == ids["val"]
    assert ids["test-clothes"] == ids["test"]
    assert all((record.outfit == "B") == record.split.endswith("-clothes") for record in tiny.records)


def test_two_captions_per_image_and_two_descriptions(tiny, described):
    assert all([c.role for c in r.captions] == ["query", "query"] for r in tiny.records)
    assert all([c.role for c in r.captions] == ["identity", "clothing"] for r in described.records)
    assert all(
        c.derived_from == "attributes" and c.source == "ground-truth" for r in described.records for c in r.captions
    )
    assert [r.file for r in described.records] == [r.file for r in tiny.records]


def test_identity_stays_and_clothing_is_kept_within_an_outfit(tiny):
    seen = defaultdict(set)
    for record in tiny.records:
        seen[record.pid, "identity"].add(tuple(record.attributes[name] for name in IDENTITY_FACTORS))
        seen[record.pid, record.outfit].add(tuple(record.attributes[name] for name in CLOTHING_FACTORS))
    assert {len(values) for values in seen.values()} == {1}


def test_captions_mention_only_what_their_image_shows(tiny):
    for record in tiny.records:
        assert len(record.attributes["mentions"]) == len(record.captions)
        for mentions in record.attributes["mentions"]:
            assert set(mentions) <= set(record.attributes["visible"])


def test_no_caption_gives_away_an_id(tiny, described):
    texts = [c.text for a in (tiny, described) for r in a.records for c in r.captions]
    assert not any(character.isdigit() for text in texts for character in text)


def test_a_complete_data_set_is_recognised_and_left_alone(tiny):
    before = {path: path.stat().st_mtime_ns for path in tiny.path.parent.rglob("*")}
    assert build(tiny.path.parent, "tiny") == tiny.path
    assert {path: path.stat().st_mtime_ns for path in tiny.path.parent.rglob("*")} == before


@pytest.mark.parametrize("other", [{"seed": 1}, {"size": "default"}, {"size": "tiny", "domain": "indoor"}])
def test_another_data_set_in_the_same_folder_is_refused(tiny, other):
    with pytest.raises(DataError, match=r"another MiniPEDES.*Choose another folder"):
        build(tiny.path.parent, **{"size": "tiny"} | other)


def test_an_interrupted_build_is_finished_with_the_same_bytes(tiny, tmp_path, monkeypatch):
    import tbpsbench.minipedes.build as module

    drawn = []
    real = module.draw_image

    def dies(seed, pid, *rest):
        drawn.append(pid)
        if len(drawn) == 20:
            raise KeyboardInterrupt
        return real(seed, pid, *rest)

    monkeypatch.setattr(module, "draw_image", dies)
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path, "tiny", workers=1)
    assert not (tmp_path / "human.jsonl").exists()
    first = sorted((tmp_path / "images").iterdir())[0]
    first.write_bytes(first.read_bytes()[:900])  # a damaged file is found and drawn again
    path = build(tmp_path, "tiny", workers=1)
    assert drawn.count(1) == 3  # person 1 was finished before and not drawn again
    assert path.read_bytes() == tiny.path.read_bytes()
    assert np.array_equal(load_png(first), load_png(tiny.image_root / first.name))
    assert not (tmp_path / ".parts").exists()
    (tmp_path / ".parts").mkdir()  # killed when all but the tidying was done
    build(tmp_path, "tiny", workers=1)
    assert not (tmp_path / ".parts").exists()


def test_workers_end_when_the_build_is_killed_and_the_next_one_finishes_it(tiny, tmp_path):
    code = f"from tbpsbench.minipedes.build import build; build({str(tmp_path)!r}, 'tiny', workers=2)"
    mark = uuid.uuid4().hex
    killed = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL, env=marked(mark))
    while killed.poll() is None and not any(tmp_path.glob(".parts/*.json")):
        time.sleep(0.02)
    killed.kill()
    killed.wait()
    assert orphans(mark) == {}
    assert not (tmp_path / "human.jsonl").exists()
    assert build(tmp_path, "tiny", workers=1).read_bytes() == tiny.path.read_bytes()


@pytest.mark.parametrize("asks", ["build(root, 'tiny', workers=2)", "MiniPEDES(root, 'tiny').load()"])
def test_a_script_that_does_its_work_on_import_gets_its_data(tmp_path, asks):
    script = tmp_path / "unguarded.py"
    script.write_text(
        "import sys\n"
        "from tbpsbench.data.mini_pedes import MiniPEDES\n"
        "from tbpsbench.minipedes.build import build\n"
        f"print('asked', flush=True); root = {str(tmp_path / 'data')!r}; {asks}\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "asked\n"  # nobody has run the script a second time


def test_what_a_drawing_process_cannot_draw_is_drawn_or_refused_by_the_build(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("tbpsbench.minipedes.workers.COMMAND", (sys.executable, "-c", "raise MemoryError"))
    assert build(tmp_path / "a", "tiny", workers=2).read_bytes() == tiny.path.read_bytes()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "images").write_text("in the way")
    with pytest.raises(StorageError, match="images"):
        build(tmp_path / "b", "tiny", workers=2)


def test_lost_images_and_annotations_are_made_again(tmp_path):
    path = build(tmp_path, "large", identities=10, workers=1)
    whole, lost = path.read_bytes(), tmp_path / "images" / "00004_A_1.png"
    lost.unlink()
    (tmp_path / "descriptions.jsonl").unlink()
    assert build(tmp_path, "large", identities=10, workers=1).read_bytes() == whole
    assert lost.exists()


@pytest.mark.parametrize("lost", [b"", b"not a picture"])
def test_a_picture_that_cannot_be_read_is_drawn_again_by_the_same_command(tiny, tmp_path, lost):
    shutil.copytree(tiny.path.parent, tmp_path / "tiny")
    damaged = tmp_path / "tiny" / "images" / "00003_A_1.png"
    damaged.write_bytes(lost)
    assert build(tmp_path / "tiny", "tiny", workers=1).read_bytes() == tiny.path.read_bytes()
    assert np.array_equal(load_png(damaged), load_png(tiny.image_root / damaged.name))


ODD_PARTS = {
    "list": lambda part: [],
    "null": lambda part: None,
    "no images": lambda part: part | {"images": 3},
    "too few": lambda part: part | {"images": part["images"][1:]},
    "another's files": lambda part: part | {"images": [i | {"file": "../x.png"} for i in part["images"]]},
    "odd images": lambda part: part | {"images": [[] for _ in part["images"]]},
    "odd hash": lambda part: part | {"images": [i | {"sha256": 3} for i in part["images"]]},
    "odd texts": lambda part: part | {"images": [i | {"captions": [{"odd": 1}]} for i in part["images"]]},
    "no texts": lambda part: part | {"images": [i | {"descriptions": [5]} for i in part["images"]]},
}


@pytest.mark.parametrize("odd", ODD_PARTS)
def test_a_note_that_no_build_writes_is_taken_as_none(tmp_path, odd):
    job, made_from = plan("tiny")[0], {"seed": 0, "domain": "street"}
    whole, note = draw_person(tmp_path, job, made_from), tmp_path / ".parts" / f"{job.name}.json"
    note.write_text(json.dumps(ODD_PARTS[odd](json.loads(note.read_text()))))
    assert draw_person(tmp_path, job, made_from) == whole
    assert json.loads(note.read_text()) == json.loads(json.dumps(whole))


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00"])
def test_a_damaged_note_does_not_stop_a_build(tiny, tmp_path, text):
    (tmp_path / ".parts").mkdir()
    (tmp_path / ".parts" / "00000_A.json").write_text(text)
    assert build(tmp_path, "tiny", workers=1).read_bytes() == tiny.path.read_bytes()


@pytest.mark.parametrize("text", ["[]", "null", '"x"', "3"])
def test_a_stamp_that_no_build_writes_is_refused_with_the_fix(tmp_path, text):
    (tmp_path / "build.json").write_text(text)
    with pytest.raises(DataError, match=r"build\.json: not what a MiniPEDES is made from.*delete"):
        build(tmp_path, "tiny")


def test_sizes_and_numbers():
    jobs = plan("default")
    first = [job for job in jobs if job.outfit == "A"]
    assert len(first) == 300
    assert sum(job.images for job in first) == 1500
    assert len({job.pid for job in plan("large", 777)}) == 777
    for size, identities, message in (
        ("huge", None, "no size"),
        ("tiny", 50, "needs size='large'"),
        ("large", 3, "too few"),
        ("large", "many", "no whole number"),
        (None, None, "no size"),
    ):
        with pytest.raises(DataError, match=message):
            plan(size, identities)


def test_unknown_domain_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"no domain 'moon'.*street, indoor"):
        build(tmp_path / "moon", "tiny", domain="moon")
    with pytest.raises(DataError, match=r"seed=9999999999999999999999 is no whole number of 64 bits"):
        build(tmp_path / "far", "tiny", seed=9999999999999999999999)
    assert not list(tmp_path.iterdir())


def test_contact_sheet_shows_rows_of_people_with_text(tiny, tmp_path):
    path = contact_sheet(tiny, tmp_path / "sheet.png", rows=2)
    with Image.open(path) as image:
        assert image.width > 5 * 192
        assert image.height > 2 * 384
        below = np.asarray(image.convert("L"))[14 + 384 + 2 : 14 + 384 + 100, :200]
    assert below.min() < 100  # ink of a caption
    with pytest.raises(DataError, match="no identity left"):
        contact_sheet(tiny, tmp_path / "none.png", first=99)


def test_header_says_what_was_made(tiny):
    header = json.loads(tiny.path.read_text().splitlines()[0])
    assert header["made_from"] == {
        "generator": "tbpsbench.minipedes", "version": 1, "seed": 0, "size": "tiny", "identities": 22,
        "domain": "street",
    }  # fmt: skip
    assert header["dataset"] == "MiniPEDES"
