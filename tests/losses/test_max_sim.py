import pytest
import torch
from torch.nn.functional import normalize

from tbpsbench.losses.max_sim import MaxSim
from tbpsbench.testing import check_loss, toy_batch, toy_features
from tbpsbench.types import Embedding

TOKENS = {"image": "image.patches", "text": "text.query.tokens"}


def features_with_tokens(batch):
    features = toy_features(batch)
    text, mask = features["text.query.tokens"], features["text.query.mask"]
    features.heads["tokens"] = Embedding(features["image.patches"], text, text_mask=mask)
    return features


@pytest.mark.parametrize("direction", ["text", "image", "both"])
@pytest.mark.parametrize("positives", ["instance", "identity"])
def test_keeps_the_contract_of_losses(direction, positives):
    check_loss({"type": "MaxSim", **TOKENS, "direction": direction, "positives": positives})


@pytest.mark.parametrize("positives", ["instance", "identity"])
def test_value_against_loops_in_float64(positives):
    batch = toy_batch((0, 0, 1, 2))
    features = features_with_tokens(batch)
    image = normalize(features["heads.tokens.image"].double(), dim=-1)
    text = normalize(features["heads.tokens.text"].double(), dim=-1)
    score = torch.empty(4, 4, dtype=torch.float64)
    for q in range(4):
        words = text[q][features["heads.tokens.text_mask"][q]]
        for g in range(4):
            score[q, g] = (words @ image[g].T).amax(dim=1).mean() / 0.1
    expected = 0.0
    for rows in (score, score.T):
        for q in range(4):
            match = [g for g in range(4) if (batch.pid_B[g] == batch.pid_B[q] if positives == "identity" else g == q)]
            expected -= sum(rows[q].log_softmax(0)[g] for g in match) / len(match) / 8
    loss = MaxSim(temperature=0.1, positives=positives)(features, batch)
    torch.testing.assert_close(loss.value.double(), expected, rtol=1e-5, atol=1e-6)
    assert loss.per_sample.shape == (4,)


def test_words_that_are_not_there_change_nothing():
    batch = toy_batch()
    features = features_with_tokens(batch)
    before = MaxSim()(features, batch).value
    mask = features["heads.tokens.text_mask"]
    with torch.no_grad():
        features.heads["tokens"].text[~mask] = 100.0
    assert torch.equal(MaxSim()(features, batch).value, before)


def test_temperature_must_be_positive():
    with pytest.raises(ValueError, match="temperature must be positive"):
        MaxSim(temperature=0.0)
