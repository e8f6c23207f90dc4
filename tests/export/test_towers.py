"""The graphs of every kind of model embed as the model does, in batches and lengths that they were not traced with."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from small_systems import untrained

import tbpsbench
from tbpsbench import load_system
from tbpsbench.errors import ConfigError
from tbpsbench.export.graphs import write_graphs
from tbpsbench.heads.global_head import GlobalHead

CAPTIONS = ["a woman", "a man in a long red coat who carries a black bag and two umbrellas", "x " * 200]
VIT_AND_BERT = (
    "model.image_encoder=dict(type='ViT', img_size=(48, 24), patch_size=8, "
    "arch=dict(embed_dims=16, num_layers=1, num_heads=2, feedforward_channels=32))",
    "model.text_encoder=dict(type='BERT', arch=dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, "
    "intermediate_size=32, max_position_embeddings=64), vocab_size='from_data:vocab_size', pooling='mean')",
    "data.tokenizer=dict(type='WordPiece', vocab_size=300, max_length=40)",
)
TSE = (
    "plugins=['rde']",
    "model.heads={{'bge': dict(type='GlobalHead', embed_dim=8), 'tse': dict(type='TSE', dim=16, text_length=48, "
    "asking='last', train_bn='normal', padding={padding!r}), 'global': None}}",
    "model.losses=dict(itc=dict(type='InfoNCE', anchor='heads.bge.image', positive='heads.bge.text'))",
)
FUSED = (
    "model.disentangler=dict(type='BDAM')",
    "model.fuser=dict(type='MambaFuser', image='identity', text=None, dim=16, out_dim=16, depth=1, "
    "sequence={sequence!r})",
    "model.heads.global.image='fused'",
    "model.heads.global.project='text'",
)


def fused(sequence):
    return tuple(part.format(sequence=sequence) for part in FUSED)


def selecting(padding):
    return tuple(part.format(padding=padding) for part in TSE)


KINDS = {
    "clip": (),
    "vit and bert": VIT_AND_BERT,
    "two heads, padding ignored": selecting("ignored"),
    "two heads, padding read": selecting("published"),
    "fused, one position": fused("pooled"),
    "fused, a sequence": fused("tokens")[1:],
}
OURS = (Path(tbpsbench.__file__).parent, Path(torch.__file__).parent)  # no file names folders of this machine
TAKES_ONE_LENGTH = ("two heads, padding read",)


@pytest.mark.parametrize("kind", KINDS)
def test_graphs_embed_as_the_model_does(mini, tmp_path, kind):
    system = load_system(untrained(mini, tmp_path / "system.pth", *KINDS[kind]))
    files = {"text": tmp_path / "text.onnx", "image": tmp_path / "image.onnx"}
    before = {key: value.clone() for key, value in system.model.state_dict().items()}
    system.model.train()
    length = write_graphs(system, files)
    assert system.model.training
    assert system.model.cut_texts
    assert all(torch.equal(before[key], value) for key, value in system.model.state_dict().items())
    system.model.eval()
    assert length == (system.tokenizer.max_length if kind in TAKES_ONE_LENGTH else None)
    graph = onnx.load(files["image"])
    onnx.checker.check_model(graph)
    nodes = [*graph.graph.node, *(node for function in graph.functions for node in function.node)]
    assert not any(str(place).encode() in file.read_bytes() for file in files.values() for place in OURS)
    # One node that any runtime knows, not a step for each position.
    assert [node.op_type for node in nodes].count("Scan") == (kind == "fused, a sequence")
    text, image = (onnxruntime.InferenceSession(str(files[side])) for side in ("text", "image"))
    pictures = sorted((mini / "tiny-0" / "images").glob("*.png"))[:5]
    for count in (1, 5):
        pixels = torch.stack([system.preprocess(picture) for picture in pictures[:count]])
        (found,) = image.run(["image_embeds"], {"pixel_values": pixels.numpy()})
        np.testing.assert_allclose(found, system.encode_images(pictures[:count]).numpy(), atol=2e-6)
    tokens = system.tokenizer(CAPTIONS)
    for rows in ([0], [0, 1], [0, 1, 2]):
        ids, mask = tokens.ids[rows], tokens.mask[rows].long()
        shown = slice(None) if length else slice(int(mask.sum(1).max()))
        given = {"input_ids": ids[:, shown].numpy(), "attention_mask": mask[:, shown].numpy()}
        (found,) = text.run(["text_embeds"], given)
        np.testing.assert_allclose(found, system.encode_text([CAPTIONS[row] for row in rows]).numpy(), atol=2e-6)


def test_a_part_that_turns_a_size_into_a_number_is_named_with_the_way_out(mini, tmp_path, monkeypatch):
    def counts(self, features, name, projection):
        if name not in features:
            return None
        rows = features[name]
        return torch.cat([projection(rows)[row : row + 1] for row in range(len(rows))])

    monkeypatch.setattr(GlobalHead, "_side", counts)
    system = load_system(untrained(mini, tmp_path / "system.pth"))
    with pytest.raises(
        ConfigError, match=r"the text side cannot be written in ONNX.*x\.shape\[0\] in place of len\(x\)"
    ):
        write_graphs(system, {"text": tmp_path / "text.onnx", "image": tmp_path / "image.onnx"})
