"""Requests, and waits that are over soon."""

import io

import pytest
from PIL import Image

from tbpsbench.mllm.messages import Message, Picture, Request


@pytest.fixture
def picture():
    """Makes a picture of one shade."""

    def make(shade=200, size=(224, 224), kind="PNG"):
        buffer = io.BytesIO()
        Image.new("RGB", size, (shade, 60, 60)).save(buffer, kind)
        return Picture(buffer.getvalue(), f"image/{kind.lower()}")

    return make


@pytest.fixture
def ask(picture):
    """Makes a request about one picture."""

    def make(text="What does the person wear?", shown=None, **options):
        shown = (picture(),) if shown is None else shown
        return Request((Message("user", text, shown),), **{"max_tokens": 20, "temperature": 0.0} | options)

    return make


@pytest.fixture
def impatient(monkeypatch):
    """Tries again at once."""
    for name, value in (("retries.FIRST_WAIT", 0.01), ("probing.PAUSE_SECONDS", 0.01)):
        monkeypatch.setattr(f"tbpsbench.mllm.{name}", value)
