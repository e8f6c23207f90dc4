"""Protocols of an evaluation against brute force, on a real small model and tiny MiniPEDES."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tbpsbench.config.load import load_config
from tbpsbench.config.selection import score_names
from tbpsbench.config.settings import Settings
from tbpsbench.engine.embed import embed_captions, embed_images
from tbpsbench.engine.evaluate import best_metric, evaluate
from tbpsbench.engine.run import build_run
from tbpsbench.errors import ConfigError, DataError, LeakError

_built = {}


@pytest.fixture
def run(demo):
    if "run" not in _built:
        _built["run"] = build_run(load_config(demo[0], demo[2:]))
    return _built["run"]


@pytest.fixture
def section(demo):
    return Settings.of(load_config(demo[0], demo[2:]).values).evaluation


def known(run):
    """What the guard knows of the training texts."""
    return run.system.trained_on.texts


def by_hand(run, protocol):
    """R@1 and mAP in percent, query by query, from the full similarity matrix."""
    data = run.evaluation
    records = data.annotations.split("test")
    gallery = records + (data.annotations.split("test-clothes") if protocol == "clothes-change" else [])
    parts = [embed_images(run.model, data.gallery("test"), 64)["global"].values]
    if protocol == "clothes-change":
        parts.append(embed_images(run.model, data.gallery("test-clothes"), 64)["global"].values)
    scores = embed_captions(run.model, data.queries("test"), 64)["global"].values @ torch.cat(parts).T
    of_image = {record.image_id: record for record in records}
    hits, precisions = [], []
    for row, caption in zip(scores, (c for r in records for c in r.captions), strict=True):
        asked = of_image[caption.image_id]
        ranked = []
        for position in row.argsort(descending=True, stable=True).tolist():
            shown = gallery[position]
            same = shown.pid == asked.pid
            if protocol == "clothes-change" and same and shown.outfit == asked.outfit:
                continue
            if protocol == "without-captioned-image" and shown.image_id == asked.image_id:
                continue
            ranked.append(same)
        if not any(ranked):
            continue
        hits.append(ranked[0])
        places = [place for place, same in enumerate(ranked) if same]
        precisions.append(np.mean([(found + 1) / (place + 1) for found, place in enumerate(places)]))
    return 100 * np.mean(hits), 100 * np.mean(precisions)


@pytest.mark.parametrize("protocol", ["standard", "clothes-change", "without-captioned-image"])
def test_protocol_equals_the_ranking_done_by_hand(run, section, protocol):
    run.model.eval()
    result = evaluate(run.model, run.evaluation, "test", replace(section, protocols=(protocol,))).results[protocol]
    recall, precision = by_hand(run, protocol)
    assert result.scores["R@1"] == pytest.approx(recall)
    assert result.scores["mAP"] == pytest.approx(precision, rel=1e-6)


def test_batch_size_and_workers_change_no_score(run, section):
    first = evaluate(run.model, run.evaluation, "test", replace(section, batch_size=5)).flat()
    assert evaluate(run.model, run.evaluation, "test", replace(section, batch_size=64)).flat() == pytest.approx(first)


def test_training_mode_is_restored(run, section):
    run.model.train()
    evaluate(run.model, run.evaluation, "test", section)
    assert run.model.training


def test_collapsed_model_scores_zero(run, section):

    head = run.model.heads["global"]
    before = {name: value.clone() for name, value in head.state_dict().items()}
    try:
        for value in head.parameters():
            torch.nn.init.zeros_(value)
        torch.nn.init.ones_(head.image_projection.bias)
        torch.nn.init.ones_(head.text_projection.bias)
        scores = evaluate(run.model, run.evaluation, "test", replace(section, protocols=("standard",))).flat()
        assert scores["R@1"] == scores["R@10"] == 0
    finally:
        head.load_state_dict(before)


def test_unknown_split_names_those_that_exist(run, section):
    with pytest.raises(DataError, match=r"no images in the split 'tset'; there are: train, val"):
        evaluate(run.model, run.evaluation, "tset", section)


def test_evaluating_on_training_identities_is_a_leak(run, section):
    with pytest.raises(LeakError, match="describes a test identity"):
        evaluate(run.model, run.evaluation, "train", replace(section, protocols=("standard",)), known(run))
    allowing = replace(section, protocols=("standard",), allow_leak=True)
    allowed = evaluate(run.model, run.evaluation, "train", allowing, known(run))
    assert len(allowed.leaks) == 1


def test_names_of_scores_are_known_without_evaluating(run, section):
    found = evaluate(run.model, run.evaluation, "test", section).flat()
    assert set(score_names(section)) == set(found)
    with pytest.raises(ConfigError, match=r"no score is called 'R@2'; there are: R@1"):
        best_metric(replace(section, metric="R@2"), found)
