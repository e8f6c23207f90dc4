"""Every loss in two gloo processes equals one process on the joined batch: values, and gradients after averaging."""

from dataclasses import replace

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from tbpsbench import registry, testing
from tbpsbench.builtins import BUILTINS
from tbpsbench.distributed import gather_rows, names_without_gradient
from tbpsbench.errors import TrainingError
from tbpsbench.types import Embedding, Features

PIDS = (0, 0, 1, 2, 2, 3, 1, 0)
# Draws its negatives from the process' own pairs, as the published code does; averages over those of all.
ALONE = ("ITM",)
# In the first process of the second case no pair has a negative.
SPLIT_PIDS = [PIDS, (0, 0, 0, 0, 1, 2, 3, 1)]
# More than the defaults: every way in which a loss brings processes together.
CONFIGS = [
    *({"type": name} for name in BUILTINS["LOSSES"] if name not in ALONE),
    {"type": "InfoNCE", "learnable": True, "positives": "identity"},
    {"type": "ClothingAlignment", "dim": 5, "learnable": True},
    {"type": "Triplet", "mining": "batch-all", "normalize": True},
    {"type": "Triplet", "mining": "semi-hard", "margin": 9.0},
    {"type": "HSIC", "kernel": "rbf", "normalize": True},
    *(
        {"type": "HSIC", "x": x, "estimator": estimator, "normalize": normalize}
        for x in ("identity", "narrow")
        for estimator in ("biased", "unbiased")
        for normalize in (False, True)
    ),
]


def half(features, batch, rank):
    rows = slice(rank * len(batch) // 2, (rank + 1) * len(batch) // 2)
    parts = Features({name: value.detach()[rows] for name, value in features.tensors.items()})
    for name, value in parts.tensors.items():
        value.requires_grad_(features[name].requires_grad)
    for name, head in features.heads.items():
        sides = (None if side is None else side.detach()[rows].requires_grad_() for side in (head.image, head.text))
        masks = (None if mask is None else mask[rows] for mask in (head.image_mask, head.text_mask))
        parts.heads[name] = Embedding(*sides, head.weight, *masks)
    for name, view in features.views.items():
        parts.views[name], _ = half(view, replace(batch), rank)
    batch.pid_B, batch.pair_weight_B = batch.pid_B[rows], batch.pair_weight_B[rows]
    return parts, batch


def work(rank, config, path):
    torch.set_num_threads(1)
    batch = testing.toy_batch(PIDS)
    batch.pair_weight_B = torch.linspace(0, 1, len(PIDS))
    features = testing.toy_features(batch, dtype=torch.float64)
    # Narrower than the batch is long: the linear HSIC then sends products instead of rows.
    features["narrow"] = features["identity"].detach()[:, :2].requires_grad_()
    torch.manual_seed(0)
    loss = registry.LOSSES.build(config, "loss", {"dims": testing.toy_dims()}).double()
    whole = loss(features, batch).value
    whole.backward()
    learnt = {parameter: parameter.grad for parameter in loss.parameters()}
    loss.zero_grad()
    dist.init_process_group("gloo", init_method=f"file://{path}", rank=rank, world_size=2)
    mine, share = half(features, batch, rank)
    value = loss(mine, share).value
    value.backward()
    for parameter, grad in learnt.items():
        dist.all_reduce(parameter.grad)
        torch.testing.assert_close(parameter.grad / 2, grad)
    dist.destroy_process_group()
    torch.testing.assert_close(value, whole)
    entry = registry.LOSSES.entry(config["type"])
    read = [feature for feature in entry.resolve(entry.requires, config) if feature in features]
    assert read
    for feature in read:
        # DDP will divide by the number of processes.
        torch.testing.assert_close(mine[feature].grad / 2, features[feature].grad[rank * 4 : rank * 4 + 4])


def in_two_processes(function, *arguments):
    # Forked: a test module has no name that a spawned process could import.
    mp.start_processes(function, arguments, nprocs=2, start_method="fork")


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: "-".join(map(str, config.values())))
def test_two_processes_equal_one(config, tmp_path):
    in_two_processes(work, config, tmp_path / "rendezvous")


def of_half(loss, pids, rank):
    """The loss of one process' pairs, drawn as that process will draw, and the features that it reads."""
    batch = testing.toy_batch(pids)
    features, share = half(testing.toy_features(batch, dtype=torch.float64), batch, rank)
    torch.manual_seed(rank)
    return loss(features, share), features


def work_alone(rank, config, pids, path):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    loss = registry.LOSSES.build(config, "loss", {"dims": testing.toy_dims()}).double()
    halves = [of_half(loss, pids, process) for process in range(2)]
    expected = sum(out.value for out, _ in halves) / 2
    expected.backward()
    learnt = {parameter: parameter.grad for parameter in loss.parameters()}
    loss.zero_grad()
    dist.init_process_group("gloo", init_method=f"file://{path}", rank=rank, world_size=2)
    out, mine = of_half(loss, pids, rank)
    out.value.backward()
    for parameter, grad in learnt.items():
        dist.all_reduce(parameter.grad)
        torch.testing.assert_close(parameter.grad / 2, grad)
    dist.destroy_process_group()
    torch.testing.assert_close(out.value, expected)
    torch.testing.assert_close(out.per_sample, torch.cat([part.per_sample for part, _ in halves]))
    judged = [len(ids) * (3 if len(set(ids)) > 1 else 1) for ids in (pids[:4], pids[4:])]
    right = sum(count * part.stats["accuracy"] for count, (part, _) in zip(judged, halves, strict=True))
    torch.testing.assert_close(out.stats["accuracy"], right / sum(judged))
    torch.testing.assert_close(mine["image.tokens"].grad / 2, halves[rank][1]["image.tokens"].grad)


@pytest.mark.parametrize("pids", SPLIT_PIDS)
@pytest.mark.parametrize("name", ALONE)
def test_losses_that_look_at_a_process_own_pairs_are_averaged_over_all(name, pids, tmp_path):
    in_two_processes(work_alone, {"type": name}, pids, tmp_path / "rendezvous")


def test_gathering_alone_changes_nothing():
    rows = torch.randn(3, 2, requires_grad=True)
    assert gather_rows(rows) is rows


def unequal(rank, path):
    dist.init_process_group("gloo", init_method=f"file://{path}", rank=rank, world_size=2)
    with pytest.raises(RuntimeError, match="processes hold between 2 and 3 rows"):
        gather_rows(torch.zeros(2 + rank, 4))
    dist.destroy_process_group()


def test_unequal_shares_are_refused(tmp_path):
    in_two_processes(unequal, tmp_path / "rendezvous")


def lonely(rank, path):
    """A part that no loss reaches, in two processes."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{path}", rank=rank, world_size=2)
    model = torch.nn.ModuleDict({"used": torch.nn.Linear(2, 2), "extra": torch.nn.Linear(2, 2)})
    model.forward = lambda x: model["used"](x)
    wrapped = torch.nn.parallel.DistributedDataParallel(model)

    def train():
        with names_without_gradient(model):
            for _ in range(2):
                wrapped(torch.ones(1, 2)).sum().backward()

    with pytest.raises(TrainingError, match=r"2 trainable parameters got no gradient.*: extra\.weight, extra\.bias\."):
        train()
    dist.destroy_process_group()


def test_parameters_without_gradient_are_named(tmp_path):
    in_two_processes(lonely, tmp_path / "rendezvous")
