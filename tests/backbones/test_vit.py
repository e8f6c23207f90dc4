import pytest
import torch
from torch import nn

from tbpsbench.backbones.stem import ConvStem
from tbpsbench.backbones.vit import ARCHS, ViT
from tbpsbench.errors import CheckpointError, RegistryError
from tbpsbench.registry import IMAGE_ENCODERS

SMALL = {"embed_dims": 32, "num_layers": 2, "num_heads": 4, "feedforward_channels": 64}


def small(**settings):
    settings = {"arch": SMALL, "img_size": (32, 16), "patch_size": 8, **settings}
    return ViT(**settings).eval()


@pytest.mark.parametrize(
    ("img_size", "patch_size", "stem", "grid_hw"),
    [
        ((32, 16), 8, "patch", (4, 2)),
        ((32, 16), 8, "conv", (4, 2)),
        ((96, 48), 16, "conv", (6, 3)),
        ((32, 64), 32, "conv", (1, 2)),
        ((33, 17), 16, "patch", (3, 2)),  # mmpretrain pads the last patches
        ((8, 8), 8, "patch", (1, 1)),
    ],
)
def test_one_token_per_patch_and_a_cls_token(img_size, patch_size, stem, grid_hw):
    vit = small(img_size=img_size, patch_size=patch_size, stem=stem)
    encoded = vit(torch.randn(3, 3, *img_size))
    assert vit.grid_hw == grid_hw
    assert encoded.tokens_BLD.shape == (3, 1 + grid_hw[0] * grid_hw[1], 32)
    assert encoded.pooled_BD.shape == (3, vit.dim)
    assert encoded.prefix == 1
    assert encoded.mask_BL is None
    assert encoded.attention_BLL is None


@pytest.mark.parametrize("name", ["tiny", "small"])
def test_named_arch_has_its_published_width(name):
    vit = IMAGE_ENCODERS.build({"type": "ViT", "arch": name, "img_size": (32, 16), "stem": "conv"})
    assert vit.dim == ARCHS[name]["embed_dims"]
    assert len(vit.vit.layers) == 12


@pytest.mark.parametrize("stem", ["patch", "conv"])
def test_tokens_equal_mmpretrains_own_forward(stem):
    vit = small(stem=stem)
    image = torch.randn(2, 3, 32, 16)
    assert torch.allclose(vit(image).tokens_BLD, vit.vit(image)[0], atol=1e-6)


def test_pooled_is_cls_or_mean_over_patches():
    image = torch.randn(2, 3, 32, 16)
    cls, mean = small()(image), small(pooling="mean")(image)
    assert torch.equal(cls.pooled_BD, cls.tokens_BLD[:, 0])
    assert torch.allclose(mean.pooled_BD, mean.tokens_BLD[:, 1:].mean(1))


def test_attention_of_the_last_block_weighs_its_values():
    """Rebuilding the last block from the returned weights needs one head, where the average is the head itself."""
    vit = small(arch={**SMALL, "num_heads": 1})
    image = torch.randn(2, 3, 32, 16)
    encoded = vit(image, need_attention=True)
    assert torch.allclose(encoded.attention_BLL.sum(-1), torch.ones(2, 9), atol=1e-6)
    assert torch.equal(encoded.tokens_BLD, vit(image).tokens_BLD)
    seen = {}
    last = vit.vit.layers[-1]
    last.register_forward_pre_hook(lambda _, inputs: seen.update(x=inputs[0]))
    vit(image)
    value = last.attn.qkv(last.ln1(seen["x"]))[..., 64:]
    x = seen["x"] + last.attn.proj(encoded.attention_BLL @ value)
    assert torch.allclose(vit.vit.ln1(last.ffn(last.ln2(x), identity=x)), encoded.tokens_BLD, atol=1e-5)


def test_attention_is_averaged_over_heads():
    vit = small()
    image = torch.randn(2, 3, 32, 16)
    seen = {}
    vit.vit.layers[-1].attn.qkv.register_forward_hook(lambda _module, _inputs, output: seen.update(qkv=output))
    vit(image)
    query, key, _ = seen["qkv"].chunk(3, dim=-1)
    heads = [slice(8 * head, 8 * head + 8) for head in range(4)]
    expected = sum((query[..., h] @ key[..., h].transpose(1, 2) / 8**0.5).softmax(-1) for h in heads) / 4
    attention = vit(image, need_attention=True).attention_BLL
    assert torch.allclose(attention, expected, atol=1e-6)
    assert torch.allclose(attention.sum(-1), torch.ones(2, 9), atol=1e-6)


@pytest.mark.parametrize("stem", ["patch", "conv"])
def test_an_image_has_the_same_tokens_alone_and_in_a_batch(stem):
    vit = small(stem=stem).train()
    images = torch.randn(4, 3, 32, 16)
    assert torch.allclose(vit(images).tokens_BLD[:1], vit(images[:1]).tokens_BLD, atol=1e-5)


@pytest.mark.parametrize("stem", ["patch", "conv"])
def test_every_parameter_learns(stem):
    vit = small(stem=stem)
    vit(torch.randn(2, 3, 32, 16)).tokens_BLD.square().sum().backward()
    assert [name for name, p in vit.named_parameters() if p.grad is None] == []


def test_position_matters():
    vit = small(arch={**SMALL, "num_layers": 1}, patch_size=8)
    image = torch.randn(1, 3, 32, 16)
    swapped = torch.cat([image[..., 16:, :], image[..., :16, :]], dim=-2)
    assert not torch.allclose(vit(image).pooled_BD, vit(swapped).pooled_BD, atol=1e-4)


def test_same_seed_same_weights():
    torch.manual_seed(3)
    first = small(stem="conv").state_dict()
    torch.manual_seed(3)
    second = small(stem="conv").state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_dropout_acts_in_training_only():
    vit = small(drop_rate=0.5, attn_drop_rate=0.5, drop_path_rate=0.5)
    image = torch.randn(2, 3, 32, 16)
    assert torch.equal(vit(image).pooled_BD, vit(image).pooled_BD)
    vit.train()
    assert not torch.equal(vit(image).pooled_BD, vit(image).pooled_BD)


def test_initialisation_by_a_runner_leaves_the_weights_alone():
    """mmengine's Runner calls init_weights on the whole model; pretrained weights must survive it."""
    from mmengine.logging import MMLogger
    from mmengine.model import BaseModule

    class Model(BaseModule):
        def __init__(self):
            super().__init__()
            self.encoder = small()

    model = Model()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    # It writes to the newest logger, and that of an earlier run loses its file when submitit is imported.
    MMLogger.get_instance("initialisation of ViT")
    model.init_weights()
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_image_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"\(32, 16\).*got \(32, 32\)"):
        small()(torch.randn(1, 3, 32, 32))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"arch": "giant"}, "arch 'giant' is unknown"),
        ({"arch": {"embed_dims": 8}}, "a dict with exactly"),
        ({"arch": {**SMALL, "num_heads": 5}}, "not divisible"),
        ({"stem": "conv", "img_size": (30, 16)}, "multiple of"),
        ({"stem": "conv", "patch_size": 4}, "multiple of 8"),
        ({"stem": "conv", "pretrained": "vit-base-patch16-224"}, "stem='patch'"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        small(**settings)


@pytest.mark.parametrize("argument", [{"stem": "convolutional"}, {"pooling": "max"}, {"img_size": 224}])
def test_the_registry_knows_the_choices(argument):
    with pytest.raises(RegistryError, match=f"ViT.{next(iter(argument))} is"):
        IMAGE_ENCODERS.build({"type": "ViT", "arch": SMALL, **argument})


def test_missing_weights_name_the_file():
    with pytest.raises(CheckpointError, match=r"nowhere\.pth: no such file"):
        small(pretrained="nowhere.pth")


def test_stem_takes_the_place_of_a_patch_embedding():
    stem = ConvStem(16, (32, 48), 16)
    patches, grid = stem(torch.randn(2, 3, 32, 48))
    assert patches.shape == (2, 6, 16)
    assert grid == stem.init_out_size == (2, 3)
    assert sum(isinstance(layer, nn.Conv2d) and layer.stride == (2, 2) for layer in stem.convolutions) == 3


def test_stem_numbers_patches_row_by_row():
    stem = ConvStem(16, (64, 64), 16)
    image = torch.randn(1, 3, 64, 64)
    changed = image.clone()
    changed[..., 20:28, 52:60] += 5  # inside row 1, column 3
    difference = (stem(image)[0] - stem(changed)[0]).abs().sum(-1)[0]
    assert difference.argmax() == 1 * 4 + 3


def test_stem_needs_a_width_divisible_by_four():
    with pytest.raises(ValueError, match="divisible by 4"):
        ConvStem(18, (32, 32), 8)
