"""What a run costs, and the budget that it keeps."""

import asyncio
from dataclasses import replace
from io import BytesIO

import pytest
from PIL import Image

from tbpsbench.errors import ConfigError
from tbpsbench.mllm.errors import StopRun
from tbpsbench.mllm.messages import Message, Picture, Request
from tbpsbench.mllm.meter import Budget, Meter, Price, estimate

SMALL = Request((Message("user", "x" * 40),), max_tokens=10, temperature=0.0)


async def spend(meter, times, request=SMALL, used=(18, 5), price=None):
    """Calls that are answered with so many tokens each."""
    for _ in range(times):
        async with meter.call(request, price) as call:
            await asyncio.sleep(0)
            call.answered(*used)


def test_counts_calls_tokens_and_money():
    meter = Meter()
    asyncio.run(spend(meter, 3, used=(1000, 200), price=Price(2.5, 10.0)))
    assert meter.plain() == {
        "calls": 3, "failed": 0, "prompt_tokens": 3000, "completion_tokens": 600,
        "usd": pytest.approx(3 * (0.0025 + 0.002)), "unpriced": 0,
    }  # fmt: skip


def test_calls_that_bring_nothing_are_counted():
    async def main():
        async with meter.call(SMALL):
            raise ValueError("no answer")

    meter = Meter()
    with pytest.raises(ValueError, match="no answer"):
        asyncio.run(main())
    assert (meter.calls, meter.failed) == (1, 1)


@pytest.mark.parametrize(
    ("budget", "fits", "message"),
    [
        (Budget(calls=3), 3, "budget of 3 calls is used up"),
        (Budget(tokens=80), 3, "budget of 80 tokens is used up"),
        (Budget(usd=80e-6), 3, "US dollars is used up"),
    ],
)
def test_budget_holds_even_if_the_next_reply_is_as_long_as_it_may_be(budget, fits, message):
    meter = Meter(budget)  # 18 + 5 tokens a call, 18 + 10 at most
    with pytest.raises(StopRun, match=message):
        asyncio.run(spend(meter, 9, price=Price(1.0, 1.0)))
    assert meter.calls == fits


def test_estimate_is_corrected_once_by_calls_that_were_under_way_together():
    """Each is twice as long as it was taken for: so is the next, and no longer."""

    async def main():
        await asyncio.gather(*(spend(meter, 1, used=(36, 5)) for _ in range(32)))
        await spend(meter, 20, used=(36, 5))

    meter = Meter(Budget(tokens=52 * 41 + 5))
    asyncio.run(main())
    assert meter.calls == 52


@pytest.mark.parametrize("budget", [Budget(calls=20), Budget(tokens=460), Budget(usd=460e-6)])
def test_budget_holds_though_many_ask_at_once(budget):
    """Calls that wait for what is under way use what that leaves over."""

    async def main():
        jobs = [spend(meter, 1, price=Price(1.0, 1.0)) for _ in range(64)]
        return await asyncio.gather(*jobs, return_exceptions=True)

    meter = Meter(budget)
    done = asyncio.run(main())
    assert 19 <= meter.calls <= 20
    assert meter.prompt_tokens + meter.completion_tokens <= 460
    assert sum(isinstance(error, StopRun) for error in done) == 64 - meter.calls


def test_longer_prompts_than_estimated_are_learnt_from():
    meter = Meter(Budget(tokens=1000))
    with pytest.raises(StopRun):
        asyncio.run(spend(meter, 99, used=(180, 5)))
    assert meter.prompt_tokens + meter.completion_tokens <= 1000


def test_budget_in_money_needs_a_price():
    with pytest.raises(StopRun, match=r"price of a model is not known.*price=dict\(input"):
        asyncio.run(spend(Meter(Budget(usd=1.0)), 1))


@pytest.mark.parametrize("name", ["calls", "tokens", "usd"])
@pytest.mark.parametrize("bound", ["10", -1, float("nan"), True])
def test_bounds_that_are_none(name, bound):
    with pytest.raises(ConfigError, match=rf"budget\.{name} is {bound!r}, expected .*or None for no bound"):
        Budget(**{name: bound})


def test_estimate_counts_words_pictures_and_the_longest_reply():
    request = replace(SMALL, messages=(Message("user", "x" * 400, (Picture(b"1"), Picture(b"2"))),))
    assert estimate(request) == (100 + 8 + 2 * 72, 10)


def test_estimate_grows_with_pictures():
    def tokens(width, height):
        buffer = BytesIO()
        Image.new("RGB", (width, height)).save(buffer, "PNG")
        return estimate(Request((Message("user", "", (Picture(buffer.getvalue()),)),), 1, 0.0))[0] - 8

    assert tokens(64, 128) == tokens(128, 384) == 72
    assert tokens(560, 1120) == 20 * 40
    assert tokens(6000, 6000) == 16_384
