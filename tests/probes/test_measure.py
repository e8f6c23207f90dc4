"""The whole measurement: on made-up features where the answer is known, and on real models of every kind."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tbpsbench.config.load import load_config
from tbpsbench.engine.embed import embed_images
from tbpsbench.engine.run import build_run
from tbpsbench.errors import CheckpointError, ConfigError, DataError
from tbpsbench.probes import measure as probes
from tbpsbench.probes.measure import extract, measure, population, splits_of, usual_features
from tbpsbench.probes.report import make_report

from .test_labels import image

PERSONS, IMAGES = 60, 3


@pytest.fixture(scope="module")
def made_up():
    """Persons with a sex and a build, in shirts and sweaters; one feature for each side, one that holds nothing."""
    generator = np.random.default_rng(0)
    records = []
    for pid in range(PERSONS):
        sex, build, upper = (generator.integers(2) for _ in range(3))
        values = {"sex": "wm"[sex], "build": "sh"[build], "upper": ("shirt", "sweater")[upper]}
        records += [image(pid, **values)] * IMAGES
    noise = torch.from_numpy(generator.normal(size=(3, len(records), 8)))

    def shown(*names):
        codes = [[hash_of(record.attributes[name]) for record in records] for name in names]
        return torch.tensor(codes, dtype=torch.float64).T.repeat(1, 4)

    def hash_of(value):
        return {"w": 0, "m": 4, "s": 0, "h": 4, "shirt": 0, "sweater": 4}[value]

    features = {
        "who": noise[0] + shown("sex", "build"),
        "what": noise[1] + shown("upper", "upper"),
        "nothing": noise[2],
    }
    return records, features


@pytest.fixture(scope="module")
def found(made_up):
    return measure(*made_up, permutations=10)


def test_each_feature_scores_on_what_it_holds(found):
    means = {
        (name, side): found["means"][name][side]["above_chance"]
        for name in found["means"]
        for side in found["means"][name]
    }
    assert means["who", "identity"] > 0.9
    assert means["what", "clothing"] > 0.9
    for pair in (("who", "clothing"), ("what", "identity"), ("nothing", "identity"), ("nothing", "clothing")):
        assert abs(means[pair]) < 0.35, pair
    assert means["shot", "identity"] == 0.0


def test_report_counts_and_names_what_was_asked(found):
    assert (found["persons"], found["images"]) == (PERSONS, PERSONS * IMAGES)
    assert set(found["attributes"]) == {"sex", "build", "upper"}
    sex = found["attributes"]["sex"]
    assert (sex["side"], sex["persons"], sex["images"], sex["chance"]) == ("identity", PERSONS, PERSONS * IMAGES, 0.5)
    assert sum(sex["classes"].values()) == PERSONS
    assert set(sex["features"]) == {"who", "what", "nothing", "shot"}
    low, high = sex["features"]["nothing"]["interval_95"]
    assert low < sex["features"]["nothing"]["accuracy"] < high
    assert {"hat", "age"} <= set(found["not_probed"])
    assert [(pair["x"], pair["y"]) for pair in found["dependence"]] == [
        ("who", "what"), ("who", "nothing"), ("what", "nothing"),
    ]  # fmt: skip


def test_a_mean_is_over_the_attributes_of_its_side(found):
    values = [found["attributes"][name]["features"]["what"]["above_chance"] for name in ("sex", "build")]
    mean = found["means"]["what"]["identity"]
    assert mean["above_chance"] == pytest.approx(np.mean(values))
    assert mean["attributes"] == 2
    assert mean["interval_95"][0] < mean["above_chance"] < mean["interval_95"][1]


def test_the_same_input_gives_the_same_report(made_up, found):
    assert measure(*made_up, permutations=10) == found


def test_too_few_persons_are_an_error_that_says_what_to_do(made_up):
    records, features = made_up
    few = {name: feature[:9] for name, feature in features.items()}
    with pytest.raises(DataError, match=r"3 persons are too few for 5 folds.*fewer folds"):
        measure(records[:9], few)
    with pytest.raises(ValueError, match="at least 2 folds"):
        measure(records, features, folds=1)


# -- on a real model -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def built():
    return {}


@pytest.fixture
def run(demo, built):
    if not built:
        built["run"] = build_run(load_config(demo[0], demo[2:]))
    return built["run"]


def test_features_are_one_row_per_image_in_the_order_of_the_records(run):
    run.model.train()
    splits = splits_of(run.evaluation, ["test"])
    assert splits == ["test", "test-clothes"]
    records, features = extract(run.model, run.evaluation, splits, ["identity", "heads.global.image"], 7)
    assert run.model.training
    assert [record.pid for record in records] == [
        *(r.pid for split in splits for r in run.evaluation.annotations.split(split)),
    ]  # fmt: skip
    gallery = embed_images(run.model.eval(), run.evaluation.gallery("test"), 64)["global"].values
    torch.testing.assert_close(features["heads.global.image"][: len(gallery)], gallery, atol=1e-5, rtol=1e-4)
    batch = next(run.evaluation.gallery("test-clothes").batches(3))
    with torch.no_grad():
        identity = run.model.extract(batch)["identity"]
    start = len(gallery)
    torch.testing.assert_close(features["identity"][start : start + 3], identity, atol=1e-5, rtol=1e-4)


def test_unknown_feature_names_those_that_exist(run):
    with pytest.raises(ConfigError, match=r"no feature 'identiy'.*Did you mean 'identity'.*heads\.global\.image"):
        extract(run.model, run.evaluation, ["test"], ["identiy"], 8)
    with pytest.raises(ConfigError, match=r"'image\.tokens' with one vector per image"):
        extract(run.model, run.evaluation, ["test"], ["image.tokens"], 8)


def test_features_that_are_not_finite_are_the_checkpoints_fault(run):
    parameter = next(run.model.image_encoder.parameters())
    kept = parameter.detach().clone()
    parameter.data.fill_(float("nan"))
    try:
        with pytest.raises(CheckpointError, match="'identity' is not finite"):
            extract(run.model, run.evaluation, ["test"], ["identity"], 8)
    finally:
        parameter.data.copy_(kept)


def test_usual_features_are_those_that_the_model_has(run):
    assert usual_features(run.model) == ["identity", "heads.global.image"]


def test_unknown_split_names_those_that_exist(run):
    with pytest.raises(DataError, match="no split 'tset'; there are: train, val, test"):
        splits_of(run.evaluation, ["tset"])


def test_population_holds_other_persons_in_the_words_of_the_model(run):
    data = population(run.system, run.settings, 1)
    assert data.tokenizer is run.system.tokenizer
    assert data.annotations.sha256 != run.evaluation.annotations.sha256
    assert len(data.annotations.records) == len(run.evaluation.annotations.records)


def test_population_of_the_training_or_of_photographs_is_refused(run):
    with pytest.raises(ConfigError, match="population 0 is the one that the model was trained on"):
        population(run.system, run.settings, 0)
    photographed = replace(run.settings, data=replace(run.settings.data, dataset={"type": "CUHKPEDES"}))
    with pytest.raises(ConfigError, match="only be drawn for MiniPEDES, not for CUHKPEDES"):
        probes.population(run.system, photographed, 1)


def test_population_that_the_start_of_the_training_knew_is_refused(run):
    seen = population(run.system, run.settings, 1)
    pids = frozenset(record.pid for record in seen.annotations.split("test")[:5])
    before = replace(run.system.trained_on.texts, population=seen.sources.population, pids=pids)
    texts = replace(run.system.trained_on.texts, earlier=(before,))
    started = replace(run.system, trained_on=replace(run.system.trained_on, texts=texts))
    with pytest.raises(ConfigError, match="population 1 is one that the model, or what its training started from"):
        population(started, run.settings, 1)
    report = make_report(started, Path(__file__), seen, ["test"], {})
    assert report["seen_in_training"] == len(pids) > 0
