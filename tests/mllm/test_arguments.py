"""What a client refuses before anything is sent."""

import math

import pytest

from tbpsbench.errors import ConfigError
from tbpsbench.mllm.arguments import api_key, require_json, require_numbers, require_urls


@pytest.mark.parametrize(
    ("value", "rules", "message"),
    [
        (-1, {}, "it is -1, expected 0 or more"),
        (math.nan, {}, "it is nan, expected 0 or more"),
        (math.inf, {}, "it is inf, expected 9.22337e.18 at most"),
        (10**400, {}, "at most"),
        (0, {"above": True}, "it is 0, expected more than 0"),
        ("10", {}, "it is '10', expected a number of 0 or more"),
        (True, {}, "it is True, expected a number of"),
        (None, {}, "it is None, expected a number of"),
        (2.5, {"whole": True}, "it is 2.5, expected a whole number of 0 or more"),
    ],
)
def test_numbers_that_are_refused(value, rules, message):
    with pytest.raises(ValueError, match=message):
        require_numbers(0, it=value, **rules)


def test_numbers_that_will_do():
    require_numbers(1, whole=True, one=1, other=64)
    require_numbers(0, above=True, little=1e-9)
    require_numbers(0, nothing=0, zero=0.0)


@pytest.mark.parametrize(
    "url",
    [
        "http://user:secret@127.0.0.1:9/v1", "https://secret@host/v1", "user:secret@host:80/v1",
        "http://user:sec/ret@host/v1", "http://user:secret@host:99999/v1",
    ],
)  # fmt: skip
def test_passwords_in_addresses_are_refused_and_not_shown(url):
    with pytest.raises((ConfigError, ValueError), match="base_urls") as caught:
        require_urls(["http://127.0.0.1:8000/v1", url])
    assert "sec" not in str(caught.value)
    assert "user:" not in str(caught.value)


def test_who_gives_a_password_is_told_where_it_belongs():
    with pytest.raises(ConfigError, match=r"'http://\.\.\.@host/v1' with a user name or password.*api_key_env"):
        require_urls(["http://user:secret@host/v1"])


@pytest.mark.parametrize("url", ["http://h:99999/v1", "http://h:0/v1", "http://h:x/v1", "http://[::1/v1", "http:///v1"])
def test_addresses_that_lead_nowhere(url):
    with pytest.raises(ConfigError, match="names no host, or a port that is no number from 1 to 65535"):
        require_urls([url])


def test_addresses_that_will_do():
    require_urls(["http://127.0.0.1:8000/v1", "https://api.example.com/v1", "http://[::1]:8000/v1", "http://h/@x/v1"])


@pytest.mark.parametrize("value", ["sk-\u043a\u043b\u044e\u0447", "sk-1\nsk-2", "sk-\x07", "sk-\u200b"])
def test_api_key_that_cannot_be_sent_is_not_shown(monkeypatch, value):
    monkeypatch.setenv("MY_KEY", value)
    with pytest.raises(ConfigError, match=r"environment variable MY_KEY \(api_key_env\)") as caught:
        api_key("MY_KEY")
    assert "sk-" not in str(caught.value)


def test_white_space_around_an_api_key_is_taken_off(monkeypatch):
    monkeypatch.setenv("MY_KEY", " sk-1\r\n")
    assert api_key("MY_KEY") == "sk-1"
    monkeypatch.setenv("MY_KEY", "\n")
    assert api_key("MY_KEY") == "none"
    monkeypatch.delenv("MY_KEY")
    assert api_key("MY_KEY") == "none"


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"a": {1, 2}}, r"extra\.a is \{1, 2\}, which JSON cannot hold"),
        ({"top_p": math.nan}, r"extra\.top_p is nan, which JSON cannot hold"),
        ({"a": {"b": 1, 2: 3}}, r"extra\.a is .* which JSON cannot hold"),
        ({1: 2}, "extra has the key 1, expected names of keys"),
    ],
)
def test_what_no_body_can_hold(extra, message):
    with pytest.raises(ValueError, match=message):
        require_json("extra", extra)
