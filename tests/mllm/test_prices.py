"""What a model costs."""

import math
import sys
from decimal import Decimal
from types import SimpleNamespace

import pytest

from tbpsbench.mllm.meter import Price
from tbpsbench.mllm.prices import given_price, known_price


def test_price_is_that_of_prompts_of_usual_length(monkeypatch):
    """As several providers have it: a prompt of more than 200,000 tokens costs twice as much for each."""

    def calc_price(usage, model, provider_api_url):
        rate = Decimal("1.25") * (2 if usage.input_tokens > 200_000 else 1)
        total = usage.input_tokens * rate + usage.output_tokens * Decimal(10)
        return SimpleNamespace(total_price=total / 1_000_000)

    def usage(input_tokens=0, output_tokens=0):
        return SimpleNamespace(input_tokens=input_tokens, output_tokens=output_tokens)

    monkeypatch.setitem(sys.modules, "genai_prices", SimpleNamespace(Usage=usage, calc_price=calc_price))
    assert known_price("m", "https://provider/v1") == Price(1.25, 10.0)


def test_price_of_a_config():
    assert given_price({"input": 0, "output": 2.5}) == Price(0, 2.5)


@pytest.mark.parametrize(
    ("price", "message"),
    [
        ({"input": 1}, r"price is \{'input': 1\}, expected dict\(input=\.\.\., output=\.\.\.\)"),
        ({"input": 1, "output": 1, "cached": 1}, "expected dict"),
        ({"input": "x", "output": 1}, r"price\.input is 'x', expected a number of 0 or more"),
        ({"input": 1, "output": -1}, r"price\.output is -1, expected 0 or more"),
        ({"input": math.nan, "output": 1}, r"price\.input is nan"),
    ],
)
def test_prices_that_are_none(price, message):
    with pytest.raises(ValueError, match=message):
        given_price(price)
