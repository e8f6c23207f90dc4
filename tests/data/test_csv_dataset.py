"""A CSV file of one's own as a data set: what becomes of its rows, what is refused, when it is read again."""

import json
import shutil

import pytest
from cases import refusal
from PIL import Image

from tbpsbench.annotations import read_annotations
from tbpsbench.data.csv_dataset import CSVDataset
from tbpsbench.data.texts import records_of
from tbpsbench.errors import DataError

HEADER = "file,pid,split,caption,camera"
ROWS = [
    "a/1.jpg,7,train,a man in red,2",
    "b.jpg,9,test,a woman in a blue coat,",
    "./a/1.jpg,7,train,\"a tall man, walking\",2",
    "c.jpg,9,test,,3",
]  # fmt: skip


def write(root, lines=(HEADER, *ROWS), name="photos.csv", **options):
    root.mkdir(parents=True, exist_ok=True)
    (root / name).write_text("\n".join(lines) + "\n", **{"encoding": "utf-8", **options})
    return root


def message(root, **arguments):
    error = refusal(CSVDataset(str(root), "photos.csv", **arguments).load)
    assert isinstance(error, DataError)
    return str(error)


def test_rows_of_one_image_are_one_image_with_all_its_captions(tmp_path):
    found = CSVDataset(str(write(tmp_path)), "photos.csv").load()
    assert found.dataset == "photos (CSV)"
    assert found.image_root == tmp_path / "images"
    assert [(r.file, r.pid, r.split, r.camera) for r in found.records] == [
        ("a/1.jpg", 7, "train", 2), ("b.jpg", 9, "test", None), ("c.jpg", 9, "test", 3),
    ]  # fmt: skip
    texts = [[(c.caption_id, c.text) for c in record.captions] for record in found.records]
    assert texts == [[(0, "a man in red"), (1, "a tall man, walking")], [(2, "a woman in a blue coat")], []]
    assert found.header["made_from"]["file"] == "photos.csv"


def test_other_columns_and_delimiters_and_a_spreadsheets_byte_order_mark(tmp_path):
    lines = ["person;note;path;set;text", "7;x;1.jpg;train;in red, walking", "8;;2.jpg;test;a man"]
    root = write(tmp_path, lines, encoding="utf-8-sig", newline="\r\n")
    columns = {"file": "path", "pid": "person", "split": "set", "caption": "text"}
    found = CSVDataset(str(root), "photos.csv", images=".", columns=columns, delimiter=";").load()
    assert [(r.file, r.pid, r.captions[0].text) for r in found.records] == [
        ("1.jpg", 7, "in red, walking"), ("2.jpg", 8, "a man"),
    ]  # fmt: skip
    assert found.image_root == tmp_path


@pytest.mark.parametrize("names", [["p7", "9", "p7"], ["007", "7", "007"], ["9" * 30, "1", "9" * 30]])
def test_identities_that_are_no_numbers_are_numbered(tmp_path, names):
    rows = [f"{number}.jpg,{name},train,a man" for number, name in enumerate(names)]
    found = CSVDataset(str(write(tmp_path, ["file,pid,split,caption", *rows])), "photos.csv").load()
    first, second, again = (record.pid for record in found.records)
    assert first == again != second
    assert all(0 <= pid < 1 << 48 for pid in (first, second))


def test_an_identity_has_its_number_from_its_name_alone(tmp_path):
    """So the leak guard knows a person of a training file again in another one."""
    rows = [f"{name}.jpg,{name},train,a man" for name in ("anna", "bob", "zoe")]
    found = []
    for place, lines in (("one", rows), ("other", rows[::-1])):
        (tmp_path / place).mkdir()
        root = write(tmp_path / place, ["file,pid,split,caption", *lines])
        found.append({r.file: r.pid for r in CSVDataset(str(root), "photos.csv").load().records})
    assert found[0] == found[1]
    assert len({*found[0].values()}) == 3


def test_a_caption_may_hold_any_character_and_a_line_break(tmp_path):
    text = 'red\u2028coat\x85, "new"\nline 👩🏽 &amp; <b>'
    quoted = '"' + text.replace('"', '""') + '"'
    root = write(tmp_path, ["file,pid,split,caption", f"1.jpg,1,test,{quoted}", "2.jpg,2,test,a man"])
    found = CSVDataset(str(root), "photos.csv").load()
    assert [c.text for record in found.records for c in record.captions] == [text, "a man"]


def test_it_is_read_again_only_when_the_file_or_the_columns_change(tmp_path):
    root = write(tmp_path)
    CSVDataset(str(root), "photos.csv").load()
    before = (root / "human.jsonl").stat()
    CSVDataset(str(root), "photos.csv").load()
    assert (root / "human.jsonl").stat() == before
    write(root, [HEADER, *ROWS[:2]])
    assert len(CSVDataset(str(root), "photos.csv").load().records) == 2
    write(root, [f"{HEADER},german", "a.jpg,1,test,a man,,ein Mann"])
    CSVDataset(str(root), "photos.csv").load()
    german = CSVDataset(str(root), "photos.csv", columns={"caption": "german"}).load()
    assert german.records[0].captions[0].text == "ein Mann"
    (root / "photos.csv").unlink()
    assert CSVDataset(str(root), "photos.csv", columns={"caption": "german"}).load().records == german.records
    for given, told in (({"file": "photo.csv"}, "'photos.csv', not 'photo.csv'"), ({"file": "photos.csv"}, "'german'")):
        with pytest.raises(DataError, match=r"no such file; .*human\.jsonl was made with ") as error:
            CSVDataset(str(root), **given).load()
        assert told in str(error.value)


def test_a_file_that_changes_while_it_is_read_is_read_again(tmp_path, monkeypatch):
    import tbpsbench.data.csv_dataset as module

    root, real = write(tmp_path), module.read_rows

    def reads(source, *more):
        found = list(real(source, *more))
        write(root, [HEADER, *ROWS[:2]])
        return found

    with monkeypatch.context() as patch:
        patch.setattr(module, "read_rows", reads)
        assert "was changed while it was read" in str(refusal(CSVDataset(str(root), "photos.csv").load))
    assert not (root / "human.jsonl").exists()
    assert len(CSVDataset(str(root), "photos.csv").load().records) == 2


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff\n", b"[1]\n", b'{"tbpsbench_annotations": 1,\n'])
def test_annotations_whose_first_line_is_damaged_are_made_again(tmp_path, damage):
    root = write(tmp_path)
    records = CSVDataset(str(root), "photos.csv").load().records
    for again in (CSVDataset.load, CSVDataset.prepare):
        (root / "human.jsonl").write_bytes(damage)
        again(CSVDataset(str(root), "photos.csv"))
        assert read_annotations(root / "human.jsonl").records == records
    (root / "human.jsonl").write_bytes(damage)
    (root / "photos.csv").unlink()
    assert "human.jsonl" in message(root)


def test_annotations_of_another_data_set_are_not_overwritten(tmp_path):
    root = write(write(tmp_path), [HEADER, "x.jpg,1,test,a man,"], name="others.csv")
    CSVDataset(str(root), "photos.csv").load()
    before = (root / "human.jsonl").read_bytes()
    error = refusal(CSVDataset(str(root), "others.csv").load)
    assert "was not made from others.csv. A folder holds one data set" in str(error)
    assert (root / "human.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], ":1: no column 'file', 'pid', 'split', 'caption'. The header has: nothing"),
        ([HEADER.replace(",", ";"), "a.jpg;1;test;x;"], "delimiter is ','"),
        (["file,pid,split", "a,1,test"], ":1: no column 'caption'"),
        ([f"{HEADER},pid", "a.jpg,1,test,x,,2"], "column 'pid' is there twice"),
        ([HEADER], "holds no rows below its header"),
        ([HEADER, "a.jpg,1,test,x"], "line 2: 4 values, the header has 5"),
        ([HEADER, "a.jpg,1,test,a man, walking,2"], "line 2: 6 values"),
        ([HEADER, ",1,test,x,"], "line 2: file is empty"),
        ([HEADER, "a.jpg,,test,x,", "b.jpg,1,,x,"], "line 3: split is empty"),
        ([HEADER, "a.jpg,1,test,x,north"], "line 2: camera is 'north', expected a whole number"),
        ([HEADER, "a.jpg,1,test,x,1", "a.jpg,2,test,y,1"], "line 3: 'a.jpg' has pid '2', in line 2 '1'"),
        ([HEADER, "a.jpg,1,test,x,1", "a.jpg,1,val,y,1"], "has split 'val', in line 2 'test'"),
        ([HEADER, "a.jpg,1,test,x,1", "b.jpg,1,train,y,1"], "identity 1 is in several splits"),
        ([HEADER, "a.jpg,1,tset,x,1"], "split 'tset' is not one of train, val, test"),
        ([HEADER, "a.jpg,1,train-extra,x,1"], "split 'train-extra' is not one of train, val, test"),
        ([HEADER, "a.jpg,1,test,\u200b,1"], "caption 0 is empty"),
        ([HEADER, "../a.jpg,1,test,x,1"], "must lie below the image folder"),
        ([HEADER, "/etc/a.jpg,1,test,x,1"], "must lie below the image folder"),
        ([HEADER, 'a.jpg,1,test,"a "man"" in red,1'], "not valid CSV"),
        ([HEADER, 'a.jpg,1,test,"no end'], "not valid CSV"),
        ([HEADER, f"a.jpg,1,test,{'x' * 200_000},1"], "not valid CSV"),
        ([HEADER, "a.jpg,1,test,x\0y,1"], "holds a NUL character"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_file_and_line(tmp_path, lines, expected):
    found = message(write(tmp_path, lines))
    assert expected in found
    assert str(tmp_path) in found
    assert not (tmp_path / "human.jsonl").exists()


def test_a_missing_validation_split_has_a_way_out(tmp_path):
    found = CSVDataset(str(write(tmp_path)), "photos.csv").load()
    with pytest.raises(DataError, match=r"no images in the split 'val'; there are: train, test\. .*selection='last'"):
        records_of(found, "val")
    with pytest.raises(DataError, match=r"there are: train, test\.$"):
        records_of(found, "test-clothes")


def test_a_file_that_is_not_there_or_not_utf8_is_named(tmp_path):
    assert "photos.csv, which is not there" in message(tmp_path)
    write(tmp_path, [HEADER, "a.jpg,1,test,café,"], encoding="latin-1")
    assert "photos.csv:2: not a text file in UTF-8" in message(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"columns": {"files": "x"}}, "columns names 'files'; there are file, pid"),
        ({"delimiter": ", "}, "expected one character"),
        ({"file": "../photos.csv"}, "expected the name of a file in root"),
    ],
)
def test_wrong_arguments_are_refused(arguments, expected):
    with pytest.raises(ValueError, match=expected):
        CSVDataset(**{"root": "x", "file": "photos.csv", **arguments})


def test_the_tool_prepares_and_verifies_it(tool, tmp_path):
    root = write(tmp_path / "mine", ["file,pid,split,caption", "1.png,1,test,a man", "2.png,2,test,a woman"])
    (root / "images").mkdir()
    for number in (1, 2):
        Image.new("RGB", (6, 12), (number, 0, 0)).save(root / "images" / f"{number}.png")
    arguments = ["prepare_data", "CSVDataset", root, "--dataset-options", "file=photos.csv", "--verify"]
    code, out, err = tool(*arguments)
    assert code == 0, err
    assert "test: 2 ids, 2 images, 2 captions" in out
    assert read_annotations(root / "human.jsonl").dataset == "photos (CSV)"
    assert json.loads((root / "verify.json").read_text())["ok"] is True
    assert "not written again" in tool(*arguments)[1]
    with (root / "photos.csv").open("a") as stream:
        stream.write("2.png,2,test,in red\n")
    assert "test: 2 ids, 2 images, 3 captions" in tool(*arguments)[1]
    shutil.rmtree(root / "images")
    assert tool(*arguments)[0] == 2


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], "CSVDataset needs the argument 'file'"),
        (["--dataset-options", "file"], "write KEY=VALUE, got 'file'"),
        (["--dataset-options", "file=photos.csv", "fiel=x"], "Did you mean 'file'?"),
    ],
)
def test_the_tool_names_wrong_options(tool, tmp_path, options, expected):
    code, _, err = tool("prepare_data", "CSVDataset", write(tmp_path), *options)
    assert code == 2
    assert expected in err
    assert "Traceback" not in err
