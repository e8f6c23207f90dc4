"""Every built-in component keeps the promises of its slot; a new one is found by itself. Plug-ins test their own."""

import pytest
import torch

from tbpsbench import registry, testing
from tbpsbench.builtins import BUILTINS

VIT = {"embed_dims": 16, "num_layers": 1, "num_heads": 2, "feedforward_channels": 32}
BERT = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
CLIP = {"embed_dim": 8, "width": 16, "layers": 1, "heads": 2}
# The smallest config of components whose arguments have no (small) defaults.
SMALL = {
    "GlobalHead": {"embed_dim": 8},
    "RandomPick": {"transforms": [{"type": "HorizontalFlip"}, {"type": "Grayscale"}]},
    "BDAM": {"depth": 2},
    "SimpleFuser": {"dim": 16, "out_dim": 8},
    "TransformerFuser": {"dim": 16, "out_dim": 8, "depth": 1},
    "MambaFuser": {"dim": 16, "out_dim": 8},
    "ViT": {"arch": VIT, "img_size": (32, 16), "patch_size": 8},
    "CLIPImage": {"arch": {**CLIP, "patch_size": 8}, "img_size": (32, 16)},
    "CLIPText": {"arch": {**CLIP, "vocab_size": 50, "context_length": 12}},
    "GradNorm": {"layer": "shared"},
    "Random": {"clusters": 3},
    "KMeans": {"clusters": 3},
    "GMM": {"clusters": 3, "dims": 4},
    "Agglomerative": {"clusters": 3},
    "HDBSCAN": {"dims": 4},
    "UniformPrototypes": {"prototypes": 20, "nearest": 15},
    "BERT": {"arch": {**BERT, "max_position_embeddings": 12}, "vocab_size": 50},
}


def config(name):
    return {"type": name, **SMALL.get(name, {})}


@pytest.mark.parametrize("name", BUILTINS["LOSSES"])
def test_loss(name):
    testing.check_loss(config(name))


@pytest.mark.parametrize(
    "options",
    [
        {"type": "InfoNCE", "positives": "identity", "learnable": True},
        {"type": "ClothingAlignment", "dim": 4, "symmetric": True},
        {"type": "Triplet", "mining": "batch-all"},
        {"type": "Triplet", "mining": "semi-hard", "normalize": True},
        *(
            {"type": "HSIC", "kernel": kernel, "estimator": estimator, "normalize": True}
            for kernel in ("linear", "rbf")
            for estimator in ("biased", "unbiased")
        ),
    ],
)
def test_loss_with_options(options):
    testing.check_loss(options)


@pytest.mark.parametrize("name", BUILTINS["BALANCERS"])
def test_balancer(name):
    testing.check_balancer(config(name))


@pytest.mark.parametrize("name", BUILTINS["HEADS"])
def test_head(name):
    testing.check_head(config(name))


@pytest.mark.parametrize("name", BUILTINS["DISENTANGLERS"])
def test_disentangler(name):
    testing.check_disentangler(config(name))


@pytest.mark.parametrize("name", BUILTINS["FUSERS"])
def test_fuser(name):
    testing.check_fuser(config(name))


@pytest.mark.parametrize("name", BUILTINS["TRANSFORMS"])
def test_transform(name):
    testing.check_transform(config(name))


@pytest.mark.parametrize("name", BUILTINS["TEXT_TRANSFORMS"])
def test_text_transform(name):
    testing.check_text_transform(config(name))


@pytest.mark.parametrize(
    ("slot", "name"),
    [(slot, name) for slot in ("IMAGE_ENCODERS", "TEXT_ENCODERS") for name in BUILTINS[slot]],
)
def test_encoder(slot, name):
    testing.check_encoder(config(name), slot)


@pytest.mark.parametrize("name", BUILTINS["SCHEDULES"])
def test_schedule(name):
    testing.check_schedule(config(name))


@pytest.mark.parametrize("name", ["AdamW", "SGD", "Adafactor", "RMSprop"])
def test_optimizer(name):
    testing.check_optimizer({"type": name, "lr": 0.01})


def test_model():
    parts = {"heads": {"global": config("GlobalHead")}, "losses": {"itc": config("InfoNCE")}}
    testing.check_model(
        {"type": "PersonSearchModel", "image_encoder": config("ViT"), "text_encoder": config("BERT"), **parts}
    )


@pytest.mark.parametrize("name", BUILTINS["CLUSTERERS"])
def test_clusterer(name):
    testing.check_clusterer(config(name))


def test_every_entry_of_every_slot_has_the_base_class_and_a_docstring():
    for slot in registry.SLOTS.values():
        for name in slot.names():
            entry = slot.entry(name)
            assert entry.cls.__doc__, f"{slot.slot}: {name} has no docstring"
            assert entry.plugin or entry.origin.startswith("tbpsbench/") or name in vars(torch.optim)
