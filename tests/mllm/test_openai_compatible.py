"""How requests are worded, to which server they go, and what a server was found to do."""

import asyncio
import base64

import pytest
from chat_faults import Act, error, reply
from chat_server import ChatServer, Model, digest
from PIL import Image

pytest.importorskip("openai")

from tbpsbench.errors import ConfigError
from tbpsbench.mllm.errors import ItemError, StopRun
from tbpsbench.mllm.messages import Message, Picture, Request
from tbpsbench.mllm.meter import Budget, Meter
from tbpsbench.mllm.openai_compatible import OpenAICompatible
from tbpsbench.mllm.pictures import MIN_PIXELS
from tbpsbench.mllm.probing import WORD

pytestmark = pytest.mark.usefixtures("impatient")
SCHEMA = {"type": "object", "properties": {"hat": {"enum": ["cap", "none"]}}}


def served(use, script=None, model=None, count=1, **options):
    """`use(client, *servers)` with a client of so many servers; gives its result and the servers."""

    async def main():
        servers = [ChatServer(script, model() if model else None) for _ in range(count)]
        for server in servers:
            server.__enter__()
        try:
            async with OpenAICompatible("m", [server.url for server in servers], **options) as client:
                return await use(client, *servers), servers
        finally:
            for server in servers:
                server.__exit__()

    return asyncio.run(main())


def test_pictures_come_first_as_data_urls_in_the_object_form(ask, picture):
    shown = (picture(10), picture(20, kind="JPEG"))
    _, (server,) = served(lambda client, _: client.ask(ask("What?", shown)))
    content = server.seen[0].body["messages"][0]["content"]
    assert [part["type"] for part in content] == ["image_url", "image_url", "text"]
    urls = [part["image_url"]["url"] for part in content[:2]]
    assert urls == [f"data:{p.mime};base64,{base64.b64encode(p.data).decode()}" for p in shown]
    assert server.seen[0].body.keys() == {"model", "messages", "max_tokens", "temperature"}


def test_keys_of_every_request_are_part_of_the_name():
    names = [OpenAICompatible("m", extra=extra).name for extra in (None, {}, {"top_p": 0.9}, {"top_p": 0.8})]
    assert names[:2] == ["m", "m"]
    assert len({*names}) == 3


def test_conversation_keeps_its_order(picture):
    talk = (
        Message("system", "Be brief."),
        Message("user", "What?", (picture(),)),
        Message("assistant", "A coat."),
        Message("user", "Which colour?"),
    )
    _, (server,) = served(lambda client, _: client.ask(Request(talk, 7, 0.01)))
    messages = server.seen[0].body["messages"]
    assert [m["role"] for m in messages] == ["system", "user", "assistant", "user"]
    assert messages[3]["content"] == "Which colour?"


@pytest.mark.parametrize("size", [(64, 128), (10, 40), (60, 160)])
def test_small_pictures_are_enlarged(ask, picture, tmp_path, size):
    _, (server,) = served(lambda client, _: client.ask(ask(shown=(picture(size=size),))))
    (tmp_path / "sent.png").write_bytes(server.seen[0].pictures[0])
    width, height = Image.open(tmp_path / "sent.png").size
    assert width * height >= MIN_PIXELS
    assert width / height == pytest.approx(size[0] / size[1], rel=0.02)


def test_damaged_picture_fails_alone_and_is_not_sent(ask):
    with pytest.raises(ItemError, match="bad-image"):
        served(lambda client, _: client.ask(ask(shown=(Picture(b"\x89PNG nothing"),))), lambda seen: 1 / 0)


def test_cut_reply_is_asked_for_once_more_with_room(ask):
    replies = iter([reply("A man in", finish="length"), reply("A man in a red coat.", finish="length")])
    answer, (server,) = served(lambda client, _: client.ask(ask()), lambda seen: next(replies))
    assert (answer.text, answer.finish_reason, answer.calls) == ("A man in a red coat.", "length", 2)
    assert [seen.body["max_tokens"] for seen in server.seen] == [20, 40]


def probed(model, **options):
    return served(lambda client, _: client.probe(), model=model, **options)


def test_simple_server_is_found_to_do_little():
    found, _ = probed(Model)
    assert (found.images, found.schema, found.image_uuid, found.thinking) == (True, False, False, "none")


def test_able_server_is_found_out():
    found, _ = probed(lambda: Model(keeps=True, obeys=True, thinks=True))
    assert (found.schema, found.image_uuid, found.thinking) == (True, True, "off")


def test_strict_server_gets_no_key_that_it_does_not_know(ask):
    async def use(client, server):
        found = await client.probe()
        tried = len(server.seen)
        await client.ask(ask(schema=SCHEMA))
        return found, server.seen[tried:]

    (found, seen), _ = served(use, model=lambda: Model(strict=True, thinks=True))
    assert (found.image_uuid, found.thinking) == (False, "on")
    assert "cannot be told not to think" in found.notes[0]
    assert seen[0].body.keys() == {"model", "messages", "max_tokens", "temperature"}
    assert "uuid" not in seen[0].parts[0]


def test_thoughts_that_cannot_be_stopped_are_cut_off(ask):
    async def use(client, server):
        await client.probe()
        return await client.ask(ask())

    answer, _ = served(use, lambda seen: reply("<think>A coat?</think>\nA red coat."))
    assert answer.text == "A red coat."


def test_server_without_eyes_is_found_out():
    def script(seen):
        return error(400, message="not a multimodal model") if seen.pictures else None

    found, _ = served(lambda client, _: client.probe(), script)
    assert not found.images
    assert "not a multimodal model" in found.notes[0]


def test_server_that_keeps_nothing_but_answers_is_found_out():
    """Some gateways drop what they do not know: the prompt is shorter then."""
    found, _ = served(
        lambda client, _: client.probe(), lambda seen: reply("A coat", prompt_tokens=10 + 70 * bool(any(seen.pictures)))
    )
    assert not found.image_uuid


def test_server_that_counts_no_pictures_is_not_believed_to_keep_them():
    found, _ = served(lambda client, _: client.probe(), lambda seen: reply("A coat", prompt_tokens=10))
    assert not found.image_uuid


def test_server_is_tried_with_the_keys_of_every_request_and_its_own_temperature():
    """The newest models of OpenAI take no temperature but their own, and some servers ask for a key of theirs."""

    def script(seen):
        picky = seen.body.get("temperature", 1) != 1 or seen.body.get("top_p") != 0.9
        return error(400, message="no") if picky else reply("A coat")

    found, (server,) = served(lambda client, _: client.probe(), script, extra={"top_p": 0.9})
    assert found.images
    assert server.seen


def test_server_that_answers_nobody_stops_the_run():
    with pytest.raises(StopRun, match=r"does not answer the simplest question.*Try it with curl"):
        served(lambda client, _: client.probe(), lambda seen: error(400))


def test_schema_is_sent_where_it_is_obeyed(ask):
    async def use(client, server):
        await client.probe()
        return await client.ask(ask(schema=SCHEMA))

    answer, (server,) = served(use, model=lambda: Model(obeys=True))
    assert answer.text == '{"hat": "cap"}'
    assert server.seen[-1].body["response_format"]["json_schema"]["schema"] == SCHEMA
    assert any(WORD in str(seen.body.get("response_format")) for seen in server.seen)


def test_picture_is_sent_once_and_named_after_that(ask, picture):
    async def use(client, server):
        await client.probe()
        tried = len(server.seen)
        for text in ("hair?", "shoes?", "bag?"):
            await client.ask(ask(text))
        server.model.kept.clear()  # the server has thrown it away
        await client.ask(ask("hat?"))
        return server.seen[tried:]

    seen, _ = served(use, model=lambda: Model(keeps=True))
    data = picture().data
    assert [s.pictures[0] for s in seen] == [data, None, None, None, data]
    assert {s.parts[0]["uuid"] for s in seen} == {digest(data)}
    assert seen[1].size < seen[0].size


def test_requests_about_one_picture_go_to_one_server(ask, picture):
    async def use(client, *servers):
        await client.probe()
        tried = [len(server.seen) for server in servers]
        await asyncio.gather(*(client.ask(ask(f"{n}", (picture(n % 30),))) for n in range(60)))
        return [server.seen[count:] for server, count in zip(servers, tried, strict=True)]

    seen, _ = served(use, model=lambda: Model(keeps=True), count=3)
    about = [{s.parts[0]["uuid"] for s in server} for server in seen]
    assert sum(map(len, about)) == len(set.union(*about)) == 30
    assert all(about)


def test_requests_are_spread_by_load_where_no_server_keeps_pictures(ask):
    async def use(client, *servers):
        await asyncio.gather(*(client.ask(ask(f"{n}")) for n in range(60)))

    _, servers = served(use, model=lambda: Model(latency=0.02), count=2)
    assert all(20 <= len(server.seen) <= 40 for server in servers)


def test_server_that_dies_leaves_its_work_to_the_others(ask):
    async def use(client, *servers):
        servers[0].script = lambda seen: Act(how="reset")
        return await asyncio.gather(*(client.ask(ask(f"{n}")) for n in range(60)))

    replies, servers = served(use, count=2, give_up_after=4, patience=0.0)
    assert {answer.server for answer in replies} == {servers[1].url}
    assert len(servers[0].seen) < 20


def test_budget_of_calls_is_kept_though_many_ask_at_once(ask):
    async def use(client, server):
        client.meter = Meter(Budget(calls=25))
        done = await asyncio.gather(*(client.ask(ask(f"{n}")) for n in range(80)), return_exceptions=True)
        return [error for error in done if isinstance(error, StopRun)]

    stopped, (server,) = served(use, model=lambda: Model(latency=0.01))
    assert len(server.seen) == 25
    assert len(stopped) == 55
    assert "budget of 25 calls is used up" in str(stopped[0])
    assert "Raise budget.calls and start again" in str(stopped[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"base_urls": []}, "base_urls is"),
        ({"base_urls": ["127.0.0.1:8000"]}, "expected URLs such as"),
        ({"base_urls": ["http://a", "http://a"]}, "names a server twice"),
        ({"max_in_flight": 0}, "max_in_flight is 0, expected 1 or more"),
        ({"give_up_after": -1}, "give_up_after is -1, expected 1 or more"),
        ({"deadline": 0}, "deadline is 0, expected more than 0"),
        ({"deadline": float("nan")}, "deadline is nan"),
        ({"longer": float("nan")}, "longer is nan, expected 1 or more"),
        ({"max_wait": -1}, "max_wait is -1"),
        ({"min_pixels": -1}, "min_pixels is -1, expected 0 or more"),
        ({"requests_per_minute": 0}, "requests_per_minute is 0, expected 1 or more"),
        ({"price": {"input": 1}}, r"price is \{'input': 1\}, expected dict"),
        ({"extra": {"a": {1}}}, r"extra\.a is \{1\}, which JSON cannot hold"),
    ],
)
def test_unsound_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        OpenAICompatible("m", **options)


@pytest.mark.parametrize("url", ["http://user:secret@127.0.0.1:9/v1", "http://127.0.0.1:99999/v1"])
def test_address_that_cannot_be_used_is_the_configs_fault(url):
    with pytest.raises(ConfigError, match="base_urls has") as caught:
        OpenAICompatible("m", [url])
    assert "secret" not in str(caught.value)


def test_api_key_that_cannot_be_sent_is_the_configs_fault(monkeypatch):
    monkeypatch.setenv("MY_KEY", "sk-\u043a")
    with pytest.raises(ConfigError, match="MY_KEY"):
        OpenAICompatible("m", api_key_env="MY_KEY")


def test_api_key_comes_from_the_environment(ask, monkeypatch):
    monkeypatch.setenv("MY_KEY", "sk-1\n")  # as a shell reads it from a file
    _, (server,) = served(lambda client, _: client.ask(ask()), api_key_env="MY_KEY")
    assert server.seen[0].headers["authorization"] == "Bearer sk-1"
