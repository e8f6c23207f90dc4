"""A search that was exported comes out the same when it is played again, or is refused."""

import asyncio
import json
import re

import pytest
from app_person import QUERY, tokens

from tbpsbench.errors import DataError


@pytest.fixture
def exported(person):
    """Make an export in which every kind of turn stands, one of them undone: (somebody, the last page, its text)."""

    def make(count=1):
        someone = person(count)
        page = someone.post("/search", query=QUERY)
        slot = re.search(r'name="slot" value="([^"]*)"', page.text)[1]
        someone.post("/answer", slot=slot, answer="She carries a black backpack")
        someone.post("/person", picture=tokens(page.text)[3])
        someone.post("/undo")
        someone.post("/person", picture=tokens(page.text)[7])
        someone.post("/aside", picture=tokens(page.text)[0])
        page = someone.post("/refine", text="a woman in a red coat with a small black backpack")
        done = someone.get("/export")
        assert done.headers["content-disposition"] == 'attachment; filename="search.jsonl"'
        return someone, page, done.text

    return make


def replay(systems, text):
    from tbpsbench.app.talk import replayed

    return asyncio.run(replayed(systems, text))


@pytest.mark.parametrize("count", [1, 2])
def test_it_comes_out_the_same(exported, systems, count):
    someone, page, text = exported(count)
    head, *turns = [json.loads(line) for line in text.splitlines()]
    assert head["query"] == QUERY
    assert [turn["turn"] for turn in turns] == [
        "answered", "refined", "judged", "undone", "judged", "judged", "refined",
    ]  # fmt: skip
    talk, same = replay(systems[count], text)
    assert same
    assert len(talk.sessions) == count
    opened = someone.post("/open", session=text)
    assert "its result is the same" in opened.text
    assert tokens(opened.text) == tokens(page.text)


def test_who_else_searches_at_the_moment_does_not_matter(systems, monkeypatch):
    """Texts that wait together are compared together, which may change the last bit of what is shown."""
    from tbpsbench.app.searched import Searched, Seen
    from tbpsbench.app.talk import export, search

    computed = Searched._computed

    def rounded_otherwise(self, embedded):
        found = computed(self, embedded)
        return found if len(found) == 1 else [Seen(seen.score_G + 1e-6, seen.best_K) for seen in found]

    async def crowd():
        return await asyncio.gather(*(search(systems[1], f"{QUERY} number {n}") for n in range(12)))

    monkeypatch.setattr(Searched, "_computed", rounded_otherwise)
    talks = asyncio.run(crowd())
    seen = [talk.scores(systems[1], 0)[0] for talk in talks]
    alone = [talk.scores(systems[1], 0, alone=True)[0] for talk in talks]
    assert any((one != other).all() for one, other in zip(seen, alone, strict=True)), "none was compared with others"
    exports = [export(systems[1], talk) for talk in talks]
    systems[1].searched[0]._kept.clear()
    assert all(replay(systems[1], text)[1] for text in exports)


def test_similarities_are_kept_within_bounds(systems, monkeypatch):
    from tbpsbench.app.talk import search

    searched = systems[1].searched[0]
    monkeypatch.setattr(searched, "_most", 3)
    for number in range(6):
        asyncio.run(search(systems[1], f"{QUERY} number {number % 5}"))
        assert len(searched._kept) <= 3


def test_another_result_is_noticed(exported, systems):
    _, _, text = exported()
    head, *turns = text.splitlines()
    changed = json.loads(head)
    changed["about"]["result"][0][0][1] += 1e-6
    assert not replay(systems[1], "\n".join([json.dumps(changed), *turns]))[1]
    # A turn was left out.
    assert not replay(systems[1], "\n".join([head, *turns[:-1]]))[1]


def changed_head(change):
    def damage(text):
        head, *turns = text.splitlines()
        head = json.loads(head)
        change(head)
        return "\n".join([json.dumps(head), *turns])

    return damage


DAMAGE = {
    "nothing": lambda text: "",
    "no head": lambda text: "\n".join(text.splitlines()[1:]),
    "other pictures": changed_head(lambda head: head["about"]["pictures"].update(fingerprint="0")),
    "another system": changed_head(lambda head: head["about"]["systems"][0].update(fingerprint="0")),
    "another vector": changed_head(lambda head: head["about"]["vectors"].update({QUERY: ["AAAA"]})),
    "no vector": changed_head(lambda head: head["about"]["vectors"].update({QUERY: ["?"]})),
    "no such picture": lambda text: re.sub(r'"image": \d+', '"image": 40', text),
    "not JSON": lambda text: text + "{",
    "a long text": lambda text: text.replace("small", "small" * 900),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_refused(exported, systems, damage):
    someone, page, text = exported()
    with pytest.raises(DataError):
        replay(systems[1], damage(text))
    refused = someone.post("/open", session=damage(text))
    assert refused.status_code == 422
    assert tokens(refused.text) == tokens(page.text), "the search that was open stays"


def test_an_export_of_two_systems_needs_both(exported, systems):
    _, _, text = exported(2)
    with pytest.raises(DataError, match="by other systems"):
        replay(systems[1], text)


def test_the_tool_plays_it_again(exported, indexes, tool, tmp_path):
    _, _, text = exported()
    file = tmp_path / "search.jsonl"
    file.write_text(text, encoding="utf-8")
    code, out, err = tool("chat", indexes[0], "--replay", file)
    assert code == 0, err
    assert "refined: a woman in a red coat with a small black backpack" in out
    file.write_text("\n".join(text.splitlines()[:-1]), encoding="utf-8")
    code, out, _ = tool("chat", indexes[0], "--replay", file)
    assert code == 1
    assert "NOT as it was exported" in out
