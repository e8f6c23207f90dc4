"""Against numbers that the released code gave: towers, losses, gradients, rates, five optimiser steps.

Every irra_*.npz of the folder is met, whatever its sizes; they are read from the arrays.
"""

import numpy as np
import pytest
import torch
from golden_files import Golden, assert_golden, blocks, caption_mask, clip_towers, each_golden, relative_error
from tbpsbench_irra import from_released, released_name

from tbpsbench import registry
from tbpsbench.backbones.positional import resize_grid
from tbpsbench.config.schema import ScheduleSection
from tbpsbench.engine.schedule import factor
from tbpsbench.model.person_search import PersonSearchModel
from tbpsbench.types import Batch, Tokens
from tbpsbench.weights.load import load_into

VALUE, TRAJECTORY = 1e-5, 1e-4


def sections(golden):
    """The model's section of a config, as large as the file's model."""
    state = golden.weights()
    image, text = clip_towers(golden)
    return {
        "image_encoder": image,
        "text_encoder": text,
        "heads": {"global": {"type": "GlobalHead"}},
        "losses": {
            "sdm": {"type": "SDM"},
            "id": {"type": "IDLoss", "num_ids": len(state["classifier.weight"])},
            "mlm": {
                "type": "MLM",
                "vocab_size": len(state["mlm_head.fc.weight"]),
                "depth": blocks(state, "cross_modal_transformer."),
            },
        },
    }


def build(golden, **losses):
    """Our model with the file's initial weights, brought over as a released checkpoint would be.

    Args:
        golden: the file.
        losses: loss name -> its section instead of, or beside, the recipe's.
    """
    state, section = golden.weights(), sections(golden)
    section["losses"] |= losses
    model = PersonSearchModel(**section)
    report = load_into(model, from_released(state, model), source="golden")
    assert report.complete
    assert len(report.loaded) == len(state)
    return model


def batch_of(golden):
    """The file's batch; padding is what follows the end of text, which has the largest id."""
    ids, pids = golden.tensor("caption_ids"), golden.tensor("pids")
    mask = caption_mask(ids)
    masked = Tokens(golden.tensor("mlm_ids"), mask, golden.tensor("mlm_labels"))
    index = torch.arange(len(pids))
    texts = {"query": Tokens(ids, mask), "masked": masked}
    return Batch(golden.tensor("images"), texts, pids, index, index, index, torch.ones(len(pids)))


def by_released_name(model):
    """Released name -> parameter."""
    return {released_name(name): parameter for name, parameter in model.named_parameters()}


def tokens(golden):
    model, batch = build(golden), batch_of(golden)
    assert_golden(model.image_encoder(batch.image_B3HW).tokens_BLD, golden["image_tokens"])
    assert_golden(model.text_encoder(batch.texts["query"]).tokens_BLD, golden["text_tokens"])


def image_positions(golden):
    model = build(golden)
    resized = resize_grid(golden.tensor("clip_source_visual_posemb"), model.image_encoder.grid_hw)
    assert_golden(resized, golden["init/base_model.visual.positional_embedding"])


def losses(golden):
    others = {"itc": {"type": "InfoNCE", "temperature": 0.02}, "cmpm": {"type": "CMPM"}}
    found = build(golden, **others)(batch_of(golden))
    theirs = {name.removesuffix("_loss"): value for name, value in golden.below("loss/").items()}
    assert set(theirs) <= set(found)
    for name, value in theirs.items():
        assert_golden(found[name].value, value)


def gradients(golden):
    model = build(golden)
    total, _ = model.parse_losses(model(batch_of(golden)))
    total.backward()
    ours = by_released_name(model)
    for name, grad in golden.below("grad/").items():
        assert_golden(ours[name].grad, grad)
    names = golden["gradnorm_names"].tolist()
    assert set(names) == set(ours)
    norms = [ours[name].grad.norm().item() for name in names]
    # Gradients that cancel almost to nothing keep the rounding of what they are made of.
    np.testing.assert_allclose(norms, golden["gradnorm"], rtol=VALUE, atol=1e-7 * golden["gradnorm"].max())


def groups(golden, model):
    """The optimiser's groups, for the base rate and decay that parameters without a rule have in the file."""
    names = golden["opt/names"].tolist()
    plain = names.index("base_model.visual.proj")
    lr, decay = float(golden["opt/lr"][plain]), float(golden["opt/wd"][plain])
    return registry.PARAM_GROUPS.build({"type": "IRRAGroups"})(model, lr, decay)


def rates(golden):
    model = build(golden)
    ours = {id(parameter): name for name, parameter in by_released_name(model).items()}
    found = {ours[id(p)]: (g["lr"], g["weight_decay"]) for g in groups(golden, model) for p in g["params"]}
    theirs = zip(golden["opt/names"].tolist(), golden["opt/lr"], golden["opt/wd"], strict=True)
    assert found == {name: (pytest.approx(lr, rel=1e-12), pytest.approx(wd, rel=1e-12)) for name, lr, wd in theirs}


def train(golden, rounding=0.0):
    """(steps, 4) total, sdm, id, mlm over optimiser steps on one batch.

    Args:
        golden: the file.
        rounding: relative size of random changes to the initial weights.
    """
    model, batch = build(golden), batch_of(golden)
    with torch.no_grad():
        for seed, parameter in enumerate(model.parameters()):
            drawn = torch.rand(parameter.shape, generator=torch.Generator().manual_seed(seed))
            parameter.mul_(1 + rounding * (2 * drawn - 1))
    optimizer = torch.optim.Adam(groups(golden, model), eps=1e-3)
    steps = []
    for _ in golden["traj"]:
        total, log = model.parse_losses(model(batch))
        steps.append([total.item(), *(log[f"loss_{name}"].item() for name in ("sdm", "id", "mlm"))])
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
    return np.array(steps)


def trajectory(golden):
    ours, theirs = train(golden), golden["traj"]
    errors = [relative_error(ours[:, column], theirs[:, column]) for column in range(4)]
    if max(errors) > TRAJECTORY:
        # Steps this large amplify rounding: the released run may differ by thrice what one of the weights does.
        moved = train(golden, 2.0**-24)
        limits = [max(TRAJECTORY, 3 * relative_error(moved[:, column], ours[:, column])) for column in range(4)]
        assert all(found <= limit for found, limit in zip(errors, limits, strict=True)), (errors, limits)


def rate_of_every_epoch(golden):
    theirs = golden["lr_per_epoch"]
    warmup = {"warmup_epochs": int(theirs.argmax()), "warmup_factor": theirs[0] / theirs.max()}
    schedule = ScheduleSection(max_epochs=len(theirs), **warmup)
    ours = [theirs.max() * factor(schedule, epoch) for epoch in range(len(theirs))]
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-20)


CHECKS = (tokens, image_positions, losses, gradients, rates, trajectory, rate_of_every_epoch)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@each_golden("irra")
def test_golden_irra(path, check):
    check(Golden(path))


@each_golden("irra")
def test_golden_irra_every_number_is_used(path):
    golden = Golden(path)
    for check in CHECKS:
        check(golden)
    assert golden.unread() == []
