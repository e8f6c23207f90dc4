"""Replies that were cut off: asked for again, paid for in full, kept where there is nothing better."""

import asyncio

import pytest
from chat_faults import error, json_act, reply
from chat_server import ChatServer

pytest.importorskip("openai")

from tbpsbench.mllm.cache import Cached, ReplyCache
from tbpsbench.mllm.errors import ItemError
from tbpsbench.mllm.openai_compatible import OpenAICompatible

pytestmark = pytest.mark.usefixtures("impatient")
PRICE = {"input": 1.0, "output": 1.0}


def cut(seen, least=40):
    """Says all in so many tokens, and the half in fewer."""
    whole = seen.body["max_tokens"] >= least
    return reply("A man in a red coat.") if whole else reply("A man in", finish="length")


def asked(script, request, cache=None, times=1, **options):
    """Replies to one request, or errors, of a new client each time; bodies that the server saw; the last meter."""

    async def one(url):
        client = OpenAICompatible("m", [url], price=PRICE, **options)
        async with client if cache is None else Cached(client, ReplyCache(cache)) as asking:
            (found,) = await asyncio.gather(asking.ask(request), return_exceptions=True)
            return found, client.meter.plain()

    with ChatServer(script) as server:
        found = [asyncio.run(one(server.url)) for _ in range(times)]
        return [one for one, _ in found], [seen.body["max_tokens"] for seen in server.seen], found[-1][1]


def test_reply_is_paid_for_with_all_its_tries(ask):
    (answer,), room, meter = asked(cut, ask())
    assert (answer.text, answer.calls, room) == ("A man in a red coat.", 2, [20, 40])
    assert (answer.prompt_tokens, answer.completion_tokens) == (160, 3 + 6)
    assert (meter["prompt_tokens"], meter["completion_tokens"]) == (160, 3 + 6)


def test_thoughts_and_answers_without_words_are_paid_for_as_well(ask):
    empty = json_act(200, {"choices": [{"message": {"content": " "}}], "usage": {"prompt_tokens": 7}})
    thoughts = reply(None, finish="length", prompt_tokens=50)
    script = iter([empty, thoughts, error(500), reply("A coat.")])
    (answer,), _, meter = asked(lambda seen: next(script), ask())
    assert (answer.calls, answer.prompt_tokens, answer.completion_tokens) == (4, 7 + 50 + 80, 1 + 2)
    assert (meter["prompt_tokens"], meter["completion_tokens"]) == (137, 3)


@pytest.mark.parametrize(("status", "code"), [(400, "context_length_exceeded"), (400, "content_policy_violation")])
def test_cut_reply_is_kept_where_the_second_try_is_refused(ask, status, code):
    def script(seen):
        return cut(seen) if seen.body["max_tokens"] < 40 else error(status, code)

    (answer,), room, _ = asked(script, ask())
    assert (answer.text, answer.finish_reason, answer.calls, room) == ("A man in", "length", 2, [20, 40])


def test_cut_reply_is_not_kept_where_another_run_may_get_the_whole(ask):
    def script(seen):
        return cut(seen) if seen.number == 0 else error((500, 502, 504)[seen.number % 3], message=str(seen.number))

    (failed,), _, _ = asked(script, ask(), attempts=3)
    assert isinstance(failed, ItemError)
    assert failed.retry_later
    assert (failed.calls, failed.used) == (4, (80, 3))


def test_failure_says_what_it_took(ask):
    (failed,), _, _ = asked(lambda seen: reply(None, finish="length", prompt_tokens=50), ask())
    assert (failed.reason, failed.calls, failed.used) == ("no-answer", 2, (100, 2))
    (failed,), _, _ = asked(lambda seen: error(400), ask())
    assert (failed.calls, failed.used) == (1, None)


def test_no_second_try_without_more_room(ask):
    for longer in (1, 1.01):
        (answer,), room, _ = asked(cut, ask(), longer=longer)
        assert (answer.text, answer.calls, room) == ("A man in", 1, [20])


def test_cut_reply_is_asked_for_again_by_a_client_with_more_room(ask, tmp_path):
    path = tmp_path / "replies.sqlite"
    assert asked(cut, ask(), path, longer=1)[0][0].text == "A man in"
    (answer, again), room, _ = asked(cut, ask(), path, times=2)
    assert (answer.text, answer.cached, room) == ("A man in a red coat.", False, [20, 40])
    assert (again.text, again.cached) == ("A man in a red coat.", True)
    (answer,), room, _ = asked(cut, ask(), path, longer=1)  # which is now the reply for all
    assert (answer.text, answer.cached, room) == ("A man in a red coat.", True, [])


def test_cut_reply_is_not_asked_for_again_with_the_same_room(ask, tmp_path):
    def script(seen):
        return cut(seen, least=60)

    path = tmp_path / "replies.sqlite"
    first, room, _ = asked(script, ask(), path, times=2)
    assert [(one.text, one.cached) for one in first] == [("A man in", False), ("A man in", True)]
    assert room == [20, 40]
    (answer,), room, _ = asked(script, ask(), path, longer=3)
    assert (answer.text, answer.cached, room) == ("A man in a red coat.", False, [20, 60])
