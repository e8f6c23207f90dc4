"""Vague queries: two a picture, in the terse style, true and short."""

import numpy as np
import pytest

from tbpsbench.captions.reading import read
from tbpsbench.captions.terse import Terse
from tbpsbench.data.mini_pedes import MiniPEDES
from tbpsbench.errors import DataError


def test_terse_queries_say_less_and_nothing_else_than_is_stored(mini):
    data = MiniPEDES(str(mini), size="tiny")
    human, terse = data.load(), Terse().load(data)
    assert [record.file for record in terse.records] == [record.file for record in human.records]
    said = []
    for record in terse.records:
        assert [caption.style for caption in record.captions] == ["terse", "terse"]
        for caption in record.captions:
            facts = read(caption.text).facts
            said.append(len(facts))
            wrong = [f for f, v in facts.items() if f in record.attributes["visible"] and record.attributes[f] not in v]
            assert not {"sex", "upper", "lower"} & {*wrong}, (caption.text, wrong)
    told = [len(read(caption.text).facts) for record in human.records for caption in record.captions]
    assert np.mean(said) < 0.8 * np.mean(told)
    assert terse.source == "terse"
    assert Terse().load(data).sha256 == terse.sha256


def test_other_data_have_none(mini):
    class Other:
        name = "CUHK-PEDES"

    with pytest.raises(DataError, match="CUHK-PEDES has none"):
        Terse().load(Other())
