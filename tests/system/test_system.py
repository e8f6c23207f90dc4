"""A checkpoint is a system: the file alone is enough, without network, data set or pretrained weights."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from small_systems import untrained

from tbpsbench import load_system
from tbpsbench.errors import CheckpointError, DataError
from tbpsbench.files import sha256_file

from .conftest import KINDS

CAPTIONS = ["a woman in a red coat with a black backpack", "a man in jeans", "A tall person, blue hat."]


def record(folder):
    return json.loads((folder / "record.json").read_text())


def pictures(mini, count=5):
    return sorted((mini / "tiny-0" / "images").glob("*.png"))[:count]


@pytest.fixture
def alone(trained, tmp_path, monkeypatch, no_network):
    """Copy a kind's checkpoint to an empty folder and work there: the run's folder, and the copy."""

    def go(kind):
        run = trained(kind)
        folder = tmp_path / "empty"
        folder.mkdir()
        shutil.copy(run / "best.pth", folder)
        monkeypatch.chdir(folder)
        return run, folder / "best.pth"

    return go


@pytest.mark.parametrize("kind", KINDS)
def test_a_lone_checkpoint_gives_the_records_scores(alone, tool, kind):
    run, checkpoint = alone(kind)
    code, _, err = tool("test", checkpoint, "--out", checkpoint.parent / "again")
    assert code == 0, err
    expected, found = record(run / "record"), record(checkpoint.parent / "again")
    assert found["results"] == expected["results"]
    assert found["track"] == expected["track"] == ("gallery-text" if kind == "bdam" else "dual-encoder")
    for key in ("name", "seed", "config_sha256", "system_sha256", "data", "protocol"):
        assert found[key] == expected[key], key
    with np.load(run / "record/ranks.npz") as one, np.load(checkpoint.parent / "again/ranks.npz") as other:
        assert set(one.files) == set(other.files)
        assert all(np.array_equal(one[key], other[key]) for key in one.files)


@pytest.mark.parametrize("kind", KINDS)
def test_a_lone_checkpoint_is_drawn_and_rescored(alone, tool, mini, kind):
    run, checkpoint = alone(kind)
    picture = checkpoint.parent / "sheet.png"
    code, _, err = tool("visualize", "retrieval", checkpoint, "--out", picture)
    assert code == 0, err
    with Image.open(picture) as image:
        assert min(image.size) > 300
    arguments = ["verify", "-v", run / "record", "--rescore", "--checkpoint", checkpoint, "--data", mini]
    code, out, err = tool("leaderboard", *arguments)
    assert code == 0, out + err
    assert "every one is the same" in out


@pytest.mark.parametrize("kind", KINDS)
def test_saved_and_loaded_it_embeds_the_same_bit_for_bit(alone, mini, kind):
    _, checkpoint = alone(kind)
    system = load_system(checkpoint)
    again = load_system(system.save(checkpoint.parent / "saved"))
    roles = dict.fromkeys(system.model.roles, CAPTIONS[:1] * 5) if kind == "bdam" else None
    images = system.encode_images(pictures(mini), texts=roles)
    assert torch.equal(images, again.encode_images(pictures(mini), texts=roles))
    assert torch.equal(system.encode_text(CAPTIONS), again.encode_text(CAPTIONS))
    assert system.fingerprint == again.fingerprint
    assert (again.name, again.config, again.trained_on) == (system.name, system.config, system.trained_on)
    assert images.shape[1] == sum(head.dim for head in system.model.heads.values())
    if kind == "bdam":
        assert not torch.equal(images, system.encode_images(pictures(mini)))


def test_what_only_the_pretrained_file_said_is_kept(trained):
    settled = load_system(trained("clip")).model.image_encoder.settled
    assert settled == {"quick_gelu": False}


@pytest.mark.parametrize("copies", [3, 5, 7, 97])
def test_equal_pictures_come_in_the_order_of_the_index(trained, mini, copies):
    system = load_system(trained("wordpiece"))
    index = system.encode_images(pictures(mini)[:1]).repeat(copies, 1)
    for caption in (CAPTIONS, *CAPTIONS):
        best = system.rank(caption, index, 3)
        assert best.order.tolist() == [[0, 1, 2]] * len(best.order)


def test_ranking_is_the_order_of_the_similarities(trained, mini):
    system = load_system(trained("wordpiece"))
    index = system.encode_images(pictures(mini))
    scores = system.similarity(CAPTIONS, pictures(mini))
    torch.testing.assert_close(scores, system.encode_text(CAPTIONS) @ index.T)
    best = system.rank(CAPTIONS, index, k=3)
    assert best.order.shape == best.scores.shape == (3, 3)
    np.testing.assert_array_equal(best.order, np.argsort(-scores.numpy(), axis=1, kind="stable")[:, :3])
    np.testing.assert_allclose(best.scores[0], scores[0, best.order[0]])
    alone = system.rank(CAPTIONS[0], index, k=99)
    assert alone.order.shape == (1, 5)


def test_pictures_may_be_files_images_or_pixels(trained, mini):
    system = load_system(trained("wordpiece"))
    files = pictures(mini, 2)
    images = [Image.open(path) for path in files]
    pixels = [np.asarray(image.convert("RGB")) for image in images]
    expected = system.encode_images(files)
    assert torch.equal(system.encode_images([str(path) for path in files]), expected)
    assert torch.equal(system.encode_images(images), expected)
    assert torch.equal(system.encode_images(pixels), expected)


def test_a_batch_more_or_less_changes_no_embedding_by_much(trained, mini):
    system = load_system(trained("irra"))
    torch.testing.assert_close(system.encode_images(pictures(mini), batch_size=2), system.encode_images(pictures(mini)))
    torch.testing.assert_close(system.encode_text(CAPTIONS, batch_size=1), system.encode_text(CAPTIONS))
    assert system.encode_images([]).shape == (0, 16)


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda s: s.encode_text(["fine", "  "]), "caption 1 is '  '"),
        (lambda s: s.encode_images("photo.jpg"), "give a list"),
        (lambda s: s.encode_images(["gone.png"]), "gone.png: missing"),
        (lambda s: s.encode_images([np.zeros((4, 4), np.uint8)]), r"shape \(4, 4\): expected uint8 of shape"),
        (lambda s: s.encode_images([np.zeros((4, 4, 3))]), "pixels of float64"),
        (lambda s: s.encode_images(["a.png"], texts={"style": ["red"]}), "role 'style': this system reads no texts"),
        (lambda s: s.encode_images(Image.new("RGB", (4, 4))), "give a list"),
        (lambda s: s.encode_images(["a.png"], batch_size=0), "batch_size is 0"),
        (lambda s: s.rank("red", torch.zeros(3, 16), k=0), "k is 0"),
        (lambda s: s.rank("red", torch.zeros(3, 7)), r"index of shape \(3, 7\): expected \(N, 16\)"),
    ],
)
def test_what_cannot_be_embedded_is_refused(trained, use, message):
    with pytest.raises(DataError, match=message):
        use(load_system(trained("wordpiece")))


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"idenity": ["red"]}, "role 'idenity': this system reads clothing, identity beside a picture"),
        ({"identity": []}, "0 texts of the role 'identity' for 1 pictures"),
        ({"identity": "a"}, "1 texts of the role 'identity' for 1 pictures: a list"),
        ({"identity": [" "]}, "text of the role 'identity' 0 is ' '"),
    ],
)
def test_texts_that_do_not_fit_the_pictures_are_refused(trained, mini, texts, message):
    with pytest.raises(DataError, match=message):
        load_system(trained("bdam")).encode_images(pictures(mini, 1), texts=texts)


def test_a_saved_system_is_never_half_replaced(trained, tmp_path, monkeypatch):
    system = load_system(trained("wordpiece"))
    folder = system.save(tmp_path / "saved")
    assert {path.name for path in folder.iterdir()} == {
        "model.safetensors", "config.json", "preprocess.json", "vocab.txt", "README.md",
    }  # fmt: skip
    assert "trained on | MiniPEDES (tiny)" in (folder / "README.md").read_text()
    before = {path.name: sha256_file(path) for path in folder.iterdir()}
    with pytest.raises(CheckpointError, match="holds a system already"):
        system.save(folder)
    monkeypatch.setattr("tbpsbench.system_files.card", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        system.save(folder, overwrite=True)
    monkeypatch.undo()
    assert {path.name: sha256_file(path) for path in folder.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["saved"]
    system.save(folder, overwrite=True)
    assert {path.name: sha256_file(path) for path in folder.iterdir()} == before
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("years of work")
    with pytest.raises(CheckpointError, match="holds something else"):
        system.save(tmp_path / "other", overwrite=True)
    (folder / "thesis.tex").write_text("years of work")
    with pytest.raises(CheckpointError, match="holds something else"):
        system.save(folder, overwrite=True)
    assert (folder / "thesis.tex").read_text() == "years of work"


def test_a_system_with_another_tokenizer_is_replaced_whole(trained, mini, tmp_path):
    words, clip = (load_system(path) for path in (trained("wordpiece"), untrained(mini, tmp_path / "clip.pth")))
    folder = words.save(tmp_path / "saved")
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(CheckpointError, match="holds something else"):
        clip.save(folder, overwrite=True)
    assert (folder / "vocab.txt").is_file()
    (folder / "notes.txt").unlink()
    clip.save(folder, overwrite=True)
    assert not (folder / "vocab.txt").exists()
    assert load_system(folder).fingerprint == clip.fingerprint
    words.save(folder, overwrite=True)
    assert load_system(folder).fingerprint == words.fingerprint


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "preprocess.json"])
def test_a_file_of_a_saved_folder_means_the_folder(trained, tmp_path, name):
    system = load_system(trained("wordpiece"))
    folder = system.save(tmp_path / "saved")
    assert load_system(folder / name).fingerprint == system.fingerprint


def test_folders_that_are_not_whole_are_refused(trained, tmp_path):
    folder = load_system(trained("wordpiece")).save(tmp_path / "saved")
    with pytest.raises(CheckpointError, match="no such file or folder"):
        load_system(tmp_path / "gone")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match="holds no system"):
        load_system(tmp_path / "empty")
    vocabulary = (folder / "vocab.txt").read_text()
    (folder / "vocab.txt").unlink()
    with pytest.raises(CheckpointError, match="not a whole system"):
        load_system(folder)
    words = vocabulary.splitlines()
    (folder / "vocab.txt").write_text("\n".join([*words[:-1], "swapped"]) + "\n")
    with pytest.raises(CheckpointError, match="gives other ids"):
        load_system(folder)
    (folder / "vocab.txt").write_text(vocabulary)
    (folder / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match="not a whole system"):
        load_system(folder)
