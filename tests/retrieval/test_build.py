"""A folder into an index: what is taken in, what is named, and what a second run does."""

import json
import os
import shutil
import zlib

import numpy as np
import pytest
from PIL import Image

from tbpsbench import load_system
from tbpsbench.errors import DataError
from tbpsbench.retrieval import walk
from tbpsbench.retrieval.build import build
from tbpsbench.retrieval.gallery import Gallery


@pytest.fixture
def index(tool, checkpoints, photos, tmp_path):
    """Run tools/index.py on the pictures: (exit code, stdout, stderr)."""

    def run(*options, kind="vectors", folder=photos):
        return tool("index", checkpoints[kind], folder, "--out", tmp_path / "index", "--workers", 1, *options)

    return run


def odd_files(folder):
    """Files of every odd kind: (name -> what the report must say; usable names -> what it says of them)."""
    pixels = np.random.default_rng(0).integers(0, 255, (40, 20, 3), np.uint8)
    plain = Image.fromarray(pixels)
    plain.convert("CMYK").save(folder / "cmyk.jpg")
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 256).save(folder / "sixteen.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    plain.save(folder / "turned.jpg", exif=exif)
    plain.save(folder / "moving.gif", save_all=True, append_images=[plain.rotate(90)])
    plain.save(folder / ("ä" * 120 + ".png"))
    plain.save(folder / "雪 и ñ <b>.png")
    plain.save(os.fsencode(folder) + b"/not-\xff-utf8.png", format="PNG")
    (folder / "zero.jpg").write_bytes(b"")
    plain.save(folder / "whole.jpg")
    (folder / "truncated.jpg").write_bytes((folder / "whole.jpg").read_bytes()[:300])
    (folder / "text.png").write_text("no picture")
    bomb = bytearray(_png(plain))
    bomb[16:24] = (60000).to_bytes(4) * 2
    bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4)
    (folder / "bomb.png").write_bytes(bomb)
    (folder / "self.png").symlink_to("self.png")
    (folder / "dangling.png").symlink_to("nothing.png")
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    os.mkfifo(folder / "pipe.png")
    (folder / "notes.txt").write_text("passed over")
    bad = {
        "zero.jpg": "empty file", "truncated.jpg": "truncated", "text.png": "not an image",
        "bomb.png": "too many pixels",
        "self.png": "symbolic links", "dangling.png": "missing", "loop": "link to a folder", "pipe.png": "pipe",
    }  # fmt: skip
    odd = {
        "cmyk.jpg": "CMYK", "sixteen.png": "I;16", "turned.jpg": "EXIF", "moving.gif": "the first of 2 frames",
    }  # fmt: skip
    return bad, odd


def _png(image):
    import io

    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def test_odd_files_are_named_and_stop_nothing(index, photos, tmp_path, checkpoints):
    bad, odd = odd_files(photos)
    code, out, err = index()
    assert code == 0, err
    told = json.loads((tmp_path / "index" / "report.json").read_text())
    found = {entry["file"]: entry["why"] for entry in told["bad"]}
    remarks = {entry["file"]: entry["why"] for entry in told["remarks"]}
    assert found.keys() == bad.keys()
    assert [name for name, why in bad.items() if why not in found[name]] == [], found
    assert remarks.keys() >= odd.keys()
    assert [name for name, why in odd.items() if why not in remarks[name]] == [], remarks
    assert all(name in out for name in (*bad, *odd))
    assert told["others"] == 1
    assert told["added"] == 10 + 8
    with Gallery.open(tmp_path / "index") as gallery:
        assert len(gallery) == 18
        hits = gallery.search("a man", k=99)[0]
        assert {gallery.picture(hit.item).mode for hit in hits} == {"RGB"}
        expected = load_system(checkpoints["vectors"]).encode_images([gallery.path(int(i)) for i in gallery.ids])
        np.testing.assert_allclose(gallery.index.vectors(gallery.ids), expected.numpy(), atol=1e-6)


def test_a_second_run_embeds_only_what_is_new(index, photos, tmp_path):
    assert index()[0] == 0
    shutil.copy(photos / "0.png", photos / "new.png")
    shutil.copy(photos / "1.png", photos / "2.png")
    (photos / "3.png").unlink()
    (photos / "4.png").write_bytes(b"broken by now")
    code, out, _ = index()
    assert code == 0
    assert "2 pictures embedded" in out
    assert "1 new, 1 changed; 7 unchanged" in out
    assert "still in the index (--prune removes them):\n  3.png" in out
    with Gallery.open(tmp_path / "index") as gallery:
        assert set(gallery.files()) == {
            *(f"{n}.png" for n in (0, 1, 2, 3, 5, 6, 7)),
            "more/8.png",
            "more/9.png",
            "new.png",
        }
        score_N = gallery.similarities("a man")[0]
        by_file = {gallery.item(int(number)).file: score for number, score in zip(gallery.ids, score_N, strict=True)}
        assert by_file["2.png"] == pytest.approx(by_file["1.png"])
        assert by_file["new.png"] == pytest.approx(by_file["0.png"])
    assert "1 gone from the folder: removed:\n  3.png" in index("--prune")[1]
    with Gallery.open(tmp_path / "index") as gallery:
        assert "3.png" not in gallery.files()


def test_what_cannot_be_seen_is_not_pruned(index, photos, tmp_path, monkeypatch):
    assert index()[0] == 0
    away = photos.rename(tmp_path / "away")
    photos.mkdir()  # where a disk is not mounted
    code, _, err = index("--prune")
    assert code == 2
    assert "Nothing was removed" in err
    photos.rmdir()
    away.rename(photos)
    looked = walk.os.scandir

    def scandir(path):
        if str(path).endswith("more"):
            raise PermissionError(13, "Permission denied")
        return looked(path)

    monkeypatch.setattr(walk.os, "scandir", scandir)
    (photos / "0.png").unlink()
    assert "1 gone from the folder: removed:\n  0.png" in index("--prune")[1]
    with Gallery.open(tmp_path / "index") as gallery:
        assert {"more/8.png", "more/9.png"} <= {*gallery.files()}
        assert len(gallery) == 9


def test_an_index_that_could_not_be_made_can_be_made_otherwise(index):
    code, _, err = index("--index-options", "dtype=float8")
    assert code == 2
    assert "dtype" in err
    assert index("--index-options", "dtype=float16")[0] == 0


def test_a_name_that_is_no_text_is_shown_searched_and_removed(index, tool, photos, tmp_path):
    """The names of files are bytes; such a byte is shown as an escape, and in JSON as Python keeps it."""
    (photos / "0.png").rename(photos / os.fsdecode(b"caf\xe9.png"))
    (photos / "1.png").rename(photos / "a\u202fb.png")
    assert index()[0] == 0
    folder = tmp_path / "index"
    code, out, err = tool("search", folder, "a man", "--top", 10, "--json")
    assert code == 0, err
    assert {"caf\udce9.png", "a\u202fb.png"} <= {hit["file"] for hit in json.loads(out)["hits"]}
    assert tool("index", "--out", folder, "--remove", r"caf\xe9.png", r"a\u202fb.png")[0] == 0
    with Gallery.open(folder) as gallery:
        assert len(gallery) == 8


def test_a_removed_picture_stays_out_until_it_is_restored(index, tool, tmp_path):
    assert index()[0] == 0
    folder = tmp_path / "index"
    assert tool("index", "--out", folder, "--remove", "0.png", "more/8.png")[0] == 0
    code, out, _ = index()
    assert code == 0
    assert "2 left out" in out
    code, _, err = tool("index", "--out", folder, "--remove", "0.png")
    assert code == 2
    assert "0.png: is not in the index" in err
    assert index("--restore", "0.png")[0] == 0
    with Gallery.open(folder) as gallery:
        assert "0.png" in gallery.files()
        assert "more/8.png" not in gallery.files()
        assert gallery.id_of("0.png") == 10


def test_an_index_of_which_all_is_left_out_is_looked_through_again(index, tool, photos, tmp_path):
    for name in (*(f"{number}.png" for number in range(1, 8)), "more/8.png", "more/9.png"):
        (photos / name).unlink()
    assert index()[0] == 0
    assert tool("index", "--out", tmp_path / "index", "--remove", "0.png")[0] == 0
    code, out, err = index()
    assert code == 0, err
    assert "1 left out, as they were removed before (--restore takes them back):\n  0.png" in out
    (photos / "0.png").unlink()
    (photos / "1.png").write_text("no picture")
    code, _, err = index()
    assert code == 2
    assert "no picture in this folder can be used" in err


def test_a_folder_without_pictures_is_named(index, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "notes.txt").write_text("")
    code, _, err = index(folder=empty)
    assert code == 2
    assert "no picture in this folder" in err
    assert "1 files of other kinds" in err
    assert not (tmp_path / "index").exists()


def test_another_folder_system_or_kind_is_refused(index, photos, tmp_path, mini):
    assert index()[0] == 0
    for options, message in (
        ({"folder": mini}, "indexes the pictures of"),
        ({"kind": "other"}, "cannot be compared"),
    ):
        code, _, err = index(**options)
        assert code == 2
        assert message in err
    code, _, err = index("--index-options", "dtype=float16")
    assert code == 2
    assert "is an index {'type': 'exact'}" in err
    code, _, err = index("--index", "exactt")
    assert code == 2
    assert "Did you mean 'exact'" in err


def test_batches_and_sets_give_what_the_system_gives(checkpoints, photos, tmp_path):
    system = load_system(checkpoints["sets"])
    with Gallery.create(tmp_path / "index", system, photos) as gallery:
        report = build(gallery, batch_size=3, workers=2, progress=False)
        assert report.added == 10
        expected = system.similarity(["a man"], [gallery.path(int(number)) for number in gallery.ids])
        np.testing.assert_allclose(gallery.similarities("a man"), expected.numpy(), rtol=1e-5)
        with pytest.raises(DataError, match="batch_size is 0"):
            build(gallery, batch_size=0)
