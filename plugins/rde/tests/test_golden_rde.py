"""RDE equals the released code, step for step, on every rde_*.npz: embeddings, losses, gradients, groups, five steps.

Sizes come from the arrays. What the files do not hold is said here: the selected share, the losses' settings and the
optimiser, as in tests/data/golden's description; the files were made with batch norm in training mode.
"""

import numpy as np
import pytest
import torch
from golden_files import Golden, caption_mask, clip_towers, each_golden
from tbpsbench_rde.convert import UNUSED, from_released
from torch.nn.functional import normalize

from tbpsbench.engine.optim import build_optimizer
from tbpsbench.model.person_search import PersonSearchModel
from tbpsbench.types import Batch, Tokens
from tbpsbench.weights.load import load_into

RATIO, TEMPERATURE, MARGIN, ADAM_EPS = 0.3, 0.015, 0.1, 1e-3
HEADS = ("bge", "tse")


def make(golden: Golden, train_bn: str = "normal") -> tuple[PersonSearchModel, Batch, dict[str, str]]:
    """The model with the file's weights, its batch, and our name of every released parameter that is used."""
    state, (image, text) = golden.weights(), clip_towers(golden)
    tal = {"type": "TAL", "temperature": TEMPERATURE, "margin": MARGIN}
    model = PersonSearchModel(
        image_encoder=image,
        text_encoder=text,
        heads={
            "bge": {"type": "GlobalHead"},
            "tse": {
                "type": "TSE",
                "dim": len(state["visul_emb_layer.fc.weight"]),
                "ratio": RATIO,
                "text_length": text["arch"]["context_length"],
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
    ids_BT, pid_B = golden.tensor("caption_ids"), golden.tensor("pids")
    tokens = Tokens(ids_BT, caption_mask(ids_BT))
    index_B = torch.arange(len(pid_B))
    weight_B = golden.tensor("label_hat").float()
    batch = Batch(golden.tensor("images"), {"query": tokens}, pid_B, index_B, index_B, index_B, weight_B)
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
            expected = golden.tensor(f"eval/{side}_{name}")
            torch.testing.assert_close(features[f"heads.{name}.{side}"], expected, rtol=1e-5, atol=1e-5)
            torch.testing.assert_close(normed[name].values, normalize(expected, dim=-1), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(losses[name].per_sample, golden[f"eval/per_loss_{name}"], rtol=1e-5, atol=1e-6)


def check_frozen_batch_norm(golden: Golden) -> None:
    """The published runs trained in evaluation mode: frozen batch norm makes training mode give those losses."""
    model, batch, _ = make(golden, "frozen")
    losses = model.train()(batch)
    for name in HEADS:
        expected = golden[f"eval/per_loss_{name}"]
        np.testing.assert_allclose(losses[name].per_sample.detach(), expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(
            losses[name].value.item(), (expected * golden["label_hat"]).sum(), rtol=1e-5, atol=1e-6
        )


def check_losses_and_gradients(golden: Golden) -> None:
    """Weighted sums in training mode, and the norm of every parameter's gradient."""
    model, batch, names = make(golden)
    losses = model.train()(batch)
    for name in HEADS:
        np.testing.assert_allclose(losses[name].value.item(), golden[f"loss/{name}"], rtol=1e-5, atol=1e-6)
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


@each_golden("rde")
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_golden_rde(path, check):
    check(Golden(path))


@each_golden("rde")
def test_golden_rde_every_array_is_used(path):
    golden = Golden(path)
    for check in CHECKS:
        check(golden)
    assert golden.unread() == []
