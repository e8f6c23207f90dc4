import json
from pathlib import Path

import pytest
from cases import within_limits

from tbpsbench.errors import DataError
from tbpsbench.reading import (
    MAX_TEXT,
    given_path,
    parse_json,
    read_bytes,
    read_json,
    read_jsonl,
    read_lines,
    read_text,
    shown,
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1', "a.json:1: not valid JSON"),
        (b'{"a": 1,\n"b": }', "a.json:2: not valid JSON"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b'{"a":\n "\xff"}', "a.json:2: not a text file in UTF-8"),
        (b'{"a": "b\0"}', "NUL"),
        (b'{"a": ["b\\u0000"]}', r"a\.json: a\.0: holds a NUL character at character 1"),
        (b'{"a": {"b": "x\\ud800"}}', r"a\.json: a\.b: holds the lone surrogate U\+D800 at character 1"),
        (b'{"\\udfff": 1}', r"a key of its object: holds the lone surrogate U\+DFFF"),
        (b'{"a": 9223372036854775808}', "9223372036854775808 does not fit into 64 bits"),
        (b'{"a": ' + b"9" * 5000 + b"}", r"\(5000 characters\) does not fit into 64 bits"),
        (b'{"a": NaN}', "NaN is not a number of JSON"),
        (b'{"a": -Infinity}', "-Infinity is not a number of JSON"),
        (b'{"a": 1e999}', "1e999 is too large"),
        (b'{"a": 1, "b": 2, "a": 3}', "the key 'a' is set twice"),
        (b"[" * 100_000, "nested deeper than 100"),
        (b"[" * 101 + b"]" * 101, "nested deeper than 100"),
        (b'{"a":' * 200 + b"1" + b"}" * 200, "nested deeper than 100"),
    ],
    ids=lambda value: None if isinstance(value, str) else repr(value[:20]),
)
def test_json_that_would_break_its_readers_is_refused_by_name(tmp_path, content, message):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_json(tmp_path / "a.json")


@pytest.mark.parametrize("value", ["[" * 99 + "1" + "]" * 99, "[]" * 0 + "[" + "[]," * 200 + "[]]", '"\\ud83d\\ude00"'])
def test_deep_wide_and_escaped_json_that_is_sound_is_read(value):
    assert parse_json(value.encode(), "a.json") == json.loads(value)


def test_numbers_at_the_limits_are_read():
    assert parse_json(b"[9223372036854775807, -9223372036854775808, 1e308]", "a") == [2**63 - 1, -(2**63), 1e308]


def test_a_line_of_jsonl_is_named(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'{"a": 1}\n\n{"a": 2\n')
    with pytest.raises(DataError, match=r"a\.jsonl:3: not valid JSON"):
        list(read_jsonl(tmp_path / "a.jsonl"))


def test_empty_lines_are_skipped_and_numbers_kept(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n\n{"a": "\u2028"}\n')
    assert list(read_jsonl(tmp_path / "a.jsonl")) == [(1, {"a": 1}), (3, {"a": "\u2028"})]


def test_only_line_feeds_end_lines(tmp_path):
    (tmp_path / "a.txt").write_bytes("\ufeffa\u2028b\r\nc\x0bd\n\n".encode())
    assert read_lines(tmp_path / "a.txt") == ["a\u2028b", "c\x0bd", ""]
    assert read_text(tmp_path / "a.txt").startswith("a")


def test_missing_and_endless_files_are_named(tmp_path):
    with pytest.raises(DataError, match=r"gone\.json: no such file"):
        read_json(tmp_path / "gone.json")
    with pytest.raises(DataError, match="no such file"):
        list(read_jsonl(tmp_path / "gone.jsonl"))
    with pytest.raises(DataError, match="not the name of a file"):
        read_bytes("a\0b")
    with (tmp_path / "huge.json").open("wb") as stream:
        stream.truncate(MAX_TEXT + 1)  # sparse: takes no room
    with pytest.raises(DataError, match=f"more than the {MAX_TEXT}"):
        read_json(tmp_path / "huge.json")


def test_odd_paths_can_be_printed():
    assert shown("a\udcff\n\x1b[31m") == "a\\xff\\n\\x1b[31m"


def test_a_path_that_a_user_gives_may_begin_with_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    assert given_path("~/data") == Path("/home/somebody/data")
    assert given_path("data/~") == Path("data/~")
    assert given_path("x" * 255) == Path("x" * 255)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("~nobody-is-called-so/x", "no such home folder"),
        ("a\0b", r"a\\x00b: not the name of a file in UTF-8"),
        ("a\udcffb", r"a\\xffb: not the name"),
        ("a\ud800b", r"a\\ud800b: not the name"),
        ("é" * 200, "longer than the name of a file can be"),
        ("x/" * 3000, "longer than the name of a file can be"),
    ],
)
def test_a_path_that_no_file_can_have_is_refused(path, message):
    with pytest.raises(DataError, match=message) as error:
        given_path(path)
    str(error.value).encode()


@pytest.mark.parametrize("reader", [read_bytes, read_text, read_lines, read_json, lambda path: list(read_jsonl(path))])
@pytest.mark.parametrize("path", ["a\ud800", "a\0", "x" * 300])
def test_every_reader_refuses_such_a_path(reader, path):
    with pytest.raises(DataError):
        reader(path)


def test_a_key_that_is_set_twice_among_many_is_found_in_little_time():
    text = "{" + ",".join(f'"{number}": 1' for number in range(200_000)) + ', "199999": 1}'
    with within_limits(), pytest.raises(DataError, match="the key '199999' is set twice"):
        parse_json(text.encode(), "many.json")


def test_a_device_without_end_is_refused():
    with within_limits(), pytest.raises(DataError, match="/dev/zero: has more than the 1000 bytes"):
        read_bytes("/dev/zero", limit=1000)
