"""One small CLIP in ViT-B/16's layout, written by the libraries themselves in every form; all give the same tokens."""

import itertools
import warnings

import pytest
import torch

from tbpsbench.backbones.clip_image import CLIPImage
from tbpsbench.backbones.clip_text import CLIPText
from tbpsbench.types import Tokens
from tbpsbench.weights.torchscript import is_torchscript

# As ViT-B/16: patches of 16, heads of 64, MLP ratio 4; pretrained for square images, 4 x 4 patches.
VISION = {"embed_dim": 64, "width": 128, "layers": 2, "patch_size": 16}
TEXT = {"embed_dim": 64, "width": 64, "layers": 2, "vocab_size": 512, "context_length": 20}
SQUARE, PERSON = (64, 64), (96, 32)


@pytest.fixture(scope="module")
def open_clip_model():
    from open_clip.model import CLIP

    vision = {"image_size": 64, "layers": 2, "width": 128, "head_width": 64, "patch_size": 16}
    text = {"context_length": 20, "vocab_size": 512, "width": 64, "heads": 1, "layers": 2}
    model = CLIP(64, vision, text, quick_gelu=True).eval().requires_grad_(False)
    for parameter in model.parameters():
        # No parameter is left at an initial 0 or 1, and all survive half precision, in which OpenAI wrote its files.
        parameter.add_(0.1 * torch.randn_like(parameter)).copy_(parameter.half())
    return model


@pytest.fixture(scope="module")
def transformers_model(open_clip_model):
    from transformers import CLIPConfig, CLIPModel

    vision = {"hidden_size": 128, "num_attention_heads": 2, "intermediate_size": 512, "image_size": 64}
    text = {"hidden_size": 64, "num_attention_heads": 1, "intermediate_size": 256, "vocab_size": 512}
    text |= {"max_position_embeddings": 20, "bos_token_id": 510, "eos_token_id": 511}
    config = CLIPConfig(
        projection_dim=64,
        vision_config={**vision, "num_hidden_layers": 2, "patch_size": 16},
        text_config={**text, "num_hidden_layers": 2},
    )
    model, source = CLIPModel(config).eval().requires_grad_(False), open_clip_model
    model.logit_scale.copy_(source.logit_scale)
    model.visual_projection.weight.copy_(source.visual.proj.T)
    model.text_projection.weight.copy_(source.text_projection.T)
    vision, text = model.vision_model, model.text_model
    vision.embeddings.class_embedding.copy_(source.visual.class_embedding)
    vision.embeddings.patch_embedding.weight.copy_(source.visual.conv1.weight)
    vision.embeddings.position_embedding.weight.copy_(source.visual.positional_embedding)
    text.embeddings.token_embedding.weight.copy_(source.token_embedding.weight)
    text.embeddings.position_embedding.weight.copy_(source.positional_embedding)
    pairs = [(vision.pre_layrnorm, source.visual.ln_pre), (vision.post_layernorm, source.visual.ln_post)]
    pairs += [(text.final_layer_norm, source.ln_final)]
    for theirs, blocks in ((vision, source.visual.transformer.resblocks), (text, source.transformer.resblocks)):
        for layer, block in zip(theirs.encoder.layers, blocks, strict=True):
            pairs += [(layer.layer_norm1, block.ln_1), (layer.layer_norm2, block.ln_2)]
            pairs += [(layer.mlp.fc1, block.mlp.c_fc), (layer.mlp.fc2, block.mlp.c_proj)]
            pairs += [(layer.self_attn.out_proj, block.attn.out_proj)]
            for kind in ("weight", "bias"):
                for name, part in zip("qkv", getattr(block.attn, f"in_proj_{kind}").chunk(3), strict=True):
                    getattr(getattr(layer.self_attn, f"{name}_proj"), kind).copy_(part)
    for module, other in pairs:
        module.load_state_dict(other.state_dict())
    return model


@pytest.fixture(scope="module")
def files(tmp_path_factory, open_clip_model, transformers_model):
    """Form -> path, each written as its library writes it."""
    from open_clip.model import trace_model
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("clip")
    paths = {name: folder / f"{name}.pt" for name in ("open_clip", "openai-state", "openai-archive")}
    torch.save(open_clip_model.state_dict(), paths["open_clip"])
    half = {key: value.half() for key, value in open_clip_model.state_dict().items()}
    numbers = {"input_resolution": 64, "context_length": 20, "vocab_size": 512}
    torch.save(half | {key: torch.tensor(value) for key, value in numbers.items()}, paths["openai-state"])
    open_clip_model.visual.image_size = 64  # open_clip's tracing wants a number
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer's, about shapes that it takes as given
        traced = trace_model(open_clip_model, batch_size=2)
    torch.jit.save(traced, paths["openai-archive"])
    paths["open_clip-safetensors"] = folder / "open_clip_model.safetensors"
    save_file(
        {key: value.contiguous() for key, value in open_clip_model.state_dict().items()},
        folder / "open_clip_model.safetensors",
    )
    paths["huggingface-folder"] = folder / "huggingface"
    transformers_model.save_pretrained(folder / "huggingface")
    paths["huggingface-bin"] = folder / "pytorch_model.bin"
    torch.save(transformers_model.state_dict(), paths["huggingface-bin"])
    return paths


@pytest.fixture(scope="module")
def tokens():
    generator = torch.Generator().manual_seed(1)
    lengths = torch.tensor([20, 9, 3])
    ids = torch.randint(1, 510, (3, 20), generator=generator)
    ids[:, 0] = 510
    ids[torch.arange(3), lengths - 1] = 511
    mask = torch.arange(20) < lengths[:, None]
    return Tokens(ids * mask, mask)


def image(size):
    return torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(2))


def close(one, other):
    return torch.allclose(one, other, rtol=1e-5, atol=1e-5)


def test_every_form_gives_the_same_image_and_text_tokens(files, tokens):
    assert is_torchscript(files["openai-archive"])
    found = {}
    for form, path in files.items():
        square, person = (CLIPImage(VISION, img_size=size, pretrained=str(path)).eval() for size in (SQUARE, PERSON))
        text = CLIPText(TEXT, pretrained=str(path)).eval()
        assert square.load_report.complete
        assert text.load_report.complete
        with torch.no_grad():
            encoded = square(image(SQUARE)), person(image(PERSON)), text(tokens)
        found[form] = [part for e in encoded for part in (e.tokens_BLD, e.pooled_BD)]
    for one, other in itertools.combinations(found, 2):
        assert all(map(close, found[one], found[other])), f"{one} and {other} differ"


def test_those_tokens_are_the_libraries_own(files, tokens, open_clip_model, transformers_model):
    ours = CLIPImage(VISION, img_size=SQUARE, pretrained=str(files["openai-archive"])).eval()
    text = CLIPText(TEXT, pretrained=str(files["openai-archive"])).eval()
    with torch.no_grad():
        image_BLD, text_BTD = ours(image(SQUARE)), text(tokens)
        assert close(image_BLD.pooled_BD, open_clip_model.encode_image(image(SQUARE)))
        assert close(text_BTD.pooled_BD, open_clip_model.encode_text(tokens.ids))
        vision = transformers_model.vision_model(image(SQUARE)).last_hidden_state
        vision = transformers_model.visual_projection(transformers_model.vision_model.post_layernorm(vision))
        assert close(image_BLD.tokens_BLD, vision)
        hidden = transformers_model.text_model(tokens.ids).last_hidden_state
        assert close(text_BTD.tokens_BLD, transformers_model.text_projection(hidden))
