"""A page on a few pictures: two untrained systems, indexes of both, and the application without a server."""

import os
import shutil

import pytest
from app_person import HOST, Person, index
from small_systems import untrained


@pytest.fixture(scope="session")
def app_checkpoints(mini, tmp_path_factory):
    """Two systems with different weights."""
    folder = tmp_path_factory.mktemp("app-checkpoints")
    return [untrained(mini, folder / f"{seed}.pth", seed=seed) for seed in (0, 1)]


@pytest.fixture(scope="session")
def photos(mini, tmp_path_factory):
    """Forty pictures, two of them with a name that is HTML or not UTF-8; beside them a file that nobody may see."""
    folder = tmp_path_factory.mktemp("app")
    photos = folder / "photos"
    photos.mkdir()
    for number, path in enumerate(sorted((mini / "tiny-0" / "images").glob("*.png"))[:40]):
        odd = {0: "<img src=x onerror=alert(1)>.png", 39: os.fsdecode(b"caf\xe9.png")}
        shutil.copy(path, photos / odd.get(number, f"{number:02d}.png"))
    shutil.copy(photos / "01.png", folder / "outside.png")
    return photos


@pytest.fixture(scope="session")
def indexes(app_checkpoints, photos, tmp_path_factory):
    """Both systems' indexes."""
    folder = tmp_path_factory.mktemp("app-indexes")
    return [index(folder / str(n), checkpoint, photos) for n, checkpoint in enumerate(app_checkpoints)]


@pytest.fixture(scope="session")
def systems(indexes):
    """`Systems` of so many indexes, opened once."""
    pytest.importorskip("fastapi", reason="needs the extra app: pip install 'tbpsbench[app]'")
    from tbpsbench.app.systems import Systems
    from tbpsbench.retrieval.gallery import Gallery

    galleries = [Gallery.open(folder) for folder in indexes]
    made = {1: Systems(galleries[:1]), 2: Systems(galleries)}
    yield made
    for one in made.values():
        one.close()


@pytest.fixture
def person(systems):
    """Make somebody at a page of one or two systems."""
    from starlette.testclient import TestClient

    from tbpsbench.app.server import make_app

    clients = []

    def make(count=1, on=None, **settings):
        app = make_app(on or systems[count], [HOST], **settings)
        clients.append(TestClient(app, base_url=f"http://{HOST}"))
        clients[-1].__enter__()
        return Person(clients[-1])

    yield make
    for client in clients:
        client.__exit__(None, None, None)
