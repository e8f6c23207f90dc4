"""What a suite's file may hold, and what is wrong with one."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tbpsbench import registry
from tbpsbench.arguments import did_you_mean
from tbpsbench.entries import Entry, Problem, argument_problems
from tbpsbench.errors import TBPSError
from tbpsbench.reading import require_text
from tbpsbench.registration import Registry

MAX_NAME = 200
MAX_SEEDS = 1000
# What torch and numpy both take.
MAX_SEED = 2**32 - 1


@dataclass(frozen=True)
class SuiteEntry:
    """One system of a suite.

    Attributes:
        config: its config, relative to the suite's file; may hold "{data}".
        options: overrides of this entry alone.
        datasets: the data sets that it is run on; all of the suite's by default.
        rerank: names of the suite's re-rankers that its results are ordered anew with; none by default.
        start: another entry, from whose checkpoint of the same seed this one is trained on: of the same data set, or of
            the only one that the other entry is trained on.
        interact: names of the suite's interactors that talk about its queries; none by default.
    """

    config: str
    options: tuple[str, ...] = ()
    datasets: tuple[str, ...] | None = None
    rerank: tuple[str, ...] = ()
    start: str | None = None
    interact: tuple[str, ...] = ()

    def start_data(self, data: str, known: Collection[str]) -> str | None:
        """The data set on which this entry is trained where another one, on `data`, starts from it; None if unclear."""
        own = tuple(known) if self.datasets is None else self.datasets
        return data if data in own else own[0] if len(own) == 1 else None


@dataclass(frozen=True)
class SuiteFile:
    """What a suite's file may hold.

    Attributes:
        title: heading of its board.
        entries: name of the system -> SuiteEntry.
        datasets: name -> overrides.
        seeds: every entry is run with each of them.
        options: overrides of all entries.
        transfer: name of other data -> overrides that read them; every trained model is evaluated on them, too.
        rerank: name -> RERANKERS component; an entry that names it gets a record "ENTRY + NAME" beside its own, of the
            same trained model.
        interact: name -> INTERACTORS component; the same, on the entry's own data and on those of `transfer`.
    """

    title: str
    entries: dict[str, dict[str, Any]]
    datasets: dict[str, list[str]]
    seeds: tuple[int, ...] = (0, 1, 2)
    options: tuple[str, ...] = ()
    transfer: dict[str, list[str]] = field(default_factory=dict)
    rerank: dict[str, dict[str, Any]] = field(default_factory=dict)
    interact: dict[str, dict[str, Any]] = field(default_factory=dict)


def suite_problems(values: Mapping[str, Any]) -> list[Problem]:
    """Everything that is wrong with a suite but for the configs that it names, in words that can be printed."""
    return [Problem(*map(_printable, (one.path, one.message, one.hint))) for one in _problems(values)]


def _problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    yield from _arguments(SuiteFile, values, "suite")
    entries, datasets = values.get("entries"), values.get("datasets")
    if not isinstance(entries, Mapping) or not entries or not isinstance(datasets, Mapping) or not datasets:
        yield Problem("entries", "a suite has entries=dict(name=dict(config='...')) and datasets=dict(name=[]).")
        return
    for name, entry in entries.items():
        place = f"entries.{name}"
        yield from _name(place, name)
        if not isinstance(entry, Mapping):
            yield Problem(place, f"an entry is dict(config='...', options=[...]), got {_short(entry)}")
            continue
        yield from _arguments(SuiteEntry, entry, place)
        yield from _options(f"{place}.options", entry.get("options", ()))
        yield from _file(f"{place}.config", entry.get("config", ""))
        yield from _subset(place, "datasets", "data set", entry.get("datasets"), datasets)
        rerankers = values.get("rerank", {})
        known = rerankers if isinstance(rerankers, Mapping) else {}
        yield from _subset(place, "rerank", "re-ranker", entry.get("rerank", ()), known)
        talkers = values.get("interact", {})
        known = talkers if isinstance(talkers, Mapping) else {}
        yield from _subset(place, "interact", "interactor", entry.get("interact", ()), known)
    yield from _starts(entries, datasets)
    yield from _options("options", values.get("options", ()))
    for section in ("datasets", "transfer"):
        named = values.get(section, {})
        if not isinstance(named, Mapping):
            yield Problem(section, f"is dict(name=[...]) of overrides, got {_short(named)}")
            continue
        for name, options in named.items():
            yield from _name(f"{section}.{name}", name)
            yield from _options(f"{section}.{name}", options)
    yield from _components("rerank", registry.RERANKERS, values.get("rerank", {}))
    yield from _components("interact", registry.INTERACTORS, values.get("interact", {}))
    yield from _name("title", values.get("title", ""))
    yield from _seeds(values.get("seeds", (0,)))


def _arguments(section: type, values: Mapping[str, Any], path: str) -> list[Problem]:
    parameters = dict(inspect.signature(section).parameters)
    entry: Entry[Any] = Entry(
        section, f"tbpsbench/leaderboard/suite/file.py, {section.__name__}", parameters=parameters
    )
    found = argument_problems(entry, {key: value for key, value in values.items() if key != "type"}, path, set(), path)
    if "type" in values:
        found.append(Problem(f"{path}.type", f"{path} has no argument 'type'.", f"It takes: {', '.join(parameters)}"))
    return found


def _options(place: str, options: object) -> Iterator[Problem]:
    if not isinstance(options, list | tuple):
        yield Problem(place, f"is a list of overrides, e.g. ['schedule.max_epochs=10'], got {_short(options)}")
        return
    for option in options:
        if not isinstance(option, str):
            yield Problem(place, f"an override is a text KEY=VALUE, got {_short(option)}")
        else:
            yield from _name(place, option, longest=None)


def _name(place: str, name: object, longest: int | None = MAX_NAME) -> Iterator[Problem]:
    """What is wrong with a text that ends up in names of files and in records."""
    if not isinstance(name, str):
        yield Problem(place, f"is a text, got {_short(name)}")
        return
    if longest is not None and len(name) > longest:
        yield Problem(place, f"has {len(name)} characters, more than the {longest} that a name can have")
    try:
        require_text(name, place)
    except TBPSError as error:
        yield Problem(place, str(error).removeprefix(f"{place}: "))


def _file(place: str, file: object) -> Iterator[Problem]:
    yield from _name(place, file, longest=None)
    if isinstance(file, str) and max(map(len, file.split("/"))) > MAX_NAME:
        yield Problem(place, f"is no file: the name of one has at most {MAX_NAME} characters, got {_short(file)}")


def _subset(place: str, key: str, kind: str, asked: object, known: Mapping[str, Any]) -> Iterator[Problem]:
    if asked is None:
        return
    if not isinstance(asked, list | tuple):
        yield Problem(f"{place}.{key}", f"is a list of names, got {_short(asked)}")
        return
    for name in asked:
        if not isinstance(name, str) or name not in known:
            message = f"no {kind} is called {_short(name)}.{did_you_mean(str(name), known)}"
            yield Problem(f"{place}.{key}", message, f"The suite has: {', '.join(known) or 'none'}")


def _starts(entries: Mapping[str, Any], datasets: Mapping[str, Any]) -> Iterator[Problem]:
    """Starts that do not exist, lead in a circle, or are trained on several other data sets."""
    starts = {name: entry.get("start") for name, entry in entries.items() if isinstance(entry, Mapping)}
    for name, start in starts.items():
        place = f"entries.{name}.start"
        if start is None:
            continue
        if not isinstance(start, str) or start not in starts:
            message = f"no entry is called {_short(start)}.{did_you_mean(str(start), entries)}"
            yield Problem(place, message, f"The suite has: {', '.join(map(str, entries))}")
            continue
        way = [name]
        while isinstance(start, str) and start in starts and start not in way:
            way.append(start)
            start = starts[start]
        if start == name:
            yield Problem(
                place, f"leads in a circle: {' <- '.join([*way, name])}", "One of them must start from scratch."
            )
            continue
        named = [entries[one].get("datasets") for one in (name, way[1])]
        own, first = (tuple(datasets) if one is None else one for one in named)
        if not isinstance(own, list | tuple) or not isinstance(first, list | tuple):
            continue  # reported above
        unclear = [data for data in own if data not in first and len(first) != 1]
        if unclear:
            yield Problem(
                place,
                f"{way[1]!r} is trained on {', '.join(map(str, first)) or 'nothing'}, and not on {unclear[0]!r}",
                "Give one of the two other datasets.",
            )


def _components(section: str, slot: Registry[Any], named: object) -> Iterator[Problem]:
    if not isinstance(named, Mapping):
        yield Problem(section, f"is dict(name=dict(type='...')), got {_short(named)}")
        return
    for name, component in named.items():
        yield from _name(f"{section}.{name}", name)
        yield from slot.problems(component, f"{section}.{name}")


def _seeds(seeds: object) -> Iterator[Problem]:
    if not isinstance(seeds, list | tuple):
        yield Problem("seeds", f"are a list, e.g. seeds = (0, 1, 2), got {_short(seeds)}")
        return
    if not seeds:
        yield Problem("seeds", "a suite needs at least one seed, e.g. seeds = (0, 1, 2)")
    if len(seeds) > MAX_SEEDS:
        yield Problem("seeds", f"are {len(seeds)}, more than {MAX_SEEDS}")
    for seed in seeds:
        if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed <= MAX_SEED:
            yield Problem("seeds", f"a seed is a whole number from 0 to {MAX_SEED}, got {_short(seed)}")
            return
    if twice := [seed for seed, count in Counter(seeds).items() if count > 1]:
        yield Problem("seeds", f"{twice[0]} is listed twice: its runs would share a folder")


def _printable(text: str) -> str:
    return "".join(sign if sign.isprintable() or sign == "\n" else ascii(sign)[1:-1] for sign in text)


def _short(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
