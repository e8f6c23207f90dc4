import pytest
from torch import nn

from tbpsbench.backbones.clip_arch import TextArch, VisionArch, activation, text_arch, vision_arch


def test_vit_b_16_has_its_published_sizes():
    assert vision_arch("ViT-B-16") == VisionArch(512, 768, 12, 12, 16)
    assert text_arch("ViT-B-16") == TextArch(512, 512, 12, 8, 49408, 77)


def test_head_width_of_the_config_is_used():
    assert vision_arch("ViT-H-14").heads == 1280 // 80


def test_activation_of_the_config_is_known():
    assert vision_arch("ViT-B-16-quickgelu").quick_gelu is True
    assert text_arch("ViT-B-16-quickgelu").quick_gelu is True
    assert vision_arch("ViT-B-16").quick_gelu is None


def test_dict_gets_openai_defaults():
    assert vision_arch({"embed_dim": 8, "width": 128, "layers": 1, "patch_size": 4}) == VisionArch(8, 128, 1, 2, 4)
    assert text_arch({"embed_dim": 8, "width": 32, "layers": 1, "vocab_size": 9}) == TextArch(8, 32, 1, 1, 9, 77)


@pytest.mark.parametrize("tower", [vision_arch, text_arch])
@pytest.mark.parametrize(
    ("arch", "message"),
    [
        ("ViT-B-17", r"arch 'ViT-B-17' is unknown; known: .*ViT-B-16"),
        ("RN50", "not a plain CLIP"),
        ("ViT-B-16-SigLIP", "not a plain CLIP"),
        ({"width": 64}, "a dict with embed_dim"),
        ({"embed_dim": 8, "width": 64, "layers": 1, "patch_size": 4, "colour": 1}, "got .*colour"),
    ],
)
def test_impossible_arch_is_refused(tower, arch, message):
    with pytest.raises(ValueError, match=message):
        tower(arch)


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="32 is not divisible by heads 5"):
        text_arch({"embed_dim": 8, "width": 32, "layers": 1, "heads": 5})


def test_activation_is_openais_or_gelu():
    assert activation(False) is nn.GELU
    assert activation(True).__name__ == "QuickGELU"
