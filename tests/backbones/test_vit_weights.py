import pytest
import torch
from safetensors.torch import save_file

from tbpsbench.backbones.vit import ViT
from tbpsbench.backbones.vit_weights import convert_vit, detect_form, fit_positions, join_qkv
from tbpsbench.errors import CheckpointError

ARCH = {"embed_dims": 32, "num_layers": 2, "num_heads": 4, "feedforward_channels": 64}


@pytest.fixture
def image():
    return torch.randn(2, 3, 32, 32)


def load(path, img_size=(32, 32)):
    return ViT(ARCH, img_size=img_size, patch_size=8, pretrained=str(path)).eval()


def shaken(module):
    """Random weights large enough that a wrong key, order or norm shows."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    module.eval()  # mmpretrain's returns nothing
    return module


def timm_vit():
    from timm.models.vision_transformer import VisionTransformer

    return shaken(
        VisionTransformer(img_size=32, patch_size=8, embed_dim=32, depth=2, num_heads=4, mlp_ratio=2, num_classes=5)
    )


def huggingface_vit():
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, image_size=32, patch_size=8,
        layer_norm_eps=1e-6, num_labels=5,
    )  # fmt: skip
    return shaken(ViTForImageClassification(config))


def test_timm_weights_give_timms_tokens(tmp_path, image):
    theirs = timm_vit()
    torch.save(theirs.state_dict(), tmp_path / "timm.pth")
    ours = load(tmp_path / "timm.pth")
    assert torch.allclose(ours(image).tokens_BLD, theirs.forward_features(image), rtol=1e-5, atol=1e-5)
    assert set(ours.load_report.ignored) == {"head.weight", "head.bias"}


def test_huggingface_folder_gives_transformers_tokens(tmp_path, image):
    theirs = huggingface_vit()
    theirs.save_pretrained(tmp_path)
    ours = load(tmp_path)
    assert torch.allclose(ours(image).tokens_BLD, theirs.vit(image).last_hidden_state, rtol=1e-5, atol=1e-5)
    assert set(ours.load_report.ignored) == {"classifier.weight", "classifier.bias"}


def test_huggingface_state_in_memory_gives_the_same_as_the_folder(tmp_path, image):
    """transformers 5 names the modules otherwise than the files that it writes."""
    theirs = huggingface_vit()
    theirs.save_pretrained(tmp_path)
    torch.save(theirs.vit.state_dict(), tmp_path / "memory.pth")
    assert torch.equal(load(tmp_path / "memory.pth")(image).tokens_BLD, load(tmp_path)(image).tokens_BLD)


@pytest.mark.parametrize("prefix", ["", "backbone."])
def test_mmpretrain_weights_give_mmpretrains_tokens(tmp_path, image, prefix):
    from mmpretrain.models.backbones.vision_transformer import VisionTransformer

    theirs = shaken(VisionTransformer(ARCH, img_size=32, patch_size=8, out_type="raw"))
    state = {prefix + key: value for key, value in theirs.state_dict().items()}
    if prefix:
        state["head.layers.head.weight"] = torch.zeros(5, 32)
    torch.save({"meta": {"epoch": 1}, "state_dict": state}, tmp_path / "mm.pth")
    ours = load(tmp_path / "mm.pth")
    assert torch.allclose(ours(image).tokens_BLD, theirs(image)[0], rtol=1e-5, atol=1e-5)
    assert len(ours.load_report.ignored) == bool(prefix)


def test_three_forms_of_the_same_weights_give_the_same_tokens(tmp_path, image):
    """timm's weights rewritten by hand as Hugging Face's and mmpretrain's files."""
    timm = timm_vit().state_dict()
    huggingface, mmpretrain = {}, {}
    for key, value in timm.items():
        parts = key.split(".")
        if parts[0] != "blocks":
            simple = {
                "cls_token": ("embeddings.cls_token", "cls_token"),
                "pos_embed": ("embeddings.position_embeddings", "pos_embed"),
            }
            if key in simple:
                huggingface["vit." + simple[key][0]], mmpretrain[simple[key][1]] = value, value
            elif parts[0] == "patch_embed":
                huggingface[f"vit.embeddings.patch_embeddings.projection.{parts[-1]}"] = value
                mmpretrain[f"patch_embed.projection.{parts[-1]}"] = value
            elif parts[0] == "norm":
                huggingface[f"vit.layernorm.{parts[-1]}"], mmpretrain[f"ln1.{parts[-1]}"] = value, value
            else:
                huggingface[f"classifier.{parts[-1]}"] = value
            continue
        block, rest, kind = f"vit.encoder.layer.{parts[1]}.", ".".join(parts[2:-1]), parts[-1]
        mmpretrain[f"layers.{parts[1]}." + {
            "norm1": "ln1", "norm2": "ln2", "attn.qkv": "attn.qkv", "attn.proj": "attn.proj",
            "mlp.fc1": "ffn.layers.0.0", "mlp.fc2": "ffn.layers.1",
        }[rest] + f".{kind}"] = value  # fmt: skip
        if rest == "attn.qkv":
            for name, part in zip(("query", "key", "value"), value.chunk(3), strict=True):
                huggingface[f"{block}attention.attention.{name}.{kind}"] = part.clone()
        else:
            huggingface[block + {
                "norm1": "layernorm_before", "norm2": "layernorm_after", "attn.proj": "attention.output.dense",
                "mlp.fc1": "intermediate.dense", "mlp.fc2": "output.dense",
            }[rest] + f".{kind}"] = value  # fmt: skip
    tokens = []
    for name, state in (("timm", timm), ("huggingface", huggingface), ("mmpretrain", mmpretrain)):
        save_file(state, tmp_path / f"{name}.safetensors")
        tokens.append(load(tmp_path / f"{name}.safetensors")(image).tokens_BLD)
    assert torch.equal(tokens[0], tokens[1])
    assert torch.equal(tokens[0], tokens[2])


def test_position_grid_is_resized_to_the_image(tmp_path):
    theirs = timm_vit()
    torch.save(theirs.state_dict(), tmp_path / "timm.pth")
    ours = load(tmp_path / "timm.pth", img_size=(48, 16))
    assert ours(torch.randn(1, 3, 48, 16)).tokens_BLD.shape == (1, 13, 32)
    assert torch.equal(ours.vit.pos_embed[:, 0], theirs.pos_embed[:, 0])


def test_a_grid_of_the_models_own_shape_is_kept():
    positions = torch.randn(1, 13, 4)
    assert fit_positions({"p": positions}, "p", (6, 2), "x")["p"] is positions


def test_a_grid_of_as_many_cells_as_the_model_is_the_models_own_and_the_report_says_so(tmp_path):
    theirs = ViT(ARCH, img_size=(64, 16), patch_size=8)  # 8 x 2 cells, as many as 4 x 4
    torch.nn.init.normal_(theirs.vit.pos_embed)
    torch.save(theirs.vit.state_dict(), tmp_path / "own.pth")
    ours = load(tmp_path / "own.pth", img_size=(64, 16))
    assert torch.equal(ours.vit.pos_embed, theirs.vit.pos_embed)
    assert ours.load_report.assumed == (
        "pos_embed: 16 positions taken as the model's own grid, 8 x 2, not as 4 x 4",
    )  # fmt: skip
    for size in ((32, 32), (48, 16), (64, 32)):
        square = load(tmp_path / "own.pth", img_size=size)
        assert square.load_report.assumed == ()


def test_a_grid_that_is_neither_square_nor_ours_is_refused():
    with pytest.raises(CheckpointError, match=r"x: p: 12 positions.*grid is 4 x 4"):
        fit_positions({"p": torch.randn(1, 13, 4)}, "p", (4, 4), "x")


def test_missing_and_unknown_keys_are_refused_by_name(tmp_path):
    state = timm_vit().state_dict()
    state["blocks.1.attn.rel_pos"] = torch.zeros(1)
    del state["blocks.0.mlp.fc2.bias"]
    torch.save(state, tmp_path / "timm.pth")
    with pytest.raises(CheckpointError) as caught:
        load(tmp_path / "timm.pth")
    assert "layers.0.ffn.layers.1.bias" in str(caught.value)
    assert "blocks.1.attn.rel_pos" in str(caught.value)


def test_another_architecture_is_refused_with_both_shapes(tmp_path):
    torch.save(timm_vit().state_dict(), tmp_path / "timm.pth")
    with pytest.raises(CheckpointError, match=r"\[64, 32\] in the file, \[128, 32\] in the model"):
        ViT(
            {**ARCH, "feedforward_channels": 128},
            img_size=(32, 32),
            patch_size=8,
            pretrained=str(tmp_path / "timm.pth"),
        )


def test_weights_of_something_else_show_their_keys():
    with pytest.raises(CheckpointError, match=r"x: no ViT weights.*layer1\.conv"):
        detect_form({"layer1.conv": torch.zeros(1)}, "x")
    with pytest.raises(CheckpointError, match="no ViT weights"):
        convert_vit({"visual.conv1.weight": torch.zeros(1)}, "x")


def test_incomplete_query_key_value_stays_visible():
    state = {"attn.query.weight": torch.zeros(2, 2), "attn.key.weight": torch.zeros(2, 2)}
    assert join_qkv(state, "attn.{}", ("query", "key", "value")).keys() == state.keys()


def test_query_key_value_are_stacked_in_that_order():
    state = {f"a.attn.{name}.bias": torch.full((2,), float(i)) for i, name in enumerate(("query", "key", "value"))}
    joined = join_qkv(dict(reversed(state.items())), "attn.{}", ("query", "key", "value"))
    assert joined["a.attn.qkv.bias"].tolist() == [0, 0, 1, 1, 2, 2]
    assert list(joined) == ["a.attn.qkv.bias"]
