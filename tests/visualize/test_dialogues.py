import numpy as np
import pytest
from PIL import Image

from tbpsbench.errors import ConfigError, DataError
from tbpsbench.interaction.rules import PRESETS
from tbpsbench.interaction.session import begin
from tbpsbench.interaction.turns import Answered, Judged, Refined
from tbpsbench.visualize.dialogues import choose_talked, dialogue_lines, dialogue_sheet, talk
from tbpsbench.visualize.sheets import KEY

STANDARD = "evaluation.protocols=('standard',)"
MTI = "evaluation.interactor=dict(type='MTI', mllm=dict(type='Simulated'), k=4, ablations=(), budgets=())"


def test_a_sheet_shows_the_scores_of_the_record_and_every_dialogue(built, tmp_path, texts):
    run = built(STANDARD, MTI)
    talked = talk(run.model, run.evaluation, "test", run.settings.evaluation)
    assert talked.recall == pytest.approx(100 * (talked.first == 1).mean())
    chosen, rule = choose_talked(talked, run.evaluation, "test", rows=3, captions=(), show="mixed", seed=0)
    assert len(chosen) == 3
    right = int((talked.first_before[chosen] == 1).sum())
    counts = [f"{count} {kind}" for count, kind in ((right, "right"), (3 - right, "wrong")) if count]
    assert rule.startswith(f"Queries before the interaction: {', '.join(counts)} at rank 1")
    path = dialogue_sheet(run.evaluation, "test", talked, chosen, rule, tmp_path / "sheet.png")
    with Image.open(path) as sheet:
        assert np.asarray(sheet).std() > 5
    ids = [int(talked.question.ask.ids[2])]
    assert choose_talked(talked, run.evaluation, "test", rows=1, captions=ids, show="mixed", seed=0)[0] == [2]
    assert KEY in " ".join(texts)
    assert "A thick frame: the anchor" in " ".join(texts)
    with pytest.raises(DataError, match="at most 100"):
        choose_talked(talked, run.evaluation, "test", rows=1, captions=range(101), show="mixed", seed=0)


def test_a_dialogue_in_words():
    base = np.array([0.3, 0.9, 0.1], np.float32)
    session = begin("a man", base, PRESETS["ctgi"]).take(Judged(1, False)).take(Judged(0, True))
    session = session.take(Answered(("bag", "hat"), ("?", "?"), ("He carries a bag.",), ("no\tabsent",), 0))
    texts = [text for text, _ in dialogue_lines(session.take(Refined("a man. He carries a bag.")))]
    assert texts == [
        "Query: a man", "Does it fit? nY: candidate 2 is the anchor", "Asked about: bag, hat", "- He carries a bag.",
        "New query: a man. He carries a bag.",
    ]  # fmt: skip


def test_without_an_interactor_there_is_nothing_to_draw(built):
    run = built(STANDARD)
    with pytest.raises(ConfigError, match="none is set"):
        talk(run.model, run.evaluation, "test", run.settings.evaluation)
