import json

import pytest

from tbpsbench.annotations import counts, read_annotations, write_annotations
from tbpsbench.errors import DataError
from tbpsbench.types import Caption, ImageRecord


def make(count=3, **changes):
    records = []
    for i in range(count):
        values = {"image_id": i, "file": f"{i}.png", "pid": i // 2, "split": "train", "camera": i, "outfit": "A"}
        values |= {"attributes": {"sex": "woman"}, **changes} if i == count - 1 else {}
        text = values.pop("text", f"a person number {i}")
        caption = Caption(text, "query", i, "human", values["split"], values.pop("caption_id", i), style="terse")
        records.append(ImageRecord(captions=(caption,), **values))
    return records


def test_what_is_written_is_read_back(tmp_path):
    records = make()
    path = write_annotations(tmp_path / "human.jsonl", "Toy", "human", records, images="imgs", made_from={"seed": 1})
    found = read_annotations(path)
    assert found.records == tuple(records)
    assert found.image_root == tmp_path / "imgs"
    assert found.header["made_from"] == {"seed": 1}
    assert found.header["counts"] == counts(records) == {"train": {"ids": 2, "images": 3, "captions": 3}}
    assert len(found.sha256) == 64


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text": " "}, "caption 2 is empty"),
        ({"text": "\u200b"}, "caption 2 is empty"),
        ({"text": "\ufeff\u00a0\x01\u2028"}, "caption 2 is empty"),
        ({"text": "word " * 10_000}, "caption 2 has 10000 words, more than 1000"),
        ({"pid": 0, "split": "test"}, r"identity 0 is in several splits: train \(image_id 0\), test \(image_id 2\)"),
        ({"split": "dev"}, "split 'dev' is not one of train, val, test"),
        ({"split": "train-extra"}, "split 'train-extra' is not one of train, val, test, val-"),
        ({"image_id": 7}, "image_id must be 2, its position"),
        ({"caption_id": 9}, "caption_id 9 must be 2, its position"),
        ({"file": "../secret.png"}, "must lie below the image folder"),
        ({"file": "/etc/passwd"}, "must lie below the image folder"),
    ],
)
def test_records_that_are_not_sound_are_refused_and_nothing_is_written(tmp_path, changes, message):
    with pytest.raises(DataError, match=message):
        write_annotations(tmp_path / "human.jsonl", "Toy", "human", make(**changes))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["\U0001f469\u200d\U0001f9b0 red", "\u200ba man", "\U0001f1e9\U0001f1ea", "?"])
def test_what_can_be_seen_is_a_caption(tmp_path, text):
    path = write_annotations(tmp_path / "human.jsonl", "Toy", "human", make(text=text))
    assert read_annotations(path).records[2].captions[0].text == text


def test_clothes_splits_may_share_identities_with_their_own_split(tmp_path):
    records = make(2, split="test-clothes", pid=0)
    records[0] = ImageRecord(0, "0.png", 0, "test", records[0].captions)
    assert read_annotations(write_annotations(tmp_path / "a.jsonl", "Toy", "human", records)).splits() == [
        "test",
        "test-clothes",
    ]


def lines(tmp_path):
    path = write_annotations(tmp_path / "human.jsonl", "Toy", "human", make())
    return path, path.read_text().splitlines()


def test_truncated_file_is_named_with_its_line(tmp_path):
    path, text = lines(tmp_path)
    path.write_text("\n".join(text)[:-20])
    with pytest.raises(DataError, match=r"human\.jsonl:4: not valid JSON \(.*\)\. Is the file complete\?"):
        read_annotations(path)


def test_missing_lines_are_noticed_by_the_counts(tmp_path):
    path, text = lines(tmp_path)
    path.write_text("\n".join(text[:-1]))
    with pytest.raises(DataError, match="is it complete"):
        read_annotations(path)


def test_missing_and_wrong_keys_are_all_listed(tmp_path):
    path, text = lines(tmp_path)
    first, second = json.loads(text[1]), json.loads(text[2])
    del first["pid"]
    second["split"] = 3
    path.write_text("\n".join([text[0], json.dumps(first), json.dumps(second), text[3]]))
    with pytest.raises(DataError) as error:
        read_annotations(path)
    assert "2 problems" in str(error.value)
    assert "line 2: has no 'pid'" in str(error.value)
    assert "line 3: 'split' is 3, expected str" in str(error.value)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("{}", "not an annotation file"),
        ('{"tbpsbench_annotations": 99}', "annotation format 99, this program reads 1"),
        ('{"tbpsbench_annotations": 1, "dataset": "X"}', "the header lacks source, images"),
        ("", "not an annotation file"),
    ],
)
def test_other_files_are_not_taken_for_annotations(tmp_path, header, message):
    (tmp_path / "x.jsonl").write_text(header)
    with pytest.raises(DataError, match=message):
        read_annotations(tmp_path / "x.jsonl")


def test_long_lists_of_problems_are_cut(tmp_path):
    records = [ImageRecord(0, f"{i}.png", i, "train", ()) for i in range(30)]
    with pytest.raises(DataError, match=r"29 problems[\s\S]*and 9 more"):
        write_annotations(tmp_path / "a.jsonl", "Toy", "human", records)


NAMES = {
    "a list": ["a"],
    "a number": 3,
    "nothing": "",
    "300 characters": "x" * 300,
    "a line break": "a\nb",
    "half": "\ud800",
}
PLAIN_ONLY = ("[/bold]", [1, 2], 3, True, {"a": "\ud800"}, {"a": float("nan")}, {"a": 2**64}, {"a": {1, 2}}, {"\0": 1})
ODD_HEADERS = [
    *({key: name} for key in ("dataset", "source") for name in NAMES.values()),
    *({key: odd} for key in ("made_from", "notes") for odd in PLAIN_ONLY),
    {"images": "/etc"}, {"images": "../x"}, {"images": "a\0"}, {"images": 3},
    {"made_from": {"domain": ["a"]}}, {"made_from": {"size": "x" * 300}},
]  # fmt: skip
ODD_RECORDS = [
    {"attributes": "{"}, {"attributes": [1]}, {"attributes": {"a": float("inf")}}, {"attributes": {"a": {1, 2}}},
    {"camera": "a"}, {"camera": ["a"]}, {"camera": True}, {"camera": 2**63}, {"outfit": 3}, {"outfit": "\ud800"},
    {"pid": 2**64}, {"pid": "1"}, {"pid": None}, {"file": ""}, {"file": "a\0"}, {"file": 3}, {"text": "a \ud800"},
    {"text": 3}, {"split": "test-" + "x" * 300}, {"split": "test-\n"},
]  # fmt: skip


def nested(depth):
    value = 1
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize("odd", [*ODD_HEADERS, {"notes": nested(200)}, {"notes": nested(5000)}])
def test_an_odd_header_is_neither_written_nor_read(tmp_path, odd):
    header = {"dataset": "Toy", "source": "human", "images": "imgs", "made_from": None, "notes": None} | odd
    names = header.pop("dataset"), header.pop("source")
    with pytest.raises(DataError):
        write_annotations(tmp_path / "a.jsonl", *names, make(), **header)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("odd", ODD_RECORDS, ids=lambda odd: ascii(odd)[:60])
def test_an_odd_record_is_neither_written_nor_read(tmp_path, odd):
    with pytest.raises(DataError) as error:
        write_annotations(tmp_path / "a.jsonl", "Toy", "human", make(**odd))
    str(error.value).encode()
    assert list(tmp_path.iterdir()) == []
    path, text = lines(tmp_path)
    changed = json.loads(text[3]) | {key: value for key, value in odd.items() if key != "text"}
    changed["captions"][0]["text"] = odd.get("text", "a person")
    path.write_text("\n".join([*text[:3], json.dumps(changed, default=str)]))
    if odd != {"attributes": {"a": {1, 2}}}:  # which no file holds
        with pytest.raises(DataError):
            read_annotations(path)


IN_A_FILE = ({"notes": "x"}, {"made_from": [1]}, {"dataset": "a\a"}, {"images": ".."}, {"tbpsbench_annotations": True})


@pytest.mark.parametrize("odd", IN_A_FILE)
def test_an_odd_header_in_a_file_is_refused(tmp_path, odd):
    path, text = lines(tmp_path)
    path.write_text("\n".join([json.dumps(json.loads(text[0]) | odd), *text[1:]]))
    with pytest.raises(DataError):
        read_annotations(path)
