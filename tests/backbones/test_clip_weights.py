import json

import pytest
import torch

from tbpsbench.backbones.clip_image import CLIPImage
from tbpsbench.backbones.clip_text import CLIPText
from tbpsbench.backbones.clip_weights import convert_clip, find_clip, fit_text_positions
from tbpsbench.errors import CheckpointError
from tbpsbench.types import Tokens

VISION = {"embed_dim": 24, "width": 32, "layers": 2, "heads": 4, "patch_size": 8}
TEXT = {"embed_dim": 24, "width": 16, "layers": 2, "heads": 2, "vocab_size": 50, "context_length": 12}


@pytest.fixture(scope="module")
def transformers_clip():
    from transformers import CLIPConfig, CLIPModel

    config = CLIPConfig(
        projection_dim=24,
        vision_config={
            "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128,
            "image_size": 32, "patch_size": 8,
        },
        text_config={
            "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
            "vocab_size": 50, "max_position_embeddings": 12, "bos_token_id": 48, "eos_token_id": 49,
        },
    )  # fmt: skip
    model = CLIPModel(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


@pytest.fixture(scope="module")
def open_clip_model():
    from open_clip.model import CLIP

    model = CLIP(
        24,
        {"image_size": 32, "layers": 2, "width": 32, "head_width": 8, "patch_size": 8},
        {"context_length": 12, "vocab_size": 50, "width": 16, "heads": 2, "layers": 2},
        quick_gelu=True,
    ).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


@pytest.fixture
def image():
    return torch.randn(2, 3, 32, 32)


@pytest.fixture
def tokens():
    ids = torch.randint(1, 48, (3, 12))
    ids[:, 0] = 48
    for row, length in enumerate((12, 7, 3)):
        ids[row, length - 1] = 49
        ids[row, length:] = 0
    return Tokens(ids, torch.arange(12) < torch.tensor([12, 7, 3])[:, None])


def load(path):
    image = CLIPImage(VISION, img_size=(32, 32), pretrained=str(path)).eval()
    return image, CLIPText(TEXT, pretrained=str(path)).eval()


def as_huggingface(state):
    """open_clip's weights written as Hugging Face names them."""
    result = {"logit_scale": state["logit_scale"]}
    simple = {
        "visual.class_embedding": "vision_model.embeddings.class_embedding",
        "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
        "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
        "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
        "positional_embedding": "text_model.embeddings.position_embedding.weight",
    }
    norms = {"visual.ln_pre": "vision_model.pre_layrnorm", "visual.ln_post": "vision_model.post_layernorm"}
    norms["ln_final"] = "text_model.final_layer_norm"
    parts = {"ln_1": "layer_norm1", "ln_2": "layer_norm2", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2"}
    parts["attn.out_proj"] = "self_attn.out_proj"
    for key, value in state.items():
        owner, _, kind = key.rpartition(".")
        if key in simple:
            result[simple[key]] = value
        elif key in ("visual.proj", "text_projection"):
            result[{"visual.proj": "visual_projection.weight"}.get(key, "text_projection.weight")] = (
                value.T.contiguous()
            )
        elif owner in norms:
            result[f"{norms[owner]}.{kind}"] = value
        elif "resblocks" in key:
            side, _, rest = key.partition("transformer.resblocks.")
            number, _, rest = rest.partition(".")
            block = f"{'vision' if side else 'text'}_model.encoder.layers.{number}."
            if "in_proj" in rest:
                for name, piece in zip("qkv", value.chunk(3), strict=True):
                    result[f"{block}self_attn.{name}_proj.{rest.rpartition('_')[2]}"] = piece.clone()
            else:
                result[f"{block}{parts[rest.rpartition('.')[0]]}.{kind}"] = value
    return result


def test_huggingface_folder_gives_transformers_tokens(tmp_path, transformers_clip, image, tokens):
    transformers_clip.save_pretrained(tmp_path)
    ours_image, ours_text = load(tmp_path)
    vision = transformers_clip.vision_model(image)
    all_tokens = transformers_clip.vision_model.post_layernorm(vision.last_hidden_state)
    expected = transformers_clip.visual_projection(all_tokens)
    assert torch.allclose(ours_image(image).tokens_BLD, expected, rtol=1e-5, atol=1e-5)
    text = transformers_clip.text_model(tokens.ids)
    expected = transformers_clip.text_projection(text.last_hidden_state)
    encoded = ours_text(tokens)
    assert torch.allclose(encoded.tokens_BLD, expected, rtol=1e-5, atol=1e-5)
    assert torch.allclose(encoded.pooled_BD, transformers_clip.text_projection(text.pooler_output), atol=1e-5)


def test_open_clip_file_gives_open_clips_features(tmp_path, open_clip_model, image, tokens):
    torch.save(open_clip_model.state_dict(), tmp_path / "open_clip_pytorch_model.bin")
    ours_image, ours_text = load(tmp_path)
    assert torch.allclose(ours_image(image).pooled_BD, open_clip_model.encode_image(image), rtol=1e-5, atol=1e-5)
    assert torch.allclose(ours_text(tokens).pooled_BD, open_clip_model.encode_text(tokens.ids), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("form", ["openai", "openai-archive", "open_clip-custom-text", "huggingface"])
def test_all_forms_of_the_same_weights_give_the_same_tokens(tmp_path, open_clip_model, image, tokens, form):
    state = open_clip_model.state_dict()
    torch.save(state, tmp_path / "open_clip.pt")
    if form == "openai":  # plus the numbers that OpenAI's files hold
        numbers = {
            "input_resolution": torch.tensor(32),
            "context_length": torch.tensor(12),
            "vocab_size": torch.tensor(50),
        }
        torch.save({**state, **numbers}, tmp_path / "other.pt")
    elif form == "openai-archive":

        class Archive(torch.nn.Module):
            def __init__(self):
                super().__init__()
                for key, value in nested(state).items():
                    attach(self, key, value)
                self.register_buffer("input_resolution", torch.tensor(32))

            def forward(self, x):
                return x

        torch.jit.save(torch.jit.script(Archive()), tmp_path / "other.pt")
    elif form == "open_clip-custom-text":
        custom = {key if key.startswith(("visual.", "logit")) else f"text.{key}": value for key, value in state.items()}
        torch.save({"state_dict": {f"module.{key}": value for key, value in custom.items()}}, tmp_path / "other.pt")
    else:
        torch.save(as_huggingface(state), tmp_path / "other.pt")
    ours, other = load(tmp_path / "open_clip.pt"), load(tmp_path / "other.pt")
    assert torch.equal(ours[0](image).tokens_BLD, other[0](image).tokens_BLD)
    assert torch.equal(ours[1](tokens).tokens_BLD, other[1](tokens).tokens_BLD)
    assert other[0].load_report.complete
    assert other[1].load_report.complete


def nested(state):
    tree = {}
    for key, value in state.items():
        *owners, name = key.split(".")
        branch = tree
        for owner in owners:
            branch = branch.setdefault(owner, {})
        branch[name] = value
    return tree


def attach(module, name, value):
    if not isinstance(value, dict):
        module.register_parameter(name, torch.nn.Parameter(value))
        return
    child = torch.nn.Module()
    for key, inner in value.items():
        attach(child, key, inner)
    module.add_module(name, child)


def test_the_other_tower_is_left_out_by_name(tmp_path, open_clip_model):
    torch.save(open_clip_model.state_dict(), tmp_path / "clip.pt")
    image, text = load(tmp_path / "clip.pt")
    assert "text.token_embedding.weight" in image.load_report.ignored
    assert "visual.conv1.weight" in text.load_report.ignored
    assert "logit_scale" in image.load_report.ignored


def test_half_precision_weights_are_cast(tmp_path, open_clip_model):
    torch.save({key: value.half() for key, value in open_clip_model.state_dict().items()}, tmp_path / "clip.pt")
    image, _ = load(tmp_path / "clip.pt")
    assert {parameter.dtype for parameter in image.parameters()} == {torch.float32}


def test_missing_and_unknown_keys_are_refused_by_name(tmp_path, open_clip_model):
    state = dict(open_clip_model.state_dict())
    del state["visual.transformer.resblocks.1.attn.in_proj_weight"]
    state["visual.adapter.weight"] = torch.zeros(1)
    torch.save(state, tmp_path / "clip.pt")
    with pytest.raises(CheckpointError) as caught:
        CLIPImage(VISION, img_size=(32, 32), pretrained=str(tmp_path / "clip.pt"))
    assert "transformer.resblocks.1.attn.in_proj_weight" in str(caught.value)
    assert "adapter.weight" in str(caught.value)
    CLIPText(TEXT, pretrained=str(tmp_path / "clip.pt"))


def test_a_layer_too_few_in_huggingface_form_is_refused(tmp_path, open_clip_model):
    state = as_huggingface(open_clip_model.state_dict())
    del state["text_model.encoder.layers.0.self_attn.k_proj.bias"]
    torch.save(state, tmp_path / "clip.pt")
    with pytest.raises(CheckpointError, match=r"(?s)in_proj_bias.*attn\.q_proj\.bias"):
        CLIPText(TEXT, pretrained=str(tmp_path / "clip.pt"))


def test_weights_of_something_else_show_their_keys():
    with pytest.raises(CheckpointError, match=r"x: no CLIP weights.*layer1\.conv"):
        convert_clip({"layer1.conv": torch.zeros(1)}, "x")


def test_longer_context_stretches_and_shorter_cuts():
    state = {"positional_embedding": torch.randn(77, 4)}
    assert fit_text_positions(state, 248, "x")["positional_embedding"].shape == (248, 4)
    assert fit_text_positions(state, 168, "x")["positional_embedding"].shape == (168, 4)
    assert torch.equal(fit_text_positions(state, 60, "x")["positional_embedding"], state["positional_embedding"][:60])
    assert fit_text_positions(state, 77, "x") is state
    with pytest.raises(CheckpointError, match="77 text positions can be stretched to 248, but context_length is 249"):
        fit_text_positions(state, 249, "x")


@pytest.mark.parametrize(
    ("file", "config", "expected"),
    [
        ("config.json", {"vision_config": {"hidden_act": "quick_gelu"}}, True),
        ("config.json", {"vision_config": {"hidden_act": "gelu"}}, False),
        ("config.json", {"hidden_act": "gelu"}, False),
        ("open_clip_config.json", {"model_cfg": {"quick_gelu": True}}, True),
        ("open_clip_config.json", {"model_cfg": {}}, False),
        ("README.json", {}, None),
    ],
)
def test_config_beside_the_weights_tells_the_activation(tmp_path, file, config, expected):
    torch.save({"a": torch.ones(1)}, tmp_path / "pytorch_model.bin")
    (tmp_path / file).write_text(json.dumps(config))
    assert find_clip(str(tmp_path), VISION) == (tmp_path / "pytorch_model.bin", expected)


def test_gelu_weights_in_a_folder_are_run_with_gelu(tmp_path, transformers_clip, image):
    transformers_clip.save_pretrained(tmp_path)
    quick = CLIPImage(VISION, img_size=(32, 32), pretrained=str(tmp_path)).eval()
    config = json.loads((tmp_path / "config.json").read_text())
    config["vision_config"]["hidden_act"] = "gelu"
    (tmp_path / "config.json").write_text(json.dumps(config))
    plain = CLIPImage(VISION, img_size=(32, 32), pretrained=str(tmp_path)).eval()
    forced = CLIPImage(VISION, img_size=(32, 32), pretrained=str(tmp_path), quick_gelu=True).eval()
    assert not torch.allclose(quick(image).tokens_BLD, plain(image).tokens_BLD, atol=1e-3)
    assert torch.equal(quick(image).tokens_BLD, forced(image).tokens_BLD)


def test_tag_without_a_network_says_to_name_a_file(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(CheckpointError, match=r"openai: the weights could not be fetched.*pretrained='path/to"):
        find_clip("openai", "ViT-B-16")


def test_unknown_tag_is_refused_without_a_network():
    with pytest.raises(CheckpointError, match=r"opnai: no such file or folder.*Known names"):
        find_clip("opnai", "ViT-B-16")
