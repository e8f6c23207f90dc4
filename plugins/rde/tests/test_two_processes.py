"""A training step and a division in two gloo processes equal those of one process on the joined batch."""

import copy

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from tbpsbench_rde.ccd import CCD
from torch.nn.parallel import DistributedDataParallel

from tbpsbench import testing
from tbpsbench.config.load import load_config
from tbpsbench.engine.hooks import RunState
from tbpsbench.engine.optim import build_optimizer
from tbpsbench.engine.run import build_run
from tbpsbench.model.person_search import PersonSearchModel

PIDS = (0, 0, 1, 2, 2, 3, 1, 0)
CLIP = {"embed_dim": 12, "width": 16, "layers": 2, "heads": 2}


def build(train_bn, padding, loss):
    torch.manual_seed(0)
    names = ("bge", "tse")
    return PersonSearchModel(
        image_encoder={"type": "CLIPImage", "arch": {**CLIP, "patch_size": 8}, "img_size": (32, 16)},
        text_encoder={"type": "CLIPText", "arch": {**CLIP, "vocab_size": 50, "context_length": 12}},
        heads={
            "bge": {"type": "GlobalHead"},
            "tse": {"type": "TSE", "dim": 8, "text_length": 9, "train_bn": train_bn, "padding": padding},
        },
        losses={n: {"type": loss, "anchor": f"heads.{n}.image", "positive": f"heads.{n}.text", "pair_weights": True}
                for n in names},
    ).double()  # fmt: skip


def batch_of(rows):
    batch = testing.toy_batch(PIDS)
    batch.image_B3HW = batch.image_B3HW[rows].double()
    # CLIP's pooled token is the largest id; a random text has no such end.
    tokens = batch.texts["query"]
    tokens.ids[torch.arange(len(PIDS)), tokens.mask.sum(1) - 1] = 49
    for name in ("ids", "mask"):
        setattr(tokens, name, getattr(tokens, name)[rows])
    batch.texts = {"query": tokens}
    batch.pair_weight_B = torch.tensor([1.0, 0.0, 1.0, 0.5, 1.0, 1.0, 0.0, 1.0])[rows]
    for name in ("pid_B", "image_id_B", "caption_id_B", "sample_index_B"):
        setattr(batch, name, getattr(batch, name)[rows])
    return batch


def step(model, wrapped, rows):
    optimizer = build_optimizer({"type": "SGD", "lr": 0.01}, {"type": "RDEGroups", "new_lr": 0.1}, model)
    total, _ = model.parse_losses(wrapped(batch_of(rows)))
    total.backward()
    optimizer.step()
    return total.detach()


def train_step(rank, path, train_bn, padding, loss):
    torch.set_num_threads(1)
    whole, mine = build(train_bn, padding, loss), build(train_bn, padding, loss)
    expected = step(whole, whole, slice(None))
    dist.init_process_group("gloo", init_method=f"file://{path}", rank=rank, world_size=2)
    wrapped = DistributedDataParallel(mine, broadcast_buffers=False)
    value = step(mine, wrapped, slice(rank * 4, rank * 4 + 4))
    dist.destroy_process_group()
    torch.testing.assert_close(value, expected)
    assert value > 0
    for (name, ours), other in zip(mine.state_dict().items(), whole.state_dict().values(), strict=True):
        torch.testing.assert_close(ours, other, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize(
    ("train_bn", "padding", "loss"),
    [
        ("frozen", "published", "TAL"),
        ("normal", "published", "TAL"),
        ("normal", "ignored", "TAL"),
        ("normal", "ignored", "TRL"),
        ("normal", "ignored", "SDM"),
        ("normal", "ignored", "InfoNCE"),
    ],
)
def test_training_step_in_two_processes_equals_one(train_bn, padding, loss, tmp_path):
    arguments = (tmp_path / "rendezvous", train_bn, padding, loss)
    mp.start_processes(train_step, arguments, nprocs=2, start_method="fork")


def divide(rank, path, config, overrides, expected):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{path}", rank=rank, world_size=2)
    run = build_run(load_config(config, overrides))
    CCD().before_epoch(RunState(run.model, run.training, 0, 0, 2, seed=1))
    weight = run.training.train.pair_weight.clone()
    dist.destroy_process_group()
    assert torch.equal(weight, expected)


def test_division_in_two_processes_equals_one(small, tmp_path):
    config, overrides = small
    # Without the last, smaller batch, which two processes fill up to equal shares.
    overrides = [*overrides, "data.sampler.drop_last=True", "data.noise=0.3"]
    run = build_run(load_config(config, overrides))
    CCD().before_epoch(RunState(copy.deepcopy(run.model), run.training, 0, 0, 2, seed=1))
    expected = run.training.train.pair_weight.clone()
    assert 0 < expected.mean() < 1
    arguments = (tmp_path / "rendezvous", config, overrides, expected)
    mp.start_processes(divide, arguments, nprocs=2, start_method="fork")
