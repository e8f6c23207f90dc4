"""Limits of requests and tokens a minute that let nothing through; what others do is in test_limiter.py."""

import pytest

from tbpsbench.mllm.rates import Rates


@pytest.mark.parametrize("limit", [0, -1, "60", float("nan")])
@pytest.mark.parametrize("name", ["requests", "tokens"])
def test_limits_that_let_nothing_through(name, limit):
    with pytest.raises(ValueError, match=f"{name}_per_minute is {limit!r}, expected"):
        Rates(**{name: limit})
