"""An exported folder: what it holds, that it is the system, and what is refused before and after."""

import copy
import dataclasses
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from huggingface_hub import ModelCard
from PIL import Image
from small_systems import TOKEN_LOSS, TOKENS, untrained

import tbpsbench
from tbpsbench import load_system
from tbpsbench.errors import CheckpointError, ConfigError
from tbpsbench.export import folder as making
from tbpsbench.export.parity import LIMITS
from tbpsbench.model.exported import graph_file
from tbpsbench.weights.checkpoint import KEY

CAPTIONS = ["a woman in a red coat", "a man with a black bag, it's his", "x " * 200]
EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "search_with_an_export.py"
ALL = ("float32", "float16", "int8")


@pytest.fixture(scope="module")
def checkpoint(mini, tmp_path_factory):
    return untrained(mini, tmp_path_factory.mktemp("system") / "system.pth")


@pytest.fixture(scope="module")
def made(checkpoint, mini, tmp_path_factory):
    """An export in all precisions; read only. What a model ranks that has learnt nothing may change."""
    from tbpsbench.engine.trained import known_texts
    from tbpsbench.export.opening import open_for_export

    opened, *_ = open_for_export(checkpoint, None, [])
    folder = tmp_path_factory.mktemp("exports") / "made"
    found = making.export(
        opened.system, folder, opened.data, opened.settings.evaluation, precisions=ALL, max_drop=100,
        training=known_texts(opened.system, opened.data),
    )  # fmt: skip
    return folder, found


@pytest.fixture
def copied(made, tmp_path):
    return shutil.copytree(made[0], tmp_path / "copied")


@pytest.fixture
def pictures(mini):
    return sorted((mini / "tiny-0" / "images").glob("*.png"))[:5]


def test_it_is_the_system(made, checkpoint, pictures):
    folder, _ = made
    system, exported = load_system(checkpoint), load_system(folder)
    assert exported.fingerprint == system.fingerprint
    torch.testing.assert_close(exported.encode_text(CAPTIONS), system.encode_text(CAPTIONS), atol=2e-6, rtol=0)
    torch.testing.assert_close(exported.encode_images(pictures), system.encode_images(pictures), atol=2e-6, rtol=0)
    best = exported.rank(CAPTIONS[0], exported.encode_images(pictures), k=3)
    assert best.order.tolist() == system.rank(CAPTIONS[0], system.encode_images(pictures), k=3).order.tolist()


@pytest.mark.parametrize(("precision", "least"), [("float16", 0.9999), ("int8", 0.99)])
def test_other_precisions_are_near_and_other_systems(made, checkpoint, pictures, precision, least):
    folder, _ = made
    system = load_system(checkpoint)
    reduced = load_system(folder / graph_file("image", precision))
    assert reduced.fingerprint not in (system.fingerprint, load_system(folder).fingerprint)
    assert reduced.name == f"{system.name} (ONNX, {precision})"
    for ours, theirs in (
        (system.encode_text(CAPTIONS), reduced.encode_text(CAPTIONS)),
        (system.encode_images(pictures), reduced.encode_images(pictures)),
    ):
        assert not torch.equal(ours, theirs)
        assert (ours * theirs).sum(1).min() > least
        torch.testing.assert_close(theirs.norm(dim=1), torch.ones(len(theirs)))
    whole, part = (folder / graph_file("text", name) for name in ("float32", precision))
    assert part.stat().st_size < 0.55 * whole.stat().st_size


def test_what_was_compared_is_told_everywhere(made):
    folder, found = made
    told = json.loads((folder / "tbpsbench.json").read_text())["exported"]
    assert list(found) == list(ALL)
    assert set(told["parity"]) == set(told["graphs"]) == set(ALL)
    card = (folder / "README.md").read_text()
    for precision, one in found.items():
        assert not one.problems
        assert told["parity"][precision]["after"] == dict(one.after)
        assert 0.9 < one.text_least <= one.text_mean <= 1 + 1e-9
        assert f"{one.before['R@1']:.2f} -> {one.after['R@1']:.2f}" in one.line()
        row = next(line for line in card.splitlines() if line.startswith(f"| {precision} |"))
        assert f"{one.image_least:.6f}" in row
        assert f"{one.before['mAP']:.2f} -> {one.after['mAP']:.2f}" in row
    assert found["float32"].text_least > 0.999999
    assert found["float32"].before == found["float32"].after


def test_the_hub_reads_its_card(made):
    told = ModelCard.load(made[0] / "README.md").data.to_dict()
    assert (told["library_name"], told["pipeline_tag"]) == ("tbpsbench", "feature-extraction")
    assert {"onnx", "transformers.js", "text-based-person-search"} <= set(told["tags"])
    assert "license" not in told


def test_others_read_captions_and_pictures_from_it_as_the_system_does(made, checkpoint, pictures):
    from transformers import AutoTokenizer, ViTImageProcessorPil

    folder, _ = made
    system = load_system(checkpoint)
    ours, theirs = system.tokenizer(CAPTIONS), AutoTokenizer.from_pretrained(folder)
    read = theirs(CAPTIONS, padding="max_length", truncation=True, return_tensors="pt")
    assert torch.equal(read["attention_mask"].bool(), ours.mask)
    assert torch.equal(read["input_ids"][ours.mask], ours.ids[ours.mask])
    processor = ViTImageProcessorPil.from_pretrained(folder)
    for picture in pictures:
        pixels = processor(Image.open(picture), return_tensors="pt")["pixel_values"][0]
        torch.testing.assert_close(pixels, system.preprocess(picture), atol=1e-5, rtol=0)
    config = json.loads((folder / "config.json").read_text())
    assert config == {"model_type": "clip", "architectures": ["CLIPModel"], "projection_dim": 16}


def test_tools_take_it_like_a_checkpoint(made, checkpoint, mini, tmp_path, tool):
    folder, _ = made
    data = f"data.dataset.root={mini}"
    code, ours, err = tool("test", checkpoint, "--cfg-options", data)
    assert (code, err) == (0, "")
    code, theirs, err = tool("test", folder, "--cfg-options", data)
    assert (code, err) == (0, "")
    rows = [[line for line in text.splitlines() if line.startswith("\u2502")] for text in (ours, theirs)]
    assert rows[0] == rows[1] != []
    assert "(ONNX, float32)" in theirs
    code, _, err = tool("test", folder, "--out", tmp_path / "record", "--cfg-options", data)
    assert code == 2
    assert "an exported system has no record of its own" in err
    assert not (tmp_path / "record").exists()


def test_an_index_of_either_is_searched_with_the_other(made, checkpoint, mini, tmp_path, tool):
    folder, _ = made
    photos = mini / "tiny-0" / "images"
    for one, other, name in ((checkpoint, folder, "ours"), (folder, checkpoint, "exported")):
        assert tool("index", one, photos, "--out", tmp_path / name)[0] == 0
        code, out, err = tool("search", tmp_path / name, "a woman", "--checkpoint", other, "--json")
        assert (code, err) == (0, "")
        assert len(json.loads(out)["hits"]) == 10
    reduced = folder / graph_file("text", "int8")
    code, _, err = tool("search", tmp_path / "ours", "a woman", "--checkpoint", reduced)
    assert code == 2
    assert "cannot be compared" in err


def test_the_example_needs_neither_torch_nor_tbpsbench(made, checkpoint, mini):
    folder, _ = made
    photos, text = mini / "tiny-0" / "images", CAPTIONS[0]
    alone = (
        "import runpy, sys; sys.modules.update(torch=None, tbpsbench=None); del sys.argv[0]; "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    command = [sys.executable, "-c", alone, EXAMPLE, folder, photos, text]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    system, files = load_system(checkpoint), sorted(photos.glob("*.png"))
    best = system.rank(text, system.encode_images(files), k=5)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [name for _, name in lines] == [files[row].name for row in best.order[0]]
    np.testing.assert_allclose([float(score) for score, _ in lines], best.scores[0], atol=1e-4)


def test_no_file_names_this_machine(made):
    folder, _ = made
    own = (str(Path(tbpsbench.__file__).parent), str(Path(torch.__file__).parent))
    for file in folder.rglob("*.onnx"):
        assert not any(path.encode() in file.read_bytes() for path in own)


def test_folders_have_ordinary_permissions(made):
    folder, _ = made
    for path in (folder, folder / "onnx"):
        assert path.stat().st_mode & 0o700 == 0o700


# -- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", [0.3, float("nan")])
def test_an_export_that_is_too_far_from_its_system_is_not_written(checkpoint, mini, tmp_path, monkeypatch, tool, noise):
    out = tmp_path / "out"

    def worse(source, target, precision):
        graph = onnx.load(source)
        for tensor in graph.graph.initializer:
            if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) == 2:
                values = onnx.numpy_helper.to_array(tensor) + noise * np.random.default_rng(0).normal(size=tensor.dims)
                tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float32), tensor.name))
        onnx.save(graph, target)

    monkeypatch.setattr(making, "write_reduced", worse)
    options = ("--precision", "float32", "int8", "--max-drop", "100", "--cfg-options", f"data.dataset.root={mini}")
    code, _, err = tool("export", checkpoint, "--out", out, *options)
    assert code == 1, err
    assert "int8: the least cosine of the text side is" in err
    assert "at least 0.9 is wanted" in err
    assert "Nothing was written" in err
    assert list(tmp_path.iterdir()) == []


def test_lost_points_of_recall_are_too_far_and_float32_may_win_none(made):
    from tbpsbench.export.parity import _problems

    _, found = made
    plain = found["float32"]
    near = dataclasses.replace(plain, before={"R@1": 50.0}, after={"R@1": 50.1})
    assert _problems(near, LIMITS["float32"]) == ["R@1 is 50.10 in place of 50.00"]
    assert _problems(dataclasses.replace(near, precision="int8"), LIMITS["int8"]) == []
    lost = dataclasses.replace(near, precision="int8", after={"R@1": 47.9})
    assert _problems(lost, LIMITS["int8"]) == ["R@1 is 47.90 in place of 50.00"]
    assert _problems(lost, dataclasses.replace(LIMITS["int8"], drop=3)) == []
    assert "text side is nan" in _problems(dataclasses.replace(plain, text_least=float("nan")), LIMITS["float32"])[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--precision", "int4"], "precision int4: there are float32, float16, int8"),
        (["--max-drop", "101"], "expected points of R@1, a number from 0"),
        (["--max-drop", "abc"], "abc: expected points of R@1"),
        (["--split", "nosuch"], "nosuch"),
    ],
)
def test_wrong_arguments_are_named(checkpoint, mini, tmp_path, tool, arguments, message):
    code, _, err = tool("export", checkpoint, "--out", tmp_path / "out", *arguments)
    assert code == 2
    assert message in err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_else_stays_as_it_is(copied, checkpoint, tool):
    for place in ("notes.txt", "onnx/other.onnx"):
        (copied / place).write_text("mine")
        before = {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()}
        code, _, err = tool("export", checkpoint, "--out", copied, "--overwrite")
        assert code == 2
        assert "holds something else than an exported system" in err
        assert {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()} == before
        (copied / place).unlink()
    code, _, err = tool("export", checkpoint, "--out", copied)
    assert code == 2
    assert "holds an exported system. Choose another folder, or pass --overwrite" in err


def test_sets_of_vectors_are_refused(mini, tmp_path, tool):
    system = untrained(mini, tmp_path / "sets.pth", TOKENS, TOKEN_LOSS)
    code, _, err = tool("export", system, "--out", tmp_path / "out")
    assert code == 2
    assert "compares sets of vectors" in err


def test_it_says_what_it_cannot_do(made, tmp_path, tool, pictures):
    folder, _ = made
    exported = load_system(folder)
    with pytest.raises(ConfigError, match="has no features and cannot be trained"):
        exported.model(None, mode="tensor")
    with pytest.raises(CheckpointError, match=r"without weights to be saved\. Copy its folder"):
        exported.save(tmp_path / "saved")
    with pytest.raises(ConfigError, match=r"this ONNX Runtime runs on .*CPU.*onnxruntime-gpu"):
        load_system(folder, device="cuda")
    code, _, err = tool("export", folder, "--out", tmp_path / "again")
    assert code == 2
    assert "is an exported system already" in err
    assert list(tmp_path.iterdir()) == []


def test_training_does_not_start_from_it(made, demo, tmp_path, tool):
    folder, _ = made
    code, _, err = tool("train", *demo, f"load_from={str(folder)!r}", "--work-dir", tmp_path / "run")
    assert code == 2
    assert "is an exported system, without weights. Use the checkpoint that it was made of" in err


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda folder: (folder / graph_file("text", "float32")).write_bytes(b"x"),
            "is not the file that was exported",
        ),
        (lambda folder: (folder / graph_file("image", "float32")).unlink(), "is missing"),
        (lambda folder: (folder / "tbpsbench.json").write_text("{"), "not valid JSON"),
        (lambda folder: (folder / "tbpsbench.json").write_text("{}"), "not the description of an exported system"),
        (lambda folder: change(folder, lambda told: told["exported"].update(version=2)), "of version 2, this"),
        (lambda folder: change(folder, lambda told: told["exported"].pop("cost")), "damaged"),
        (lambda folder: change(folder, lambda told: told["tokenizer"].update(sha256="0")), "gives other ids"),
        (
            lambda folder: change(folder, lambda told: told["preprocess"].update(size=[10, 10])),
            "preprocess: pictures of",
        ),
        (lambda folder: change(folder, lambda told: told["preprocess"].update(interpolation="area")), "damaged"),
        (lambda folder: change(folder, lambda told: told.update(facts="xyz")), "damaged"),
        (lambda folder: swap(folder), "is not the graph of the text side"),
        (lambda folder: (folder / graph_file("text", "float32")).unlink(), "text_model.onnx: is missing"),
    ],
)
def test_damage_is_named(copied, damage, message):
    damage(copied)
    with pytest.raises(CheckpointError, match=message):
        load_system(copied)


def change(folder, how):
    told = json.loads((folder / "tbpsbench.json").read_text())
    how(told)
    (folder / "tbpsbench.json").write_text(json.dumps(told))


def test_data_that_are_not_here_are_replaced_by_ours(checkpoint, mini, tmp_path, tool, monkeypatch):
    from tbpsbench.export import opening

    content = torch.load(checkpoint, weights_only=True)
    config = json.loads(content[KEY]["config"])
    config["data"]["dataset"] = {"type": "CUHKPEDES", "root": str(tmp_path / "gone")}
    content[KEY]["config"] = json.dumps(config)
    system = tmp_path / "system.pth"
    torch.save(content, system)
    monkeypatch.setattr(
        opening, "EMBEDDED", (f"data.dataset={{'type': 'MiniPEDES', 'size': 'tiny', 'root': {str(mini)!r}}}",)
    )
    code, out, err = tool("export", system, "--out", tmp_path / "out")
    assert (code, err) == (0, "")
    assert out.startswith("its own data cannot be read here, MiniPEDES takes their place (")
    assert "wrote" in out
    code, _, err = tool("export", system, "--out", tmp_path / "other", "--cfg-options", "data.num_workers=0")
    assert code == 2
    assert not (tmp_path / "other").exists()


def swap(folder):
    """Let captions be embedded by the graph of the pictures, and say so."""
    one, other = (folder / graph_file(side, "float32") for side in ("text", "image"))
    one.rename(folder / "aside")
    other.rename(one)
    (folder / "aside").rename(other)

    def turned(told):
        graphs = told["exported"]["graphs"]["float32"]
        graphs["text"], graphs["image"] = graphs["image"], graphs["text"]

    change(folder, turned)


def test_a_precision_that_is_not_there_is_named(copied):
    change(copied, lambda told: told["exported"]["graphs"].pop("int8"))
    with pytest.raises(CheckpointError, match="was not exported in int8, but in float16, float32"):
        load_system(copied / graph_file("text", "int8"))
    change(copied, lambda told: told["exported"]["graphs"].pop("float32"))
    assert load_system(copied).name.endswith("(ONNX, float16)")


def test_every_name_of_an_export_leads_to_it(made, tmp_path):
    folder, _ = made
    whole = load_system(folder).fingerprint
    for path in (folder / "tbpsbench.json", folder / "onnx", folder / graph_file("image", "float32")):
        assert load_system(path).fingerprint == whole
    stray = shutil.copy(folder / graph_file("text", "float32"), tmp_path)
    with pytest.raises(CheckpointError, match="a graph without the folder that it was exported to"):
        load_system(stray)


@pytest.mark.parametrize("name", ["README.md", "config.json", "onnx/text_model.onnx"])
def test_files_of_the_user_are_no_export(checkpoint, tmp_path, tool, name):
    file = tmp_path / "mine" / name
    file.parent.mkdir(parents=True)
    file.write_text("mine")
    code, _, err = tool("export", checkpoint, "--out", tmp_path / "mine", "--overwrite")
    assert code == 2
    assert "holds something else than an exported system (no tbpsbench.json of an export)" in err
    assert [path.read_text() for path in tmp_path.rglob("*") if path.is_file()] == ["mine"]


def test_it_is_replaced_from_inside_and_through_a_link(copied, checkpoint, mini, tmp_path, tool, monkeypatch):
    def again(out):
        return tool("export", checkpoint, "--out", out, "--overwrite", "--cfg-options", f"data.dataset.root={mini}")

    monkeypatch.chdir(copied)
    code, _, err = again("../copied")
    assert (code, err) == (0, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copied"]
    assert not (copied / graph_file("text", "int8")).exists()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to("copied")
    before = (copied / "README.md").stat().st_mtime_ns
    assert again("link")[0] == 0
    assert (tmp_path / "link").is_symlink()
    assert (copied / "README.md").stat().st_mtime_ns > before
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to("nowhere")
    code, _, err = again("link")
    assert code == 2
    assert "no folder that can be written" in err


def test_a_copy_of_an_exported_system_works(made):
    exported = load_system(made[0])
    assert torch.equal(copy.deepcopy(exported).encode_text(CAPTIONS), exported.encode_text(CAPTIONS))


def test_threads_and_gallery_texts_of_an_evaluation(made, mini):
    from tbpsbench.engine.trained import open_trained

    before = torch.get_num_threads()
    try:
        opened = open_trained(made[0], None, ["runtime.threads=2", f"data.dataset.root={mini}"])
        session = opened.system.model._sessions["text"]
        assert session.get_session_options().intra_op_num_threads == 2
    finally:
        torch.set_num_threads(before)
    assert opened.system.config["evaluation"]["gallery_texts"] is None


def test_evaluation_needs_no_plug_in_that_the_model_needed(copied, mini, tool):
    def needy(told):
        config = json.loads(told["config"])
        config["plugins"], config["model"]["heads"] = ["nosuch"], {"tse": {"type": "NoSuchHead"}}
        told["config"] = json.dumps(config)

    change(copied, needy)
    code, out, err = tool("test", copied, "--cfg-options", f"data.dataset.root={mini}")
    assert (code, err) == (0, "")
    assert "standard" in out


def test_captions_that_a_tokenizer_mends_first_are_counted_and_only_few_may_be():
    from tbpsbench.data.tokenizers.clip_bpe import CLIPBPE
    from tbpsbench.export.hugging_face import _other_ids

    tokenizer, plain, odd = CLIPBPE(context_length=20), ["a coat"] * 30, "a coat &amp; a bag"
    portable = tokenizer.portable()
    assert _other_ids(portable, tokenizer, CAPTIONS) == []
    (told,) = _other_ids(portable, tokenizer, [*plain, odd])
    assert told == "1 of 31 captions have other ids in tokenizer.json than here, e.g. a coat &amp; a bag"
    with pytest.raises(ConfigError, match="4 of 34 captions"):
        _other_ids(portable, tokenizer, [*plain, *[odd] * 4])


def test_a_loss_of_exactly_the_limit_passes(made):
    from tbpsbench.export.parity import _problems

    plain = made[1]["float32"]
    for count in range(1, 2000):
        before, after = {"R@1": count / 2000 * 100}, {"R@1": (count - 1) / 2000 * 100}
        assert _problems(dataclasses.replace(plain, before=before, after=after), LIMITS["float32"]) == []


def test_the_card_names_what_is_there(checkpoint, mini, tmp_path, tool):
    options = ("--precision", "int8", "--max-drop", "100", "--cfg-options", f"data.dataset.root={mini}")
    assert tool("export", checkpoint, "--out", tmp_path / "out", *options)[0] == 0
    card = (tmp_path / "out" / "README.md").read_text()
    assert set(re.findall(r"onnx/\w+\.onnx", card)) == {graph_file(side, "int8") for side in ("text", "image")}
    assert "Another precision" not in card
