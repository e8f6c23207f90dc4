"""tools/search.py and tools/doctor.py as a user runs them."""

import json

from PIL import Image


def test_a_search_prints_and_draws_the_best(tool, checkpoints, photos, tmp_path):
    folder, sheet = tmp_path / "index", tmp_path / "sheet.png"
    assert tool("index", checkpoints["vectors"], photos, "--out", folder)[0] == 0
    (photos / "0.png").unlink()
    code, out, err = tool("search", folder, "a man in jeans", "a woman $x$ <b>", "--top", 10, "--sheet", sheet)
    assert code == 0, err
    assert "a man in jeans   (10 pictures, by two-tower_mini-pedes)" in out
    lines = [line.split() for line in out.splitlines() if line.startswith("    1")]
    assert len(lines) == 2
    with Image.open(sheet) as image:
        assert image.width > 640
        assert image.height > 2 * 192
    code, out, _ = tool("search", folder, "a man in jeans", "--top", 3, "--json")
    told = json.loads(out)
    assert [hit["rank"] for hit in told["hits"]] == [1, 2, 3]
    assert told["hits"][0]["file"] == lines[0][2]
    code, out, err = tool("search", folder, "a man in jeans " * 80, "--top", 1, "--json")
    assert len(json.loads(out)["hits"]) == 1
    assert "too long to be read whole; left out: '" in err
    code, out, err = tool("index", "--out", folder, "--remove", "1.png", "1.png")
    assert "1 removed: 1.png" in out, err


def test_what_cannot_be_searched_is_named(tool, tmp_path, checkpoints, photos):
    code, _, err = tool("search", tmp_path / "nothing", "a man")
    assert code == 2
    assert "holds no index" in err
    assert tool("index", checkpoints["vectors"], photos, "--out", tmp_path / "index")[0] == 0
    for arguments, message in (
        (("a man", "--top", 0), "k is 0"),
        ((" ",), "expected a text"),
        (("a man", "--checkpoint", checkpoints["other"]), "cannot be compared"),
    ):
        code, _, err = tool("search", tmp_path / "index", *arguments)
        assert code == 2
        assert message in err


def test_the_doctor_names_what_is_missing_and_the_command(tool, monkeypatch):
    import tbpsbench.parts as parts

    real = parts.version

    def version(name):
        if name == "turbovec":
            raise parts.PackageNotFoundError(name)
        return "0.1" if name == "pillow" else real(name)

    told = ["torch>=2.6", "pillow>=9", "turbovec>=1.1; extra == 'turbovec'", "numpy; extra == 'other'"]
    monkeypatch.setattr(parts, "requires", lambda _: told)
    monkeypatch.setattr(parts, "version", version)
    code, out, err = tool("doctor")
    assert code == 1
    assert "!!  pillow 0.1   >=9 is wanted" in out
    assert "ok  torch" in out
    assert "turbovec is missing\n                pip install 'tbpsbench[turbovec]'" in out
    assert "ok  other" in out
    assert "cpu " in out
    assert "1 required packages" in err
