"""Requests and replies that are none."""

import math

import pytest

from tbpsbench.errors import ConfigError
from tbpsbench.mllm.messages import Message, Reply, Request

SOUND = Reply("A coat.", "m", prompt_tokens=80, completion_tokens=3, seconds=0.5).plain()


@pytest.mark.parametrize("value", [-1, -0.01, math.nan, math.inf, "0.5", None])
def test_temperatures_that_are_none(value):
    with pytest.raises(ConfigError, match=f"temperature is {value!r}, expected"):
        Request((Message("user", "?"),), 16, value)


@pytest.mark.parametrize("value", [0, -1, 2.5, "16"])
def test_lengths_that_are_none(value):
    with pytest.raises(ConfigError, match=f"max_tokens is {value!r}, expected"):
        Request((Message("user", "?"),), value, 0.0)


def test_reply_of_plain_data():
    assert Reply.of(SOUND).plain() == SOUND
    assert Reply.of({"text": "yes", "model": "m"}, cached=True, calls=0).calls == 0


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("text", None), ("text", 7), ("model", 3), ("finish_reason", None), ("server", None), ("cached", "no"),
        ("prompt_tokens", "x"), ("prompt_tokens", None), ("completion_tokens", -1), ("completion_tokens", True),
        ("prompt_tokens", 10**320), ("seconds", math.nan), ("calls", "1"), ("unknown", 1),
    ],
)  # fmt: skip
def test_reply_of_other_data(key, value):
    with pytest.raises(TypeError, match=key):
        Reply.of({**SOUND, key: value})
