"""Replies on the disk: the cache and recordings."""

import asyncio
import json
import multiprocessing
import sqlite3
from dataclasses import replace

import pytest

from tbpsbench.errors import DataError, RegistryError, StorageError
from tbpsbench.mllm.base import MLLMClient
from tbpsbench.mllm.cache import Cached, ReplyCache
from tbpsbench.mllm.errors import ItemError, StopRun
from tbpsbench.mllm.messages import Reply
from tbpsbench.mllm.open import open_client
from tbpsbench.mllm.recording import Recorded, read_recording
from tbpsbench.mllm.replay import Replay


class Counting(MLLMClient):
    """Says how often it was asked."""

    name = "counting"

    def __init__(self, fails=0):
        super().__init__()
        self.asked, self.fails = 0, fails

    async def ask(self, request):
        async with self.meter.call(request) as call:
            self.asked += 1
            asked = self.asked
            await asyncio.sleep(0.01)
            if asked <= self.fails:
                raise ItemError("refused", "no")
            call.answered(5, 2)
            return Reply(f"answer {asked}", self.name, prompt_tokens=5, completion_tokens=2)


def test_nothing_is_asked_twice(ask, tmp_path):
    async def session():
        inner = Counting()
        async with Cached(inner, ReplyCache(tmp_path / "replies.sqlite")) as client:
            first = await client.ask(ask("one"))
            second = await client.ask(ask("one"))
            return first, second, inner.asked, client.meter.calls

    first, second, asked, calls = asyncio.run(session())
    assert second == replace(first, cached=True, calls=0)
    assert (asked, calls) == (1, 1)
    again, _, asked, calls = asyncio.run(session())  # another process, another day
    assert again.text == first.text
    assert (asked, calls) == (0, 0)


def test_equal_requests_at_once_are_asked_once(ask, tmp_path):
    async def main():
        inner = Counting()
        async with Cached(inner, ReplyCache(tmp_path / "replies.sqlite")) as client:
            return await asyncio.gather(*(client.ask(ask("one")) for _ in range(20))), inner.asked

    replies, asked = asyncio.run(main())
    assert asked == 1
    assert {reply.text for reply in replies} == {"answer 1"}


def test_failures_are_not_kept(ask, tmp_path):
    async def main():
        async with Cached(Counting(fails=3), ReplyCache(tmp_path / "replies.sqlite")) as client:
            jobs = [client.ask(ask("one")) for _ in range(5)]
            return await asyncio.gather(*jobs, return_exceptions=True)

    done = asyncio.run(main())
    assert sum(isinstance(error, ItemError) for error in done) == 3
    assert {reply.text for reply in done if isinstance(reply, Reply)} == {"answer 4"}


def test_key_holds_all_that_decides_a_reply(ask, picture):
    one = ask("one")
    others = [
        ask("two"), ask("one", (picture(99),)), ask("one", ()), ask("one", temperature=0.5), ask("one", max_tokens=21),
        ask("one", schema={"type": "object"}), ask("one", prompt="static@2"), ask("one", attempt=1),
    ]  # fmt: skip
    keys = {request.key("m") for request in [one, *others]} | {one.key("other")}
    assert len(keys) == len(others) + 2
    assert ask("one", task="answer", topic=("hair",)).key("m") == one.key("m")


def test_file_that_is_no_cache(tmp_path):
    (tmp_path / "replies.sqlite").write_text("hello " * 100)
    with pytest.raises(DataError, match="is no cache of replies, or damaged"):
        ReplyCache(tmp_path / "replies.sqlite")


def test_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        ReplyCache(tmp_path / "file" / "replies.sqlite")


def test_full_disk_is_named(tmp_path):
    cache = ReplyCache(tmp_path / "replies.sqlite")
    pages = cache._file.execute("PRAGMA page_count").fetchone()[0]
    cache._file.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageError, match="the disk is full: free some space"):
        cache.put("key", "m", Reply("x" * 100_000, "m"))


def test_damaged_reply_is_named(tmp_path):
    cache = ReplyCache(tmp_path / "replies.sqlite")
    cache.put("key", "m", Reply("hello", "m"))
    sqlite3.connect(tmp_path / "replies.sqlite", isolation_level=None).execute("UPDATE replies SET reply = '{'")
    with pytest.raises(DataError, match="is damaged"):
        cache.get("key")


def test_reply_without_words_is_named(tmp_path):
    cache = ReplyCache(tmp_path / "replies.sqlite")
    cache._file.execute("INSERT INTO replies VALUES ('key', 'm', ?)", (json.dumps({"text": None, "model": "m"}),))
    with pytest.raises(DataError, match=r"replies\.sqlite: the reply key is damaged \(text is None"):
        cache.get("key")


def put_many(path, start):
    cache = ReplyCache(path)
    for number in range(start, start + 50):
        cache.put(str(number), "m", Reply(str(number), "m"))


def test_processes_share_a_cache(tmp_path):
    path = tmp_path / "replies.sqlite"
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=put_many, args=(path, start)) for start in (0, 25, 50)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    cache = ReplyCache(path)
    assert len(cache) == 100
    assert cache.get("99").text == "99"


def recorded(tmp_path, requests):
    async def main():
        async with Recorded(Counting(), tmp_path / "session.jsonl") as client:
            return [await client.ask(request) for request in requests]

    return asyncio.run(main())


def replayed(tmp_path, requests, **options):
    async def main():
        async with Replay(str(tmp_path / "session.jsonl"), **options) as client:
            return [await client.ask(request) for request in requests]

    return asyncio.run(main())


def test_session_can_be_played_again(ask, tmp_path):
    requests = [ask("one"), ask("two"), ask("one")]
    said = recorded(tmp_path, requests[:2])
    assert [reply.text for reply in replayed(tmp_path, requests)] == [said[0].text, said[1].text, said[0].text]
    line = json.loads((tmp_path / "session.jsonl").read_text().splitlines()[0])
    assert line["request"]["messages"][0]["pictures"] == [["image/png", requests[0].pictures[0].sha256]]


def test_request_that_was_not_recorded_stops_the_run(ask, tmp_path):
    recorded(tmp_path, [ask("one")])
    with pytest.raises(StopRun, match=r"holds no reply of counting.*Prompts, pictures, max_tokens"):
        replayed(tmp_path, [ask("two", prompt="static@1")])


def test_torn_last_line_is_taken_off(ask, tmp_path):
    recorded(tmp_path, [ask("one"), ask("two")])
    path = tmp_path / "session.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    assert len(list(read_recording(path))) == 1
    recorded(tmp_path, [ask("three")])
    assert len(list(read_recording(path))) == 2


def test_recordings_that_cannot_be_played(ask, tmp_path):
    path = tmp_path / "session.jsonl"
    with pytest.raises(DataError, match="cannot be read"):
        Replay(str(path))
    path.write_text("")
    with pytest.raises(DataError, match="holds no replies"):
        Replay(str(path))
    path.write_text('{"key": 1}\n')
    with pytest.raises(DataError, match=r"session.jsonl:1: is no line of a recording"):
        Replay(str(path))
    path.unlink()
    recorded(tmp_path, [ask("one")])
    with pytest.raises(DataError, match="holds no replies of 'other', but of counting"):
        Replay(str(path), model="other")


def test_client_opens_with_cache_and_recording(ask, tmp_path):
    recorded(tmp_path, [ask("one")])

    async def main():
        config = {"type": "Replay", "path": str(tmp_path / "session.jsonl")}
        async with open_client(config, cache=tmp_path / "c.sqlite", recording=tmp_path / "copy.jsonl") as client:
            await client.ask(ask("one"))
            return client.name, client.describe()

    name, about = asyncio.run(main())
    assert (name, about["client"]) == ("counting", "Replay")
    copies, originals = ((tmp_path / f).read_text() for f in ("copy.jsonl", "session.jsonl"))
    assert json.loads(copies)["key"] == json.loads(originals)["key"]
    with pytest.raises(RegistryError, match=r"mllm.modle: .*Did you mean 'model'"):
        open_client({"type": "OpenAICompatible", "modle": "m"})
