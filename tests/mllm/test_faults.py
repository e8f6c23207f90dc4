"""Everything that a server can do wrong, on a raw socket: tried again, one request fails, or the run ends."""

import asyncio
import time

import pytest
from chat_faults import GOOD, HTML, Act, error, faults, json_act, reply
from chat_server import ChatServer

pytest.importorskip("openai")

from tbpsbench.mllm.errors import ItemError, StopRun
from tbpsbench.mllm.openai_compatible import OpenAICompatible

pytestmark = pytest.mark.usefixtures("impatient")
ENDLESS = ("silence", "drip")


def asked(act, request, times=1, **options):
    """What a client says when the first `times` answers are `act` and all others good; and the server."""

    async def main():
        with ChatServer(lambda seen: act if seen.number < times else GOOD) as server:
            async with OpenAICompatible("m", [server.url], **options) as client:
                return await client.ask(request), server

    return asyncio.run(main())


@pytest.mark.parametrize("name", [name for name in faults() if name not in ENDLESS])
def test_one_fault_is_survived(ask, name):
    answer, server = asked(faults()[name], ask())
    assert (answer.text, answer.calls) == ("A man in a red coat.", 2)
    assert len(server.seen) == 2


@pytest.mark.parametrize("name", ENDLESS)
def test_answer_that_never_ends_is_given_up_at_the_deadline(ask, name):
    """The drip would go on for a minute: no read of it takes long."""
    answer, server = asked(faults()[name], ask(), deadline=2.0)
    assert answer.text == "A man in a red coat."
    assert answer.calls == len(server.seen) > 1


@pytest.mark.parametrize(("headers", "least"), [({"retry_after": "0.4"}, 0.4), ({"retry_after_ms": "300"}, 0.3)])
def test_waits_as_long_as_it_is_told(ask, headers, least):
    started = time.monotonic()
    asked(error(429, **headers), ask())
    assert time.monotonic() - started >= least


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (error(400), "refused"),
        (error(422), "refused"),
        (error(400, "context_length_exceeded"), "too-long"),
        (error(413), "too-long"),
        (error(400, "content_policy_violation"), "content-filter"),
        (reply(None, finish="content_filter"), "content-filter"),
        (reply("", refusal="I cannot help with that."), "content-filter"),
        (reply(None, finish="length"), "no-answer"),
        (reply("", reasoning="Hm, let me see."), "no-answer"),
    ],
)
def test_failure_of_one_request(ask, act, reason):
    with pytest.raises(ItemError) as caught:
        asked(act, ask(), times=2)
    assert caught.value.reason == reason
    assert not caught.value.retry_later


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (error(500, message="CUDA error"), "server-error"),
        (HTML, "bad-reply"),
        (json_act(200, {"choices": []}), "bad-reply"),
    ],
)
@pytest.mark.parametrize("count", [1, 4])
def test_same_failure_lies_in_the_request_while_others_are_answered(ask, act, reason, count):
    async def main():
        """Several such requests and no other; whatever else is asked is answered."""
        with ChatServer(lambda seen: act if seen.text.startswith("bad") else GOOD) as server:
            async with OpenAICompatible("m", [server.url], patience=0.0) as client:
                asked = [client.ask(ask(f"bad {number}")) for number in range(count)]
                return await asyncio.gather(*asked, return_exceptions=True)

    for failed in asyncio.run(main()):
        assert (failed.reason, failed.retry_later) == (reason, False)
        assert "tried 4 times" in failed.detail


def test_what_others_meet_at_the_same_time_lies_in_no_request(ask):
    """A proxy answers for a server that starts anew: all are asked again, until it is there."""

    async def main():
        away = error(502, message="Bad Gateway")
        with ChatServer(lambda seen: away if seen.number < 40 else GOOD) as server:
            async with OpenAICompatible("m", [server.url]) as client:
                return await asyncio.gather(*(client.ask(ask(str(n))) for n in range(10)))

    answers = asyncio.run(main())
    assert {answer.text for answer in answers} == {"A man in a red coat."}
    assert max(answer.calls for answer in answers) > 3


def test_request_that_fails_while_others_are_answered_is_given_up(ask):
    async def main():
        with ChatServer(lambda seen: error(500) if seen.text == "bad" else GOOD) as server:
            async with OpenAICompatible("m", [server.url], max_in_flight=4) as client:
                asked = [asyncio.create_task(client.ask(ask("bad")))]
                while not asked[0].done():
                    await client.ask(ask("good"))
                return asked[0].exception()

    failed = asyncio.run(main())
    assert (failed.reason, failed.retry_later) == ("server-error", False)
    assert "tried 4 times" in failed.detail


def test_half_a_character_is_left_out(ask):
    answer, _ = asked(reply("A man \ud83d in red \U0001f9e5."), ask())
    assert answer.text == "A man  in red \U0001f9e5."
    with pytest.raises(ItemError) as caught:
        asked(error(400, message="no \ud83d"), ask())
    assert caught.value.detail.encode()


def test_what_brings_no_word_is_paid_for_all_the_same(ask):
    async def main():
        thoughts = [reply(None, finish="length", prompt_tokens=80)] * 2
        with ChatServer(lambda seen: [*thoughts, GOOD][min(seen.number, 2)]) as server:
            async with OpenAICompatible("m", [server.url], price={"input": 1.0, "output": 1.0}) as client:
                with pytest.raises(ItemError, match="larger `longer`"):
                    await client.ask(ask())
                return client.meter.plain(), [seen.body["max_tokens"] for seen in server.seen]

    spent, room = asyncio.run(main())
    assert room == [20, 40]
    assert (spent["calls"], spent["failed"], spent["prompt_tokens"]) == (2, 2, 160)
    assert spent["usd"] == pytest.approx(162e-6)


def test_thoughts_that_left_no_room_are_given_more(ask):
    answer, server = asked(reply(None, finish="length"), ask())
    assert (answer.text, answer.calls) == ("A man in a red coat.", 2)
    assert [seen.body["max_tokens"] for seen in server.seen] == [20, 40]


def test_different_failures_may_be_over_in_the_next_run(ask):
    async def main():
        with ChatServer(lambda seen: error((500, 502, 504)[seen.number % 3], message=str(seen.number))) as server:
            async with OpenAICompatible("m", [server.url], attempts=4) as client:
                await client.ask(ask())

    with pytest.raises(ItemError, match="tried 4 times") as caught:
        asyncio.run(main())
    assert caught.value.retry_later


def test_refusals_of_a_busy_server_are_no_failures(ask):
    answer, _ = asked(error(429, "rate_limit_exceeded", retry_after="0"), ask(), times=12, attempts=3)
    assert answer.calls == 13


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (error(401), "does not accept the API key.*Check the API key in the environment variable MY_KEY"),
        (error(403), "does not accept the API key"),
        (error(404, "model_not_found"), "no such model or address.*Check model"),
        (error(405), "no such model or address"),
        (error(402), "no quota or credit"),
        (
            error(429, "insufficient_quota", retry_after="1"),
            "no quota or credit left.*Add credit.*goes on where it stopped",
        ),
        (json_act(200, {"error": {"message": "no", "code": 401}}), "does not accept the API key"),
        (error(429, retry_after="121"), r"asks to wait 121 s, more than max_wait = 120 s.*Start again later"),
    ],
)
def test_end_of_the_run(ask, act, message):
    with pytest.raises(StopRun, match=message):
        asked(act, ask(), api_key_env="MY_KEY")


def test_run_stops_for_all_who_ask_and_wait(ask):
    """One wrong key stops those under way for their turn as well: nobody is kept waiting, hardly a call is made."""

    async def main():
        with ChatServer(lambda seen: error(401)) as server:
            async with OpenAICompatible("m", [server.url]) as client:
                done = await asyncio.gather(*(client.ask(ask(str(n))) for n in range(50)), return_exceptions=True)
                with pytest.raises(StopRun):
                    await client.ask(ask())
                return done, len(server.seen)

    done, calls = asyncio.run(main())
    assert all(isinstance(error, StopRun) for error in done)
    assert calls <= 8


def test_unreachable_server_stops_the_run_at_once():
    async def main():
        async with OpenAICompatible("m", ["http://127.0.0.1:9/v1"]) as client:
            await client.probe()

    with pytest.raises(StopRun, match=r"http://127.0.0.1:9/v1 cannot be reached.*Start the server, or check base_urls"):
        asyncio.run(main())


@pytest.mark.parametrize("how", ["reset", "close", "half-head", "garbage"])
def test_a_connection_that_breaks_at_the_first_question_is_tried_again(how):
    async def main():
        with ChatServer(lambda seen: Act(how=how) if seen.number == first else None) as server:
            async with OpenAICompatible("m", [server.url]) as client:
                return await client.probe(), len(server.seen)

    for first in (0, 1, 2):
        able, calls = asyncio.run(main())
        assert able.images
        assert calls > first


def test_server_that_dies_stops_the_run(ask):
    async def main():
        with ChatServer(lambda seen: GOOD if seen.number < 3 else Act(how="reset")) as server:
            async with OpenAICompatible("m", [server.url], give_up_after=8, patience=0.0) as client:
                return await asyncio.gather(*(client.ask(ask(str(n))) for n in range(40)), return_exceptions=True)

    done = asyncio.run(main())
    stopped = [error for error in done if isinstance(error, StopRun)]
    assert len(stopped) > 30
    assert "failed 8 times in a row" in str(stopped[0])


def test_many_faults_of_all_kinds_lose_nothing(ask):
    """2,000 requests, 15 % of the answers faulty: every request is answered, and none was asked for after that."""
    quick = {name: act for name, act in faults().items() if name not in ENDLESS and "429" not in name}
    kinds = [*quick.values(), error(429)]

    def script(seen):
        return kinds[seen.number % len(kinds)] if seen.number * 7919 % 100 < 15 else None

    async def main():
        with ChatServer(script) as server:
            async with OpenAICompatible("m", [server.url], deadline=20) as client:
                requests = [ask(f"question {n}", shown=()) for n in range(2000)]
                replies = await asyncio.gather(*map(client.ask, requests))
                return replies, server.seen, client.meter.plain()

    replies, seen, meter = asyncio.run(main())
    assert [answer.text for answer in replies] == ["A man in a red coat."] * 2000
    assert sum(answer.calls for answer in replies) == meter["calls"]
    assert meter["failed"] == meter["calls"] - 2000
    assert len({request.text for request in seen}) == 2000
