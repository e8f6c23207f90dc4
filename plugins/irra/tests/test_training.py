"""The whole system: in two processes, with shared masks, with long texts, from scratch, and from a released file."""

import runpy
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from small_models import CLIP_TOKENS, tiny_mini_pedes
from tbpsbench_irra import released_name

from tbpsbench import testing
from tbpsbench.config.load import load_config
from tbpsbench.engine.run import build_run
from tbpsbench.errors import ConfigError
from tbpsbench.model.person_search import PersonSearchModel
from tbpsbench.types import Batch, Tokens

ROOT = Path(__file__).parents[3]
PUBLISHED = ROOT / "configs/irra/irra_clip-vit-b16_1xb64-60e_cuhk-pedes.py"
TINY = ROOT / "configs/irra/irra_tiny_mini-pedes.py"
ARCH = {"embed_dim": 16, "width": 32, "layers": 1, "heads": 2}
PIDS = (0, 0, 1, 2, 2, 3, 1, 0)


def build(**mlm):
    torch.manual_seed(0)
    return PersonSearchModel(
        image_encoder={"type": "CLIPImage", "arch": {**ARCH, "patch_size": 8}, "img_size": (32, 16)},
        text_encoder={"type": "CLIPText", "arch": {**ARCH, "vocab_size": 50, "context_length": 9}},
        heads={"global": {"type": "GlobalHead"}},
        losses={
            "sdm": {"type": "SDM"},
            "id": {"type": "IDLoss", "num_ids": 4},
            "mlm": {"type": "MLM", "vocab_size": 50, "depth": 1, **mlm},
        },
    )


def joined_batch():
    """Eight pairs, of which the first four have more masked tokens than the others."""
    batch = testing.toy_batch(PIDS)
    query, masked = batch.texts["query"], batch.texts["masked"]
    masked.labels[:4, 2], masked.ids[:4, 2] = query.ids[:4, 2], 3
    batch.texts = {"query": query, "masked": masked}
    return batch


def rows(batch, part):
    texts = {
        role: Tokens(tokens.ids[part], tokens.mask[part], None if tokens.labels is None else tokens.labels[part])
        for role, tokens in batch.texts.items()
    }
    index = torch.arange(len(batch))[part]
    return Batch(batch.image_B3HW[part], texts, batch.pid_B[part], index, index, index, torch.ones(len(index)))


def step(model, batch):
    """Values of the losses by name, and the gradient of their sum by parameter."""
    losses = model(batch)
    total, _ = model.parse_losses(losses)
    total.backward()
    return {name: loss.value.detach() for name, loss in losses.items()}, {
        n: p.grad for n, p in model.named_parameters()
    }


def work(rank, path, mlm):
    torch.set_num_threads(1)
    whole_values, whole_grads = step(build(**mlm).double(), double(joined_batch()))
    dist.init_process_group("gloo", init_method=f"file://{path}", rank=rank, world_size=2)
    values, grads = step(build(**mlm).double(), double(rows(joined_batch(), slice(rank * 4, rank * 4 + 4))))
    for grad in grads.values():
        dist.all_reduce(grad)  # as DDP does, which then divides by the number of processes
    dist.destroy_process_group()
    torch.testing.assert_close(values, whole_values, rtol=1e-9, atol=1e-12)
    for name, grad in whole_grads.items():
        torch.testing.assert_close(grads[name] / 2, grad, rtol=1e-6, atol=1e-10, msg=name)


def double(batch):
    batch.image_B3HW = batch.image_B3HW.double()
    return batch


@pytest.mark.parametrize("mlm", [{}, {"attend_padding": False}], ids=["padding", "no-padding"])
def test_two_processes_equal_one(mlm, tmp_path):
    # Forked: a test module has no name that a spawned process could import.
    mp.start_processes(work, (tmp_path / "rendezvous", mlm), nprocs=2, start_method="fork")


def test_shared_masks_show_the_masked_caption_to_every_loss():
    # In float64: in float32 gradients that cancel keep the order in which the captions' parts were added.
    batch = double(joined_batch())
    masked = batch.texts["masked"]
    apart, _ = step(build().double(), batch)
    twice = {"query": masked, "masked": masked}
    expected, expected_grads = step(build().double(), replace(batch, texts=twice))
    once = {"query": masked, "masked": replace(masked, copy_of="query")}
    values, grads = step(build().double(), replace(batch, texts=once))
    torch.testing.assert_close(values, expected, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(grads, expected_grads, rtol=1e-6, atol=1e-10)
    torch.testing.assert_close(values["mlm"], apart["mlm"], rtol=1e-9, atol=1e-12)
    assert values["sdm"] != apart["sdm"]


def small(folder, *overrides):
    """Overrides that put the published config on towers of one thin block."""
    sizes = "arch=dict(embed_dim=16, width=32, layers=1, heads=2"
    return [
        f"model.image_encoder=dict(type='CLIPImage', img_size=(48, 24), {sizes}, patch_size=8))",
        f"model.text_encoder=dict(type='CLIPText', {sizes}))",
        "model.losses.mlm.depth=1",
        "data.size=(48, 24)",
        "runtime.amp=None",
        "runtime.threads=1",
        *overrides,
    ]


@pytest.fixture(scope="module")
def clip_file(tmp_path_factory):
    """The towers of `small` with random weights and 77 text positions, under OpenAI's names."""
    text = PersonSearchModel(
        image_encoder={"type": "CLIPImage", "arch": {**ARCH, "patch_size": 8}, "img_size": (48, 48)},
        text_encoder={"type": "CLIPText", "arch": ARCH},
        heads={"global": {"type": "GlobalHead"}},
        losses={"sdm": {"type": "SDM"}},
    ).state_dict()
    named = {released_name(name).removeprefix("base_model."): value for name, value in text.items()}
    path = tmp_path_factory.mktemp("clip") / "clip.pth"
    torch.save(named, path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("length", [77, 248])
def test_published_config_trains_with_texts_of(length, clip_file, tmp_path):
    lengths = [f"data.tokenizer.context_length={length}", f"model.text_encoder.context_length={length}"]
    weights = [f"model.{tower}.pretrained='{clip_file}'" for tower in ("image_encoder", "text_encoder")]
    options = small(tmp_path, "model.text_encoder.context_length=77", *weights, *lengths, "data.mask_shared=True")
    record = testing.mock_run(PUBLISHED, tmp_path, *options)
    assert 0 < record["results"]["standard"]["scores"]["mAP"] <= 100
    state = torch.load(tmp_path / "run" / "last.pth", weights_only=True)["state_dict"]
    assert len(state["text_encoder.text.positional_embedding"]) == length
    assert "irra" in repr(record)


@pytest.mark.slow
def test_tiny_config_trains_from_scratch(tmp_path):
    record = testing.mock_run(TINY, tmp_path, "runtime.threads=1")
    assert record["results"]["standard"]["queries"] > 0


@pytest.fixture(scope="session")
def mini(tmp_path_factory):
    """Root of a tiny MiniPEDES, made once and shared by all test processes."""
    return tiny_mini_pedes(tmp_path_factory)


@pytest.mark.parametrize(
    ("key", "fact", "less"),
    [("id.num_ids", "num_train_ids", 1), ("id.num_ids", "num_train_ids", 5), ("mlm.vocab_size", "vocab_size", 1)],
)
def test_a_classifier_that_is_too_small_for_the_data_is_refused_before_training(mini, tmp_path, key, fact, less):
    def built(value):
        options = [
            *small(tmp_path),
            "data.dataset.size=tiny",
            f"data.dataset.root={mini}",
            "data.num_workers=0",
            CLIP_TOKENS,
        ]
        return build_run(load_config(TINY, [*options, f"model.losses.{key}={value}"]))

    needed = built(f"from_data:{fact}").training.facts[fact]
    built(needed + 3)
    message = rf"model\.losses\.{key}: is {needed - less}, but the training data have {needed} \({fact}\).*from_data"
    with pytest.raises(ConfigError, match=message):
        built(needed - less)


def test_released_checkpoint_is_converted_by_the_tool(tmp_path, monkeypatch, capsys):
    overrides = small(tmp_path, "model.losses.id.num_ids=7", "model.losses.mlm.vocab_size=49408")
    arch = {**ARCH, "patch_size": 8}
    model = PersonSearchModel(
        image_encoder={"type": "CLIPImage", "arch": arch, "img_size": (48, 24)},
        text_encoder={"type": "CLIPText", "arch": ARCH},
        heads={"global": {"type": "GlobalHead"}},
        losses={
            "sdm": {"type": "SDM"},
            "id": {"type": "IDLoss", "num_ids": 7},
            "mlm": {"type": "MLM", "vocab_size": 49408, "depth": 1},
        },
    )
    state = {released_name(name): value.half() for name, value in model.state_dict().items()}
    torch.save({"model": state, "epoch": 60, "num_epoch": 60}, tmp_path / "best.pth")
    arguments = [str(PUBLISHED), str(tmp_path / "best.pth"), str(tmp_path / "ours.pth"), "--cfg-options", *overrides]

    def convert(*more):
        monkeypatch.setattr(sys, "argv", ["tools/convert_checkpoint.py", *arguments, *more])
        with pytest.raises(SystemExit) as exit_:
            runpy.run_path(str(ROOT / "tools/convert_checkpoint.py"), run_name="__main__")
        return exit_.value.code, capsys.readouterr()

    code, said = convert()
    assert code == 0, said.err
    assert f"{len(state)} tensors loaded, 0 left out" in said.out
    ours = torch.load(tmp_path / "ours.pth", weights_only=True)["state_dict"]
    for name, value in model.state_dict().items():
        torch.testing.assert_close(ours[name], value.half().float(), rtol=0, atol=0)
    code, said = convert("model.losses.id.num_ids=9")
    assert code == 2
    assert "losses.id.classifier.weight: [7, 16] in the file, [9, 16] in the model" in said.err
