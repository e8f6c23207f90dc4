import pytest
import torch
from golden_files import Golden, assert_golden, clip_towers, each_golden

from tbpsbench.backbones.clip_image import CLIPImage
from tbpsbench.errors import CheckpointError, RegistryError
from tbpsbench.registry import IMAGE_ENCODERS

SMALL = {"embed_dim": 24, "width": 32, "layers": 2, "heads": 4, "patch_size": 8}


def released(golden, tmp_path, **changed):
    """The tower of a golden file, its weights read from a file that names them as OpenAI does."""
    torch.save(golden.weights("base_model.") | changed, tmp_path / "clip.pt")
    section, _ = clip_towers(golden)
    return IMAGE_ENCODERS.build({**section, "pretrained": str(tmp_path / "clip.pt")}).eval()


@pytest.mark.parametrize("need_attention", [False, True])
@each_golden("irra")
def test_golden_irra_image_tokens(path, tmp_path, need_attention):
    golden = Golden(path)
    encoded = released(golden, tmp_path)(golden.tensor("images"), need_attention=need_attention)
    assert_golden(encoded.tokens_BLD, golden["image_tokens"])
    assert torch.equal(encoded.pooled_BD, encoded.tokens_BLD[:, 0])


@each_golden("irra")
def test_golden_irra_image_tokens_from_the_square_grid(path, tmp_path):
    """The grid before IRRA resized it gives the same tokens: we resize it as IRRA does."""
    golden = Golden(path)
    square = golden.tensor("clip_source_visual_posemb")
    encoder = released(golden, tmp_path, **{"visual.positional_embedding": square})
    assert_golden(encoder(golden.tensor("images")).tokens_BLD, golden["image_tokens"])


@each_golden("rde")
def test_golden_rde_image_embedding(path, tmp_path):
    golden = Golden(path)
    pooled = released(golden, tmp_path)(golden.tensor("images"), need_attention=True).pooled_BD
    assert_golden(pooled, golden["eval/image_bge"])


@pytest.mark.parametrize(
    ("img_size", "stride", "grid_hw"),
    [
        ((32, 16), None, (4, 2)),
        ((32, 16), 8, (4, 2)),
        ((32, 16), 4, (7, 3)),
        ((33, 17), None, (4, 2)),
        ((33, 17), 5, (6, 2)),
        ((24, 40), 12, (2, 3)),
        ((8, 8), None, (1, 1)),
    ],
)
def test_one_token_per_patch_and_a_cls_token(img_size, stride, grid_hw):
    encoder = CLIPImage(SMALL, img_size=img_size, stride=stride).eval()
    encoded = encoder(torch.randn(2, 3, *img_size), need_attention=True)
    count = 1 + grid_hw[0] * grid_hw[1]
    assert encoder.grid_hw == grid_hw
    assert encoded.tokens_BLD.shape == (2, count, 24)
    assert encoded.pooled_BD.shape == (2, encoder.dim)
    assert encoded.attention_BLL.shape == (2, count, count)
    assert encoded.prefix == 1


def test_named_arch_is_built_at_irras_size():
    encoder = IMAGE_ENCODERS.build({"type": "CLIPImage", "arch": "ViT-S-32", "img_size": (384, 128)})
    assert encoder.dim == 384
    assert encoder.grid_hw == (12, 4)


def test_tokens_pooled_equal_open_clips_own_forward():
    encoder = CLIPImage(SMALL, img_size=(32, 16)).eval()
    image = torch.randn(2, 3, 32, 16)
    assert torch.allclose(encoder(image).pooled_BD, encoder.visual(image), atol=1e-6)


def test_overlapping_patches_load_resized_positions(tmp_path):
    square = CLIPImage(SMALL, img_size=(32, 32))
    state = {f"visual.{key}": value for key, value in square.visual.state_dict().items()}
    torch.save(state, tmp_path / "clip.pt")
    overlapping = CLIPImage(SMALL, img_size=(48, 16), stride=4, pretrained=str(tmp_path / "clip.pt")).eval()
    assert overlapping.grid_hw == (11, 3)
    assert torch.equal(overlapping.visual.conv1.weight, square.visual.conv1.weight)
    assert overlapping(torch.randn(1, 3, 48, 16)).tokens_BLD.shape == (1, 34, 24)


def test_attention_rows_sum_to_one_and_do_not_change_the_tokens():
    encoder = CLIPImage(SMALL, img_size=(32, 16)).eval()
    image = torch.randn(2, 3, 32, 16)
    encoded = encoder(image, need_attention=True)
    assert torch.allclose(encoded.attention_BLL.sum(-1), torch.ones(2, 9), atol=1e-6)
    assert torch.allclose(encoded.tokens_BLD, encoder(image).tokens_BLD, atol=1e-6)
    assert encoder(image).attention_BLL is None


def test_attention_is_the_last_blocks_mean_over_heads():
    encoder = CLIPImage(SMALL, img_size=(32, 16)).eval()
    image = torch.randn(2, 3, 32, 16)
    last = encoder.visual.transformer.resblocks[-1]
    seen = {}
    handle = last.register_forward_pre_hook(lambda _, inputs: seen.update(x=inputs[0]))
    encoder(image)
    handle.remove()
    query, key, _ = nn_linear(last, last.ln_1(seen["x"])).chunk(3, dim=-1)
    query, key = (part.reshape(2, 9, 4, 8).transpose(1, 2) for part in (query, key))
    expected = (query @ key.transpose(-1, -2) / 8**0.5).softmax(-1).mean(1)
    assert torch.allclose(encoder(image, need_attention=True).attention_BLL, expected, atol=1e-6)


def nn_linear(block, x):
    return torch.nn.functional.linear(x, block.attn.in_proj_weight, block.attn.in_proj_bias)


def test_every_parameter_learns():
    encoder = CLIPImage(SMALL, img_size=(32, 16))
    encoder(torch.randn(2, 3, 32, 16)).tokens_BLD.square().sum().backward()
    assert [name for name, p in encoder.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("stride", [None, 4])
def test_same_seed_same_weights(stride):
    torch.manual_seed(3)
    first = CLIPImage(SMALL, img_size=(32, 16), stride=stride).state_dict()
    torch.manual_seed(3)
    second = CLIPImage(SMALL, img_size=(32, 16), stride=stride).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_image_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"\(32, 16\).*got \(16, 32\)"):
        CLIPImage(SMALL, img_size=(32, 16))(torch.randn(1, 3, 16, 32))


@pytest.mark.parametrize("settings", [{"img_size": (4, 16)}, {"img_size": (32, 16), "stride": 0}])
def test_impossible_sizes_are_refused(settings):
    with pytest.raises(ValueError, match="must hold a patch of 8"):
        CLIPImage(SMALL, **settings)


def test_the_registry_checks_the_arguments():
    with pytest.raises(RegistryError, match=r"CLIPImage\.stride is 'half'"):
        IMAGE_ENCODERS.build({"type": "CLIPImage", "arch": SMALL, "stride": "half"})


def test_missing_weights_name_the_file():
    with pytest.raises(CheckpointError, match=r"nowhere\.pt: no such file"):
        CLIPImage(SMALL, pretrained="nowhere.pt")
