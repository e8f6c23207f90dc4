"""What a client may be given, refused before anything is sent: numbers out of range, addresses, keys, further keys."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any
from urllib.parse import urlsplit

from tbpsbench.errors import ConfigError

LARGEST = 2.0**63  # what configs can hold; no bound, price or wait of ours comes near it


def require_numbers(least: float, *, whole: bool = False, above: bool = False, **named: Any) -> None:
    """Refuse what is no such number; NaN and infinity are none.

    Args:
        least: the smallest that will do.
        whole: whether they must be whole numbers.
        above: whether they must be more than `least`.
        named: what was given, by the names of the arguments.

    Raises:
        ValueError: naming argument, value and range.
    """
    for name, value in named.items():
        number = isinstance(value, Integral if whole else Real) and not isinstance(value, bool)
        if number and least <= value <= LARGEST and not (above and value == least):
            continue
        wanted = f"more than {least:g}" if above else f"{least:g} or more"
        if not number:
            wanted = f"{'a whole number' if whole else 'a number'} of {wanted}"
        elif value > LARGEST:
            wanted = f"{LARGEST:g} at most"
        raise ValueError(f"{name} is {value!r}, expected {wanted}")


def require_urls(urls: Sequence[Any]) -> None:
    """Refuse base URLs that lead nowhere, and those with a password, which would stand in every published record.

    Raises:
        ValueError, ConfigError: naming the URL, without a password.
    """
    for url in map(str, urls):
        if "@" in re.split(r"[/?#\\]", _parted(url)[1], maxsplit=1)[0]:
            raise ConfigError(
                f"base_urls has {_masked(url)!r} with a user name or password, which records would publish. Write the "
                "URL without it, put the key into an environment variable and name that: api_key_env"
            )
    shown = [_masked(str(url)) for url in urls]
    if not urls or not all(str(url).startswith(("http://", "https://")) for url in urls):
        raise ValueError(f"base_urls is {shown!r}, expected URLs such as 'http://127.0.0.1:8000/v1'")
    for url, name in zip(map(str, urls), shown, strict=True):
        if not _leads_to_a_host(url):
            raise ConfigError(
                f"base_urls has {name!r}, which names no host, or a port that is no number from 1 to 65535; expected a "
                "URL such as 'http://127.0.0.1:8000/v1'"
            )
    if len(set(urls)) < len(urls):
        raise ValueError(f"base_urls names a server twice: {shown!r}")


def require_json(name: str, value: Mapping[str, Any]) -> None:
    """Refuse what cannot stand in the body of a request.

    Raises:
        ValueError: naming the argument.
    """
    if odd := [key for key in value if not isinstance(key, str)]:
        raise ValueError(f"{name} has the key {odd[0]!r}, expected names of keys of the request body")
    for key, item in value.items():
        try:
            json.dumps(item, allow_nan=False, sort_keys=True)
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"{name}.{key} is {item!r:.80}, which JSON cannot hold ({error})") from None


def api_key(variable: str) -> str:
    """The API key in an environment variable, without white space around it; "none" where there is none.

    Raises:
        ConfigError: if it cannot be sent; names the variable and never what it holds.
    """
    key = os.environ.get(variable, "").strip()  # a file that was read into it ends with a line feed
    if not (key.isascii() and key.isprintable()):
        raise ConfigError(
            f"the API key in the environment variable {variable} (api_key_env) holds characters that no key has: line "
            "feeds or other control characters, or letters beyond ASCII. Copy the key once more."
        )
    return key or "none"


def _leads_to_a_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # its text may hold part of a password
        return False


def _masked(url: str) -> str:
    """A URL for a message: whatever may be a user name and a password is left out."""
    scheme, rest = _parted(url)
    return f"{scheme}...@{rest.rpartition('@')[2]}" if "@" in rest else url


def _parted(url: str) -> tuple[str, str]:
    """The scheme with its "://", "" where there is none, and the rest."""
    scheme, mark, rest = url.partition("://")
    return (scheme + mark, rest) if mark else ("", url)
