"""A gallery: what a search finds, in which order, and whom it refuses."""

import numpy as np
import pytest
import torch

from tbpsbench import load_system
from tbpsbench.errors import CheckpointError, ConfigError, DataError
from tbpsbench.retrieval.gallery import Gallery
from tbpsbench.retrieval.items import Item

TEXTS = ["a woman in a red coat with a black backpack", "a man in jeans"]


def items(photos):
    paths = sorted(path for path in photos.rglob("*.png"))
    return [Item(p.relative_to(photos).as_posix(), p.stat().st_size, p.stat().st_mtime_ns) for p in paths], paths


@pytest.fixture
def made(checkpoints, photos, tmp_path):
    """Make an index of the pictures with the system of a kind: (folder, system, what it embedded)."""

    def make(kind, **settings):
        system = load_system(checkpoints[kind])
        given, paths = items(photos)
        embedded = system.encode_images(paths)
        folder = tmp_path / f"index-{kind}"
        with Gallery.create(folder, system, photos, checkpoint=checkpoints[kind], **settings) as gallery:
            assert gallery.add(given[:6], embedded[:6]) == range(6)
            assert gallery.add(given[6:], embedded[6:]) == range(6, 10)
        return folder, system, embedded

    return make


@pytest.mark.parametrize("kind", ["vectors", "sets"])
def test_a_search_gives_the_systems_ranking(made, photos, kind):
    folder, system, embedded = made(kind)
    with Gallery.open(folder) as gallery:
        expected = system.rank(TEXTS, embedded, k=4)
        found = gallery.search(TEXTS, k=4)
        assert [[hit.item for hit in hits] for hits in found] == expected.order.tolist()
        assert [[hit.rank for hit in hits] for hits in found] == [[1, 2, 3, 4]] * 2
        np.testing.assert_allclose([[hit.score for hit in hits] for hits in found], expected.scores, rtol=1e-5)
        score_QN = gallery.similarities(gallery.embed_texts(TEXTS))
        np.testing.assert_allclose(score_QN, system.similarity(TEXTS, embedded).numpy(), rtol=1e-5, atol=1e-6)
        assert gallery.path(8) == photos / "more" / "8.png"
        assert gallery.picture(8).mode == "RGB"


def test_what_is_half_written_behind_the_sets_is_not_read(made):
    """A process that adds pictures has got that far, or was killed there."""
    folder, system, embedded = made("sets")
    with (folder / "sets" / "tokens.f32").open("ab") as stream:
        stream.write(b"1234567")
    with Gallery.open(folder) as gallery:
        assert [hit.item for hit in gallery.search(TEXTS, k=4)[0]] == system.rank(TEXTS, embedded, k=4).order[
            0
        ].tolist()


@pytest.mark.parametrize("kind", ["vectors", "sets"])
def test_a_removed_picture_is_found_no_more_and_its_number_is_not_given_again(made, photos, kind):
    folder, system, embedded = made(kind)
    with Gallery.open(folder, system, writable=True) as gallery:
        gallery.remove([3, 9])
    given, _ = items(photos)
    with Gallery.open(folder, system, writable=True) as gallery:
        assert gallery.ids.tolist() == [0, 1, 2, 4, 5, 6, 7, 8]
        assert gallery.add(given[3:4], embedded[3:4]) == range(10, 11)
        assert {hit.item for hit in gallery.search(TEXTS, k=99)[0]} == {0, 1, 2, 4, 5, 6, 7, 8, 10}
        expected = system.similarity(TEXTS, embedded[[0, 1, 2, 4, 5, 6, 7, 8, 3]]).numpy()
        np.testing.assert_allclose(gallery.similarities(TEXTS), expected, rtol=1e-5, atol=1e-6)
        with pytest.raises(DataError, match="no picture 3"):
            gallery.path(3)


@pytest.mark.parametrize("kind", ["vectors", "sets"])
def test_numbers_that_were_begun_with_and_never_committed_are_passed_over(made, photos, kind):
    folder, system, embedded = made(kind)
    given, _ = items(photos)
    with Gallery.open(folder, system, writable=True) as gallery:
        gallery.remove([0, 1])
        # What a writer leaves that is killed before it commits.
        gallery.index.add(np.array([10, 11]), np.full((2, gallery.index.dim), 0.25, np.float32))
    for _ in range(2):
        with Gallery.open(folder, system, writable=True) as gallery:
            assert 10 not in gallery.ids
    with Gallery.open(folder, system, writable=True) as gallery:
        assert gallery.add(given[:2], embedded[:2]) == range(12, 14)
    with Gallery.open(folder, system) as gallery:
        assert gallery.ids.tolist() == [*range(2, 10), 12, 13]
        expected = system.similarity(TEXTS, embedded[[*range(2, 10), 0, 1]]).numpy()
        np.testing.assert_allclose(gallery.similarities(TEXTS), expected, rtol=1e-5, atol=1e-6)


def test_another_systems_queries_are_refused(made, checkpoints):
    folder, system, _ = made("vectors")
    with pytest.raises(CheckpointError, match=r"holds vectors of the system .* cannot be compared"):
        Gallery.open(folder, checkpoints["other"])
    with Gallery.open(folder, system) as gallery, pytest.raises(DataError, match="expected \\(queries, 16\\)"):
        gallery.search(torch.zeros(1, 5))


def test_the_checkpoint_may_move(made, checkpoints, tmp_path):
    folder, _, _ = made("vectors")
    told = (folder / "index.json").read_text()
    (folder / "index.json").write_text(told.replace("vectors.pth", "gone.pth"))
    with pytest.raises(CheckpointError, match=r"is not where it was .*gone.pth"):
        Gallery.open(folder)
    with Gallery.open(folder, checkpoints["vectors"]) as gallery:
        assert len(gallery) == 10


def test_a_device_that_is_not_there_is_named(made):
    folder, *_ = made("vectors")
    with pytest.raises(ConfigError, match=r"device 'gpu' cannot be used here: .*There are: cpu"):
        Gallery.open(folder, device="gpu")


def test_one_process_writes(made):
    folder, system, _ = made("vectors")
    with Gallery.open(folder, system, writable=True), pytest.raises(DataError, match="another process is changing"):
        Gallery.open(folder, system, writable=True)
    with Gallery.open(folder, system) as gallery, pytest.raises(DataError, match="opened for searching"):
        gallery.remove([0])


def test_a_folder_without_an_index_is_named(tmp_path):
    with pytest.raises(DataError, match="holds no index"):
        Gallery.open(tmp_path)


def test_ends_of_sets_that_make_no_sense_are_named(made):
    folder, _, _ = made("sets")
    path = folder / "sets" / "tokens.ends.i64"
    whole = np.fromfile(path, "<i8")
    for damaged in (
        np.where(np.arange(len(whole)) == 3, 1 << 40, whole),
        np.where(np.arange(len(whole)) == 3, -7, whole),
    ):
        damaged.astype("<i8").tofile(path)
        with pytest.raises(DataError, match=r"tokens\.ends\.i64: ends are not ascending"):
            Gallery.open(folder)
