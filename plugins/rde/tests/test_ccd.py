"""CCD: what it looks at, what it sets, and that it can be repeated and resumed."""

import numpy as np
import pytest
import torch
from tbpsbench_rde.ccd import CCD, EPOCHS_AWAY
from tbpsbench_rde.mixture import call_clean, clean_probability

from tbpsbench.config.load import load_config
from tbpsbench.engine.hooks import RunState
from tbpsbench.engine.run import build_run
from tbpsbench.engine.train import Training
from tbpsbench.engine.workdir import WorkDir
from tbpsbench.errors import ConfigError, RegistryError
from tbpsbench.losses.base import Loss
from tbpsbench.registry import HOOKS, LOSSES
from tbpsbench.testing import check_hook


@pytest.fixture
def state(small):
    config, overrides = small
    run = build_run(load_config(config, [*overrides, "data.noise=0.3"]))
    return RunState(run.model.train(), run.training, 0, 0, 2, seed=5)


def test_keeps_the_contract_of_hooks(small, tmp_path):
    config, overrides = small
    check_hook({"type": "CCD", "first_epoch": 2}, config, tmp_path, *overrides, "data.noise=0.3")


def test_every_pair_is_judged_once_in_evaluation_mode_on_a_view_of_its_own(state):
    hook, data = CCD(), state.data
    weights = {name: value.clone() for name, value in state.model.state_dict().items()}
    loss_HN = hook._judge(state)
    assert loss_HN.shape == (2, len(data.train))
    assert np.isfinite(loss_HN).all()
    assert state.model.training
    assert data.train.epoch == data.sampler.epoch == 0
    for name, value in state.model.state_dict().items():
        assert torch.equal(value, weights[name]), f"the pass changed {name}"
    data.set_epoch(EPOCHS_AWAY)
    batch = next(iter(data.loader))
    with torch.no_grad():
        losses = state.model.eval()(batch)
    for row, name in enumerate(hook.losses):
        np.testing.assert_allclose(loss_HN[row, batch.sample_index_B], losses[name].per_sample, rtol=1e-6)


def test_weights_follow_mixture_and_consensus(state, monkeypatch):
    rng = np.random.default_rng(0)
    count = len(state.data.train)
    noisy = np.arange(count) % 4 == 0
    loss_HN = np.stack([np.where(noisy, 2.0, 0.3) + rng.normal(0, 0.05, count) for _ in range(2)])
    loss_HN[1, :2] = 0.3, 2.0  # the heads disagree about these two
    monkeypatch.setattr(CCD, "_judge", lambda *_: loss_HN)
    CCD().before_epoch(state)
    weight = state.data.train.pair_weight.numpy()
    clean = np.stack([call_clean(clean_probability(row, 10, 1e-2, 5e-4, 0)) for row in loss_HN])
    agreed = clean[0] == clean[1]
    assert agreed.sum() == count - 2
    assert (weight[agreed] == clean[0][agreed]).all()
    assert (weight[2:] == ~noisy[2:]).all()
    assert state.log["clean_share"] == pytest.approx(weight.mean())
    assert state.log["clean_share_bge"] == pytest.approx(clean[0].mean())
    assert set(weight[:2]) <= {0.0, 1.0}


def test_the_log_says_how_good_the_division_is(state, monkeypatch):
    foreign = state.data.train.caption_is_foreign
    assert 0.1 < foreign.mean() <= 0.3  # some of the shuffled captions fall back to their own person
    loss_N = np.where(foreign, 2.0, 0.3) + np.random.default_rng(0).normal(0, 0.05, len(foreign))
    wrong = np.flatnonzero(foreign)[0]
    loss_N[wrong] = 0.3  # a noisy pair that looks clean
    monkeypatch.setattr(CCD, "_judge", lambda *_: np.stack([loss_N, loss_N]))
    CCD().before_epoch(state)
    assert state.log["clean_kept"] == 1.0
    assert state.log["noisy_dropped"] == pytest.approx(1 - 1 / foreign.sum())


def test_the_oracle_knows_which_captions_are_foreign(state):
    CCD(oracle=True).before_epoch(state)
    weight = state.data.train.pair_weight.numpy()
    assert (weight == ~state.data.train.caption_is_foreign).all()
    assert state.log["clean_kept"] == state.log["noisy_dropped"] == 1.0


def test_without_noise_nothing_is_said_about_the_division(small):
    config, overrides = small
    run = build_run(load_config(config, overrides))
    state = RunState(run.model.train(), run.training, 0, 0, 2, seed=5)
    CCD().before_epoch(state)
    assert "clean_share" in state.log
    assert "clean_kept" not in state.log


def test_the_division_repeats_itself_and_differs_between_epochs(state):
    divided = []
    for epoch in (0, 0, 1):
        state.epoch = epoch
        CCD().before_epoch(state)
        divided.append(state.data.train.pair_weight.clone())
        torch.rand(3)
        np.random.rand(3)
    assert set(divided[0].tolist()) == {0.0, 1.0}
    assert torch.equal(divided[0], divided[1])
    assert not torch.equal(divided[0], divided[2])


def test_training_samples_carry_the_weights(state):
    CCD().before_epoch(state)
    batch = next(iter(state.data.loader))
    assert torch.equal(batch.pair_weight_B, state.data.train.pair_weight[batch.sample_index_B])


def test_before_the_first_epoch_all_pairs_count(state):
    hook = CCD(first_epoch=2)
    hook.before_epoch(state)
    assert (state.data.train.pair_weight == 1).all()
    assert not state.log
    state.epoch = 1
    hook.before_epoch(state)
    assert (state.data.train.pair_weight == 0).any()


def test_pairs_that_the_sampler_leaves_out_keep_their_weight(small):
    config, overrides = small
    run = build_run(load_config(config, [*overrides, "data.sampler.drop_last=True", "data.batch_size=32"]))
    state = RunState(run.model, run.training, 0, 0, 2)
    run.training.train.set_pair_weight(np.full(len(run.training.train), 0.25))
    hook = CCD()
    hook.before_epoch(state)
    kept = run.training.train.pair_weight == 0.25
    assert kept.sum() == len(run.training.train) % 32 > 0
    other = CCD()
    other.load_state_dict(hook.state_dict())
    other.first_epoch = 99
    run.training.train.set_pair_weight(np.ones(len(run.training.train)))
    other.before_epoch(state)
    assert torch.equal(run.training.train.pair_weight == 0.25, kept)


def test_a_loss_that_is_not_there_is_named(state):
    with pytest.raises(ConfigError, match=r"CCD\.losses names 'tze'; the losses are bge, tse"):
        CCD(losses=("bge", "tze")).before_epoch(state)


def test_losses_that_take_no_notice_of_the_weights_are_refused_before_the_first_epoch(small):
    config, overrides = small
    deaf = [f"model.losses.{name}.pair_weights=False" for name in ("bge", "tse")]
    run = build_run(load_config(config, [*overrides, *deaf]))
    state = RunState(run.model, run.training, 0, 0, 9)
    message = (
        r"bge \(TAL\), tse \(TAL\)\. Set model\.losses\.bge\.pair_weights=True and model\.losses\.tse\.pair_weights"
    )
    with pytest.raises(ConfigError, match=message):
        CCD(first_epoch=9).before_epoch(state)
    run.model.losses["tse"].pair_weights = True
    CCD(first_epoch=9, losses=("bge",)).before_epoch(state)  # another loss than the one that judges may learn from it


def test_a_loss_of_a_plug_in_may_say_otherwise_that_it_multiplies(small):
    class Other(Loss):
        def forward(self, features, batch):
            raise NotImplementedError

    deaf = torch.nn.ModuleDict({"other": Other()})
    with pytest.raises(ConfigError, match=r"other \(Other\)"):
        CCD(losses=("other",))._require_losses(deaf)
    try:
        LOSSES.register("Other", requires=("pair_weight",))(Other)
        CCD(losses=("other",))._require_losses(deaf)
    finally:
        LOSSES.remove("Other")


def test_a_loss_without_values_per_pair_is_refused(state):
    forward = state.model.losses["tse"].forward

    def without(features, batch):
        out = forward(features, batch)
        out.per_sample = None
        return out

    state.model.losses["tse"].forward = without
    with pytest.raises(ConfigError, match="'tse', which gives no value per pair"):
        CCD().before_epoch(state)
    assert state.data.train.epoch == 0


def test_a_model_that_diverged_is_refused(state):
    with torch.no_grad():
        next(state.model.heads["tse"].image.parameters()).fill_(torch.nan)
    with pytest.raises(ConfigError, match="no pair with a finite loss"):
        CCD().before_epoch(state)


@pytest.mark.parametrize(
    "wrong",
    [{"losses": ()}, {"first_epoch": 0}, {"max_iter": 0}, {"tol": 0.0}, {"tol": np.nan}, {"reg_covar": np.nan}],
)
def test_settings_must_make_sense(wrong):
    with pytest.raises(RegistryError, match="must not be empty"):
        HOOKS.build({"type": "CCD", **wrong}, "hooks.ccd")


def train(small, folder, epochs):
    config, overrides = small
    options = [*overrides, "data.noise=0.3", f"schedule.max_epochs={epochs}", "schedule.type=constant"]
    workdir = WorkDir(folder, resume="auto")
    try:
        training = Training(build_run(load_config(config, options)), workdir, allow_config_change=["schedule"])
        record = training.train()
    finally:
        workdir.release()
    return training, record


def test_resumed_run_equals_an_uninterrupted_one(small, tmp_path):
    whole, record = train(small, tmp_path / "whole", 2)
    train(small, tmp_path / "parts", 1)
    parts, other = train(small, tmp_path / "parts", 2)
    assert torch.equal(whole.run.training.train.pair_weight, parts.run.training.train.pair_weight)
    one, two = (torch.load(tmp_path / name / "last.pth", weights_only=True) for name in ("whole", "parts"))
    for key, value in one["state_dict"].items():
        assert torch.equal(value, two["state_dict"][key]), key
    assert torch.equal(one["tbpsbench"]["hooks"]["ccd"]["weight"], two["tbpsbench"]["hooks"]["ccd"]["weight"])
    assert record["results"] == other["results"]
    assert set(record["results"]["standard"]["heads"]) == {"bge", "tse"}
