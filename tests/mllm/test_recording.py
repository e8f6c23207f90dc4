"""Files that a recording is to be written to, and what may be cut off them."""

import asyncio
import json

import pytest

from tbpsbench.errors import DataError
from tbpsbench.mllm.base import MLLMClient
from tbpsbench.mllm.cache import ReplyCache
from tbpsbench.mllm.errors import ItemError
from tbpsbench.mllm.messages import Reply
from tbpsbench.mllm.recording import Recorded, read_recording
from tbpsbench.mllm.replay import Replay


class Saying(MLLMClient):
    """Says the same to all."""

    name = "saying"

    async def ask(self, request):
        return Reply("A coat.", self.name, prompt_tokens=5, completion_tokens=2)


def record(path, *requests):
    async def main():
        async with Recorded(Saying(), path) as client:
            for request in requests:
                await client.ask(request)

    asyncio.run(main())


@pytest.fixture
def recording(ask, tmp_path):
    """A recording of two replies."""
    record(tmp_path / "session.jsonl", ask("one"), ask("two"))
    return tmp_path / "session.jsonl"


@pytest.mark.parametrize(
    "content",
    [
        b'{"my": "only copy of something"}', b"no line feed", b'{"key": "of a door"}', b"abc\n" * 10 + b"\0" * 5000,
        b'{"my": "notes"}\n', b'{"my": "notes"}\n{"key": "', b"[" * 100_000 + b"\n", b"\xff\xfe\n",
    ],
)  # fmt: skip
def test_file_that_is_no_recording_stays_as_it_is(tmp_path, content):
    path = tmp_path / "notes.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"notes\.json.* is no .*recording.*Name another file"):
        Recorded(Saying(), path)
    assert path.read_bytes() == content


def test_cache_of_replies_stays_as_it_is(ask, tmp_path):
    cache = ReplyCache(tmp_path / "replies.sqlite")
    cache.put("key", "m", Reply("hello", "m"))
    cache.close()
    whole = (tmp_path / "replies.sqlite").read_bytes()
    with pytest.raises(DataError, match="recording"):
        record(tmp_path / "replies.sqlite", ask())
    assert (tmp_path / "replies.sqlite").read_bytes() == whole
    assert ReplyCache(tmp_path / "replies.sqlite").get("key").text == "hello"


@pytest.mark.parametrize("damage", [b"{}\n", b"\n", b"no JSON\n"])
def test_recording_that_is_damaged_in_the_middle_keeps_its_torn_line(recording, damage):
    content = recording.read_bytes() + damage + b'{"key": "torn'
    recording.write_bytes(content)
    with pytest.raises(DataError, match=r"session\.jsonl:3: is no line of a recording"):
        Recorded(Saying(), recording)
    assert recording.read_bytes() == content


def test_first_line_may_be_torn_anywhere(ask, recording):
    line = recording.read_bytes().split(b"\n")[0]
    for kept in (0, 1, 5, 9, 30, 73, 74, 80, len(line) - 1, len(line)):
        recording.write_bytes(line[:kept])
        record(recording, ask("three"))
        (found,) = read_recording(recording)
        assert found["key"] == ask("three").key("saying"), kept


def test_torn_line_after_whole_ones_is_taken_off_whatever_it_is(ask, recording):
    whole = recording.read_bytes()
    recording.write_bytes(whole + b"\0" * 100)  # as a file system may leave it when the power fails
    record(recording, ask("one"))
    assert recording.read_bytes() == whole


@pytest.mark.parametrize(
    ("key", "value"), [("text", None), ("prompt_tokens", "x"), ("model", 3), ("finish_reason", None)]
)
def test_reply_that_is_none_is_named(recording, key, value):
    first, second = map(json.loads, recording.read_text().splitlines())
    second["reply"][key] = value
    recording.write_text(f"{json.dumps(first)}\n{json.dumps(second)}\n")
    with pytest.raises(DataError, match=rf"session\.jsonl:2: is no line of a recording \({key} is"):
        Replay(str(recording))


class Failing(Saying):
    """Fails at what is called "two", once."""

    failed = 0

    async def ask(self, request):
        if "two" in request.messages[-1].text and not self.failed:
            self.failed += 1
            raise ItemError("bad-image", "no picture")
        return await super().ask(request)


def test_what_failed_fails_again_where_it_is_played(ask, tmp_path):
    path, requests = tmp_path / "session.jsonl", [ask("one"), ask("two")]

    async def main(again):
        async with Recorded(Failing(), path) as client:
            await client.ask(requests[0])
            with pytest.raises(ItemError, match="no picture"):
                await client.ask(requests[1])
            if again:
                await client.ask(requests[1])

    asyncio.run(main(again=False))
    asyncio.run(main(again=False))
    assert len(path.read_text().splitlines()) == 2

    async def played():
        async with Replay(str(path)) as client:
            assert (await client.ask(requests[0])).text == "A coat."
            return await client.ask(requests[1])

    with pytest.raises(ItemError, match="bad-image: no picture"):
        asyncio.run(played())
    asyncio.run(main(again=True))
    assert asyncio.run(played()).text == "A coat."
