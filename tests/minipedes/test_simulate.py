import json

import pytest

from tbpsbench.data.mini_pedes import MiniPEDES
from tbpsbench.errors import DataError
from tbpsbench.minipedes.describe import (
    CLOTHING_TERMS,
    IDENTITY_TERMS,
    clothing_description,
    identity_description,
    terms,
)
from tbpsbench.minipedes.people import CLOTHING_FACTORS, IDENTITY_FACTORS
from tbpsbench.minipedes.simulate import OPTIONS, Describer
from tbpsbench.minipedes.words import Facts
from tbpsbench.records.badges import simulated


@pytest.fixture(scope="module")
def tiny(mini):
    return MiniPEDES(str(mini), size="tiny")


@pytest.fixture(scope="module")
def facts(tiny):
    return {record.file: Facts.of(dict(record.attributes)) for record in tiny.load().records}


def seen(describer, facts):
    return {file: describer.perceive(shown, file)[0].values for file, shown in facts.items()}


def texts(annotations):
    return [[caption.text for caption in record.captions] for record in annotations.records]


def test_every_factor_can_be_taken_for_another():
    assert set(OPTIONS) == {*IDENTITY_FACTORS, *CLOTHING_FACTORS}
    assert all(len(set(values)) > 1 and "none" not in values for values in OPTIONS.values())


def test_without_errors_it_writes_the_ground_truth(tiny):
    assert texts(tiny.load("descriptions-wrong0-missing0")) == texts(tiny.load("descriptions"))


def test_rates_are_those_asked_for(facts):
    describer = Describer(wrong=20, missing=10, seed=0)
    pairs = [
        (value, describer.perceive(shown, file)[0].values.get(name))
        for file, shown in facts.items()
        for name, value in shown.values.items()
    ]
    total = len(pairs)
    assert sum(believed is None for _, believed in pairs) / total == pytest.approx(0.1, abs=0.03)
    assert sum(believed not in (None, value) for value, believed in pairs) / total == pytest.approx(0.2, abs=0.03)


def test_nothing_that_does_not_show_is_invented(facts):
    for file, values in seen(Describer(60, 20, 0), facts).items():
        assert set(values) <= set(facts[file].values)
        assert all(value in OPTIONS[name] for name, value in values.items())


def test_more_errors_contain_the_fewer(facts):
    few, many = seen(Describer(10, 10, 0), facts), seen(Describer(30, 40, 0), facts)
    for file, shown in facts.items():
        for name, value in shown.values.items():
            if few[file].get(name) is None:
                assert many[file].get(name) is None
            elif few[file][name] != value:
                assert many[file][name] == few[file][name]


def test_seed_decides(facts):
    assert seen(Describer(20, 20, 0), facts) == seen(Describer(20, 20, 0), facts)
    assert seen(Describer(20, 20, 0), facts) != seen(Describer(20, 20, 1), facts)


@pytest.mark.parametrize("rates", [(50, 0), (0, 50), (30, 60)])
def test_sentences_stay_clean_and_on_their_side(facts, rates):
    for values in seen(Describer(*rates, 0), facts).values():
        shown = Facts(values, "front", "none", "standing", "normal")
        identity, clothing = identity_description(shown), clothing_description(shown)
        for text in (identity, clothing):
            assert text == " ".join(text.split())
            assert not {"none", "plain"} & terms(text)
            assert " ." not in text
            assert text.endswith(".")
        assert not terms(identity) & CLOTHING_TERMS
        assert not terms(clothing) & IDENTITY_TERMS


def test_what_is_left_of_a_garment_is_still_named():
    def clothes(**values):
        return clothing_description(Facts(values, "front", "none", "standing", "normal"))

    assert clothes(upper="coat") == "A coat."
    assert clothes(upper_pattern="checks") == "A garment with checks."
    assert clothes(upper_pattern="print", upper_accent="red") == "A garment with a red print."
    assert clothes(inner_colour="red") == "A garment open over a red top."
    assert clothes(lower="short skirt") == "A miniskirt."
    assert clothes(lower="jeans", shoes="boots") == "Jeans and boots."
    assert clothes(bag_colour="red", hat_colour="olive") == "A red bag and an olive hat."
    assert clothes(carried_colour="white") == "A white thing in the hand."


def test_file_says_that_it_is_simulated_and_how_much(tiny):
    found = tiny.load("descriptions-wrong20-missing20")
    notes = found.header["notes"]["simulated"]
    assert (notes["wrong"], notes["missing"], notes["seed"]) == (0.2, 0.2, 0)
    assert notes["counted_wrong"] / notes["attributes"] == pytest.approx(0.2, abs=0.03)
    assert found.source == "simulated-describer"
    assert {caption.derived_from for record in found.records for caption in record.captions} == {"attributes"}
    assert simulated({"data": {"sources": [{"notes": json.loads(json.dumps(found.header["notes"]))}]}})


def test_file_is_made_once_and_equal_everywhere(tiny, tmp_path):
    name = "descriptions-wrong5-missing15-seed3"
    first, path = tiny.load(name), tiny.root / f"{name}.jsonl"
    stamp = path.stat().st_mtime_ns
    assert tiny.load(name).sha256 == first.sha256
    assert path.stat().st_mtime_ns == stamp
    path.unlink()
    assert tiny.load(name).sha256 == first.sha256
    assert first.header["notes"]["simulated"]["seed"] == 3


@pytest.mark.parametrize(
    "name",
    [
        "descriptions-wrong20", "descriptions-missing20-wrong20", "descriptions-wrong020-missing0",
        "descriptions-wrong1.5-missing0", "descriptions-wrong20-missing20-", "descriptions-wrong101-missing0",
        "descriptions-wrong20-missing20-seed", "descriptions-Wrong20-missing20", "descriptions-x",
    ],
)  # fmt: skip
def test_other_names_are_refused_with_the_right_form(tiny, name):
    with pytest.raises(DataError, match=r"no descriptions are called .*descriptions-wrongW-missingM"):
        tiny.load(name)
    assert not (tiny.root / f"{name}.jsonl").exists()


def test_more_than_everything_is_refused(tiny):
    with pytest.raises(DataError, match="60 % wrong and 50 % missing are more than 100 %"):
        tiny.load("descriptions-wrong60-missing50")
