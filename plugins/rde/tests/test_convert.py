"""A file in the shape of the released checkpoints becomes one of ours, every key accounted for."""

import pytest
import torch

from tbpsbench import testing
from tbpsbench.config.check import require_valid
from tbpsbench.config.load import load_config
from tbpsbench.engine.convert import convert_checkpoint, find_converter
from tbpsbench.errors import CheckpointError
from tbpsbench.model.person_search import PersonSearchModel

CONFIG = "configs/rde/rde_clip-vit-b16_1xb64-60e_cuhk-pedes.py"
CLIP = "arch=dict(embed_dim=16, width=32, layers=2, heads=2"
SIZES = [
    "data.size=(48, 24)",
    f"model.image_encoder=dict(type='CLIPImage', img_size=(48, 24), pretrained='openai', {CLIP}, patch_size=8))",
    f"model.text_encoder=dict(type='CLIPText', {CLIP}, vocab_size=50, context_length=77))",
    "model.heads.tse.dim=12",
]
TO_RELEASED = (
    ("image_encoder.visual.", "base_model.visual."),
    ("text_encoder.text.", "base_model."),
    ("heads.tse.image.fc.", "visul_emb_layer.fc."),
    ("heads.tse.text.fc.", "texual_emb_layer.linear."),
    ("heads.tse.image.", "visul_emb_layer."),
    ("heads.tse.text.", "texual_emb_layer."),
)
INNER = {"hidden.": "mlp.layers.0.", "out.": "mlp.layers.1.", "norm.": "mlp.bns.0."}


def released_name(name):
    for ours, theirs in TO_RELEASED:
        if name.startswith(ours):
            name = theirs + name.removeprefix(ours)
            break
    if "_emb_layer." in name:
        for ours, theirs in INNER.items():
            name = name.replace(f"layer.{ours}", f"layer.{theirs}")
    return name


@pytest.fixture
def released(tmp_path):
    """The config, a model with random weights, and a file as the authors would have saved it: {"model": ...}, fp16."""
    config = load_config(CONFIG, SIZES)
    require_valid(config)
    section = dict(config.values["model"])
    section["image_encoder"] = {**section["image_encoder"], "pretrained": None}
    model = PersonSearchModel(**section).eval()
    with torch.no_grad():
        for name, value in model.state_dict().items():
            value.copy_((value if name.endswith("running_var") else torch.randn_like(value) * 0.1).half())
    state = {released_name(name): value.half() for name, value in model.state_dict().items()}
    for side in ("visul", "texual"):
        for name in ("weight", "bias", "running_mean", "running_var"):
            state[f"{side}_emb_layer.mlp.bns.1.{name}"] = torch.zeros(12).half()
        for number in range(2):
            state[f"{side}_emb_layer.mlp.bns.{number}.num_batches_tracked"] = torch.tensor(0)
    state["visul_emb_layer.linear.weight"] = torch.zeros(12, 16).half()
    state["visul_emb_layer.linear.bias"] = torch.zeros(12).half()
    torch.save({"model": state}, tmp_path / "best.pth")
    return config, model, state, tmp_path / "best.pth"


def test_released_checkpoint_gives_the_same_model(released, tmp_path):
    config, model, _, path = released
    report = convert_checkpoint(config, path, tmp_path / "ours.pth")
    assert report.complete
    assert len(report.loaded) == len(model.state_dict())
    ours = torch.load(tmp_path / "ours.pth", weights_only=True)
    assert ours["tbpsbench"]["converted"]["converter"] == "rde"
    for name, value in model.state_dict().items():
        assert torch.equal(ours["state_dict"][name], value), name
        assert ours["state_dict"][name].dtype == torch.float32
    other = PersonSearchModel(**{**config.values["model"], "image_encoder": {
        **config.values["model"]["image_encoder"], "pretrained": None}}).eval()  # fmt: skip
    other.load_state_dict(ours["state_dict"])
    batch = testing.toy_batch(size=(48, 24))
    for encode in (
        lambda m: m.encode_gallery(batch.image_B3HW),
        lambda m: m.encode_query(batch.texts["query"]),
    ):
        for name, value in encode(model).items():
            assert torch.equal(value.values, encode(other)[name].values)


@pytest.mark.parametrize("stray", ["base_model.visual.stray", "visul_emb_layer.stray.weight", "base_model.stray", "x"])
def test_a_key_without_a_place_is_named(stray, released, tmp_path):
    config, _, state, path = released
    torch.save({"model": state | {stray: torch.zeros(2)}}, path)
    with pytest.raises(CheckpointError, match=r"1 unknown to the model:\s+.*(stray|x)"):
        convert_checkpoint(config, path, tmp_path / "ours.pth")
    assert not (tmp_path / "ours.pth").exists()


def test_a_missing_layer_is_named(released, tmp_path):
    config, _, state, path = released
    del state["texual_emb_layer.linear.bias"]
    torch.save({"model": state}, path)
    with pytest.raises(CheckpointError, match=r"1 missing in the file:\s+heads\.tse\.text\.fc\.bias"):
        convert_checkpoint(config, path, tmp_path / "ours.pth")


def test_weights_of_another_system_are_not_taken_for_rde(released):
    with pytest.raises(CheckpointError, match="no converter recognises these weights"):
        find_converter({"base_model.visual.conv1.weight": torch.zeros(1)}, "irra.pth", ["rde"])


def test_a_model_without_the_head_is_refused(released):
    _, _, state, _ = released
    arch = {"embed_dim": 8, "width": 8, "layers": 1, "heads": 1}
    without = PersonSearchModel(
        image_encoder={"type": "CLIPImage", "arch": {**arch, "patch_size": 8}, "img_size": (16, 8)},
        text_encoder={"type": "CLIPText", "arch": arch},
        heads={"global": {"type": "GlobalHead"}},
        losses={"itc": {"type": "InfoNCE"}},
    )
    with pytest.raises(CheckpointError, match=r"one head TSE; model\.heads has 0"):
        find_converter(state, "best.pth", ["rde"]).convert(state, without)
