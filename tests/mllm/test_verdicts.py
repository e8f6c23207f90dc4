"""What answers mean, without a server."""

import json

import pytest

from tbpsbench.mllm.errors import ItemError, StopRun
from tbpsbench.mllm.verdicts import Again, failure, read_reply, retry_after


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after-ms": "300", "retry-after": "7"}, 0.3),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7.0),
        ({"retry-after": "tomorrow"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "Fri, 01 Jan 2027 00:00:00 +99999999999999999999"}, None),
        ({"retry-after": "Fri, 01 Jan 99999999999999999999 00:00:00 GMT"}, None),
        ({"retry-after": "Mon, 01 Jan 0001 00:00:00 +2359"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
    ],
)
def test_retry_after(headers, seconds):
    assert retry_after(headers) == seconds


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (429, "rate_limit_exceeded", Again), (429, "insufficient_quota", StopRun), (429, None, Again),
        (408, None, Again), (409, None, Again), (500, None, Again), (503, None, Again), (599, None, Again),
        (400, None, ItemError), (418, None, ItemError), (422, None, ItemError),
        (401, None, StopRun), (402, None, StopRun), (403, None, StopRun), (404, None, StopRun),
    ],
)  # fmt: skip
def test_error_status(status, code, kind):
    found = failure(status, {}, json.dumps({"error": {"message": "no", "code": code}}))
    assert isinstance(found, kind)


@pytest.mark.parametrize("body", ["", "no", "[]", '{"error": "a text"}', '{"detail": [{"msg": "no"}]}', "{" * 5000])
def test_any_body_of_an_error_can_be_read(body):
    assert isinstance(failure(500, {}, body), Again)
    assert len(str(failure(500, {}, body))) < 400


def whole(**message):
    return json.dumps({"choices": [{"message": message, "finish_reason": None}]})


def test_reply_without_counts_and_reason():
    said = read_reply(whole(content="hello"))
    assert (said.text, said.model, said.finish_reason) == ("hello", "", "stop")
    assert (said.prompt_tokens, said.completion_tokens) == (0, 0)


@pytest.mark.parametrize("count", [10**320, -1, True, "80", 1.5, None])
def test_counts_that_are_none_are_unknown(count):
    body = json.loads(whole(content="hello")) | {"usage": {"prompt_tokens": count, "completion_tokens": 3}}
    said = read_reply(json.dumps(body))
    assert (said.prompt_tokens, said.completion_tokens) == (0, 3)


@pytest.mark.parametrize("code", ["\u00b2", "\u0664\u0662\u0669", "4" * 5000, 7, None, [429]])
def test_codes_in_a_200_that_are_none_are_tried_again(code):
    with pytest.raises(Again) as caught:
        read_reply(json.dumps({"error": {"code": code}}))
    assert caught.value.reason == "server-error"


@pytest.mark.parametrize("code", [429, "429"])
def test_code_in_a_200_is_the_status(code):
    with pytest.raises(Again) as caught:
        read_reply(json.dumps({"error": {"code": code}}))
    assert caught.value.refused


def test_reply_in_parts():
    parts = [{"type": "text", "text": "a red "}, {"type": "image"}, "x", {"type": "text", "text": "coat"}]
    assert read_reply(whole(content=parts)).text == "a red coat"


@pytest.mark.parametrize("key", ["reasoning", "reasoning_content"])
def test_thoughts_are_told_apart(key):
    said = read_reply(whole(content="yes", **{key: "Hm."}))
    assert (said.text, said.thought) == ("yes", "Hm.")


def test_equal_failures_are_told_from_others():
    with pytest.raises(Again) as one:
        read_reply("<html>1</html>", "text/html")
    with pytest.raises(Again) as other:
        read_reply("<html>2</html>", "text/html")
    assert one.value.same != other.value.same
    assert "no JSON object but text/html" in str(one.value)
