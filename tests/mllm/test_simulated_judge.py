"""The simulated judge compares what a text says with what is stored, and errs as often as it is told to."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from tbpsbench.annotations import read_annotations
from tbpsbench.errors import DataError
from tbpsbench.interaction.play import claims
from tbpsbench.interaction.verdicts import says_yes
from tbpsbench.mllm.messages import Message, Request
from tbpsbench.mllm.pictures import read_picture
from tbpsbench.mllm.simulated import Simulated


@pytest.fixture(scope="module")
def people(mini):
    return read_annotations(next(Path(mini).glob("*/human.jsonl")))


def asked(people, record, text, **options):
    shown = (read_picture(people.image_root / record.file),)
    return Request((Message("user", "?", shown),), 16, 0.0, task="judge", texts=(text,), claims=claims(text), **options)


def said(people, requests, **rates):
    async def main():
        async with Simulated(str(people.path), **rates) as client:
            return [says_yes((await client.ask(request)).text) for request in requests]

    return asyncio.run(main())


def test_a_picture_fits_its_own_captions_and_seldom_anothers(people):
    records = people.records[:40]
    own = [asked(people, record, caption.text) for record in records for caption in record.captions]
    others = [
        asked(people, other, record.captions[0].text)
        for record, other in zip(records, reversed(records), strict=True)
        if record.pid != other.pid
    ]
    assert sum(said(people, own)) >= 0.97 * len(own)
    assert sum(said(people, others)) <= 0.1 * len(others)


def test_what_cannot_be_seen_is_held_against_nobody(people):
    record = people.records[0]
    hidden = replace(people.records[0], attributes={**record.attributes, "visible": ["sex"]})
    text = f"a {record.attributes['sex']} with purple shorts"
    from tbpsbench.mllm.sight import Sight

    sight = Sight(0.0, 0.0, 0.0, 0)
    assert says_yes(sight.judge(hidden.attributes, "x", claims(text), text, 0.0))
    other = "man" if record.attributes["sex"] == "woman" else "woman"
    assert not says_yes(sight.judge(hidden.attributes, "x", claims(f"a {other}"), text, 0.0))


def test_verdicts_are_turned_round_at_the_given_rate_and_the_same_ones_at_a_higher_one(people):
    requests = [asked(people, record, caption.text) for record in people.records for caption in record.captions]
    plain, some, more = (said(people, requests, misjudged=rate) for rate in (0.0, 0.2, 0.4))
    turned = [[a != b for a, b in zip(plain, other, strict=True)] for other in (some, more)]
    assert 0.14 < sum(turned[0]) / len(requests) < 0.26
    assert 0.33 < sum(turned[1]) / len(requests) < 0.47
    assert all(late for early, late in zip(*turned, strict=True) if early)


def test_the_name_and_the_record_tell_the_rate_and_its_range_is_checked(people):
    client = Simulated(str(people.path), misjudged=0.2)
    assert "misjudged0.2" in client.name
    assert client.describe()["simulated"]["misjudged"] == 0.2
    with pytest.raises(ValueError, match=r"misjudged is 1\.5"):
        Simulated(str(people.path), misjudged=1.5)
    with pytest.raises(DataError, match="needs annotations="):
        asyncio.run(Simulated().probe())
