"""RDE equals the released code, step for step, on every rde_*.npz: embeddings, losses, gradients, groups, five steps.

Sizes come from the arrays. What the files do not hold is said here: the selected share, the losses' settings and the
optimiser, as in tests/data/golden's description; the files were made with batch norm in training mode.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from tbpsbench_rde.convert import UNUSED, from_released
from torch.nn.functional import normalize

from tbpsbench.engine.optim import build_optimizer
from tbpsbench.model.person_search import PersonSearchModel
from tbpsbench.types import Batch, Tokens
from tbpsbench.weights.load import load_into

FOLDER = os.environ.get("TBPSBENCH_GOLDEN", Path(__file__).parents[3] / "tests" / "data" / "golden")
FILES = sorted(Path(FOLDER).glob("rde_*.npz"))
RATIO, TEMPERATURE, MARGIN, ADAM_EPS = 0.3, 0.015, 0.1, 1e-3
HEADS = ("bge", "tse")
RDE = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


class Golden:
    """A file that knows which of its arrays were read."""

    def __init__(self, path: Path) -> None:
        self.file, self.read = np.load(path, allow_pickle=False), set()

    def __getitem__(self, name: str) -> np.ndarray:
        self.read.add(name)
        return self.file[name]

    def below(self, prefix: str) -> Iterator[tuple[str, np.ndarray]]:
        for name in self.file.files:
            if name.startswith(prefix):
                yield name.removeprefix(prefix), self[name]


def make(golden: Golden, train_bn: str = "normal") -> tuple[PersonSearchModel, Batch, dict[str, str]]:
    """The model with the file's weights, its batch, and our name of every released parameter that is used."""
    state = {name: torch.from_numpy(value) for name, value in golden.below("init/")}
    size = tuple(golden["images"].shape[-2:])
    patch = state["base_model.visual.conv1.weight"].shape[-1]
    context, width = state["base_model.positional_embedding"].shape
    embed = state["base_model.text_projection"].shape[1]

    def layers(prefix: str) -> int:
        found = (re.match(rf"base_model\.{prefix}transformer\.resblocks\.(\d+)\.", key) for key in state)
        return 1 + max(int(match[1]) for match in found if match)

    image_arch = {"embed_dim": embed, "layers": layers("visual."), "patch_size": patch}
    image_arch["width"] = len(state["base_model.visual.class_embedding"])
    text_arch = {"embed_dim": embed, "layers": layers(""), "width": width, "context_length": context}
    text_arch["vocab_size"] = len(state["base_model.token_embedding.weight"])
    tal = {"type": "TAL", "temperature": TEMPERATURE, "margin": MARGIN}
    model = PersonSearchModel(
        image_encoder={"type": "CLIPImage", "arch": image_arch, "img_size": size},
        text_encoder={"type": "CLIPText", "arch": text_arch},
        heads={
            "bge": {"type": "GlobalHead"},
            "tse": {
                "type": "TSE",
                "dim": len(state["visul_emb_layer.fc.weight"]),
                "ratio": RATIO,
                "text_length": context,
                "train_bn": train_bn,
            },
        },
        losses={n: {**tal, "anchor": f"heads.{n}.image", "positive": f"heads.{n}.text"} for n in HEADS},
    )
    # Every tensor carries its own number through the converter, which so tells where each name went.
    marked = from_released({name: torch.tensor(place) for place, name in enumerate(state)}, model)
    names = {list(state)[int(place)]: ours for ours, place in marked.items()}
    assert {name for name in state if name not in names} == {name for name in state if UNUSED.fullmatch(name)}
    assert load_into(model, from_released(state, model), source="golden").complete
    ids_BT, pid_B = torch.from_numpy(golden["caption_ids"]), torch.from_numpy(golden["pids"])
    length_B = (ids_BT.argmax(dim=1) + 1)[:, None]
    tokens = Tokens(ids_BT, torch.arange(ids_BT.shape[1]) < length_B)
    index_B = torch.arange(len(pid_B))
    weight_B = torch.from_numpy(golden["label_hat"]).float()
    batch = Batch(torch.from_numpy(golden["images"]), {"query": tokens}, pid_B, index_B, index_B, index_B, weight_B)
    return model, batch, names


def check_evaluation(golden: Golden) -> None:
    """Embeddings of both heads and every pair's loss, in evaluation mode."""
    model, batch, _ = make(golden)
    model.eval()
    with torch.no_grad():
        image, text = model.encode_gallery(batch.image_B3HW), model.encode_query(batch.texts["query"])
        features, losses = model(batch, mode="tensor"), model(batch)
    for name in HEADS:
        for side, normed in (("image", image), ("text", text)):
            expected = torch.from_numpy(golden[f"eval/{side}_{name}"])
            torch.testing.assert_close(features[f"heads.{name}.{side}"], expected, rtol=1e-5, atol=1e-5)
            torch.testing.assert_close(normed[name], normalize(expected, dim=-1), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(losses[name].per_sample, golden[f"eval/per_loss_{name}"], rtol=1e-5, atol=1e-6)


def check_frozen_batch_norm(golden: Golden) -> None:
    """The published runs trained in evaluation mode: frozen batch norm makes training mode give those losses."""
    model, batch, _ = make(golden, "frozen")
    losses = model.train()(batch)
    for name in HEADS:
        expected = golden[f"eval/per_loss_{name}"]
        np.testing.assert_allclose(losses[name].per_sample.detach(), expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(losses[name].value.item(), (expected * golden["label_hat"]).sum(), rtol=1e-5)


def check_losses_and_gradients(golden: Golden) -> None:
    """Weighted sums in training mode, and the norm of every parameter's gradient."""
    model, batch, names = make(golden)
    losses = model.train()(batch)
    for name in HEADS:
        np.testing.assert_allclose(losses[name].value.item(), golden[f"loss/{name}"], rtol=1e-5)
    model.parse_losses(losses)[0].backward()
    parameters = dict(model.named_parameters())
    expected = dict(zip(golden["gradnorm_names"].tolist(), golden["gradnorm"].tolist(), strict=True))
    assert {names[name] for name in expected} == set(parameters), "other parameters learn than in the released code"
    for name, norm in expected.items():
        # A bias in front of batch norm has the gradient zero, but for rounding.
        assert parameters[names[name]].grad.norm().item() == pytest.approx(norm, rel=1e-4, abs=1e-5), name


def check_groups(golden: Golden) -> float:
    """Rate and decay of every parameter; returns the base rate."""
    model, _, names = make(golden)
    groups = {
        name: (float(lr), float(decay))
        for name, lr, decay in zip(golden["opt/names"].tolist(), golden["opt/lr"], golden["opt/wd"], strict=True)
    }
    base, decay = groups["base_model.visual.conv1.weight"]
    optimizer = build_optimizer({"type": "Adam", "lr": base, "weight_decay": decay}, {"type": "RDEGroups"}, model)
    ours = {id(p): (group["lr"], group["weight_decay"]) for group in optimizer.param_groups for p in group["params"]}
    parameters = dict(model.named_parameters())
    assert len(ours) == len(parameters)
    for name, expected in groups.items():
        if not UNUSED.fullmatch(name):
            assert ours[id(parameters[names[name]])] == pytest.approx(expected), name
    return base


def check_trajectory(golden: Golden) -> None:
    """Total and both losses before each of several Adam steps on the same batch."""
    model, batch, _ = make(golden)
    rates = dict(zip(golden["opt/names"].tolist(), zip(golden["opt/lr"], golden["opt/wd"], strict=True), strict=True))
    lr, decay = map(float, rates["base_model.visual.conv1.weight"])
    config = {"type": "Adam", "lr": lr, "weight_decay": decay, "eps": ADAM_EPS}
    optimizer = build_optimizer(config, {"type": "RDEGroups"}, model)
    model.train()
    for step, expected in enumerate(golden["traj"]):
        losses = model(batch)
        total, _ = model.parse_losses(losses)
        values = [total.item(), *(losses[name].value.item() for name in HEADS)]
        np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-5, err_msg=f"step {step}")
        optimizer.zero_grad()
        total.backward()
        optimizer.step()


CHECKS = (check_evaluation, check_frozen_batch_norm, check_losses_and_gradients, check_groups, check_trajectory)


def test_golden_rde_files_are_there():
    assert FILES, f"no rde_*.npz in {FOLDER}"


@RDE
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_golden_rde(path, check):
    check(Golden(path))


@RDE
def test_golden_rde_every_array_is_used(path):
    golden = Golden(path)
    for check in CHECKS:
        check(golden)
    assert golden.read == set(golden.file.files), "arrays that no check reads"
