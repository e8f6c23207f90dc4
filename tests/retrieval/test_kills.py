"""A writer that is killed with -9 at a random moment leaves an index that opens, whole up to what was committed."""

import os
import random
import shutil
import signal
import time
import traceback

import numpy as np
import pytest
import torch

from tbpsbench import load_system
from tbpsbench.retrieval import build as building
from tbpsbench.retrieval.gallery import Gallery
from tbpsbench.retrieval.items import Item

KILLS = 10


def killed(work, progress, steps, wait):
    """Run `work` in a child; kill it `wait` seconds after `progress()` has grown by `steps`, if it has not ended."""
    begin, child = progress(), os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(3)
        os._exit(0)
    ended, status = 0, 0
    while not ended and progress() < begin + steps:
        time.sleep(0.001)
        ended, status = os.waitpid(child, os.WNOHANG)
    if not ended:
        time.sleep(wait)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in (0, -signal.SIGKILL), "the child failed by itself"


@pytest.fixture(params=["vectors", "sets"])
def system(request, checkpoints):
    torch.set_num_threads(1)
    return load_system(checkpoints[request.param])


def test_adding_and_removing_survive_kills(system, photos, tmp_path):
    """After each kill: what was reported as added is there, what was reported as removed is not, batches are whole."""
    folder, log = tmp_path / "index", tmp_path / "log"
    stock = system.encode_images(sorted(photos.rglob("*.png")))
    Gallery.create(folder, system, photos).close()
    log.touch()
    chance = random.Random(0)

    def change():
        own = random.Random(os.getpid())
        with log.open("a", buffering=1) as say, Gallery.open(folder, system, writable=True) as gallery:
            while True:
                first = max(gallery._items.next_id, gallery.index.last_id() + 1)
                batch = range(first, first + 3)
                items = [Item(f"{number}.png", number, number) for number in batch]
                gallery.add(items, stock[[number % len(stock) for number in batch]])
                say.write(f"add {first}\n")
                if first % 2 and len(gallery) > 6:
                    gone = own.sample(gallery.ids.tolist(), 2)
                    say.write(f"removing {gone[0]} {gone[1]}\n")
                    gallery.remove(gone)
                    say.write(f"removed {gone[0]} {gone[1]}\n")

    def told(what):
        lines = (line.split() for line in log.read_text().splitlines())
        return [[int(number) for number in numbers] for said, *numbers in lines if said == what]

    for _ in range(KILLS):
        killed(change, lambda: len(log.read_bytes()), chance.randrange(60), chance.uniform(0, 0.03))
        added = {first + place for (first,) in told("add") for place in range(3)}
        removed, removing = ({number for pair in told(what) for number in pair} for what in ("removed", "removing"))
        with Gallery.open(folder, system) as gallery:
            there = set(gallery.ids.tolist())
            assert added - removing <= there
            assert not removed & there
            if extra := sorted(there - added):  # a batch that was committed, but not told any more
                assert extra == [extra[0], extra[0] + 1, extra[0] + 2]
                with log.open("a") as stream:
                    stream.write(f"add {extra[0]}\n")
            assert all(gallery.item(number).file == f"{number}.png" for number in there)
            assert {hit.item for hit in gallery.search("a man", k=10_000)[0]} == there
            rows = [number % len(stock) for number in sorted(there)]
            expected = system.similarity("a man", stock).numpy()[0][rows]
            np.testing.assert_allclose(gallery.similarities("a man")[0], expected, rtol=1e-5, atol=1e-6)
    assert len(told("add")) > KILLS
    assert told("removed")


def test_a_build_goes_on_where_it_was_killed(checkpoints, photos, tmp_path, monkeypatch):
    torch.set_num_threads(1)
    system, folder = load_system(checkpoints["vectors"]), tmp_path / "index"
    for number in range(40):
        shutil.copy(photos / f"{number % 8}.png", photos / f"copy-{number}.png")
    monkeypatch.setattr(building, "COMMIT", 2)
    Gallery.create(folder, system, photos).close()

    def build():
        with Gallery.open(folder, system, writable=True) as gallery:
            building.build(gallery, batch_size=2, workers=1, progress=False)

    chance, counts = random.Random(1), [0]
    journal = folder / "journal"

    def progress():
        return journal.stat().st_size if journal.exists() else 0

    for _ in range(6):
        killed(build, progress, chance.randrange(400), chance.uniform(0, 0.02))
        with Gallery.open(folder, system) as gallery:
            counts.append(len(gallery))
            assert counts[-1] % 2 == 0
            assert counts[-1] >= counts[-2]
            # Numbers that a killed writer had begun with are passed over, and none is given twice.
            assert (np.diff(gallery.ids) > 0).all()
    build()
    with Gallery.open(folder, system) as gallery:
        files = [gallery.item(int(number)).file for number in gallery.ids]
        assert sorted(files) == sorted(path.relative_to(photos).as_posix() for path in photos.rglob("*.png"))
        expected = system.encode_images([photos / file for file in files]).numpy()
        np.testing.assert_allclose(gallery.index.vectors(gallery.ids), expected, atol=1e-6)


def test_a_description_that_was_never_finished_is_begun_anew(checkpoints, photos, tmp_path):
    system, folder = load_system(checkpoints["vectors"]), tmp_path / "index"
    folder.mkdir()
    (folder / ".index.json.tmp").write_text('{"vers')
    with Gallery.create(folder, system, photos) as gallery:
        assert len(gallery) == 0
