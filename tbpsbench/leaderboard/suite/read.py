"""A suite: entries x data sets x seeds, written as a config, and the tasks that it asks for.

    title = "Two towers on MiniPEDES"
    entries = dict(tiny=dict(config="../mini/two-tower-tiny_{data}.py", options=["schedule.max_epochs=8"]))
    datasets = {"mini-pedes": []}
    seeds = (0, 1, 2)
    transfer = {"indoor": ["data.dataset.domain=indoor"]}

`{data}` in an entry's config is replaced by the data set's name. Options are overrides as for `--cfg-options`; those of
the suite come first, then the data set's, then the entry's.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tbpsbench.arguments import did_you_mean
from tbpsbench.bundle import locate
from tbpsbench.config.check import check, report
from tbpsbench.config.load import Config, load_config
from tbpsbench.config.settings import Settings
from tbpsbench.entries import Entry, Problem, argument_problems
from tbpsbench.errors import ConfigError
from tbpsbench.records.identity import data_key, system_sha256


@dataclass(frozen=True)
class SuiteEntry:
    """One system of a suite.

    Attributes:
        config: its config, relative to the suite's file; may hold "{data}".
        options: overrides of this entry alone.
        datasets: the data sets that it is run on; all of the suite's by default.
    """

    config: str
    options: tuple[str, ...] = ()
    datasets: tuple[str, ...] | None = None


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
    """

    title: str
    entries: dict[str, dict[str, Any]]
    datasets: dict[str, list[str]]
    seeds: tuple[int, ...] = (0, 1, 2)
    options: tuple[str, ...] = ()
    transfer: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Task:
    """One training run of a suite.

    Attributes:
        suite: name of the suite.
        entry: name of the system.
        data: name of the data set within the suite.
        seed: of the run.
        seeds: all seeds of the suite.
        config: path of the config.
        options: all overrides.
        transfer: name of other data -> overrides.
    """

    suite: str
    entry: str
    data: str
    seed: int
    seeds: tuple[int, ...]
    config: Path
    options: tuple[str, ...]
    transfer: Mapping[str, tuple[str, ...]]

    def load(self, more: tuple[str, ...] = ()) -> Config:
        """The config of this run, with `more` overrides.

        Raises:
            ConfigError: if the file is missing or an override matches nothing.
        """
        return load_config(self.config, [*self.options, *more, f"seed={self.seed}", f"name={self.entry}"])

    @property
    def settings(self) -> Settings:
        """The config of this run, resolved."""
        return Settings.of(self.load().values)

    @property
    def key(self) -> str:
        """Name of the run's folder: readable, and another one for another config."""
        return f"{self.entry}_{self.data}_seed-{self.seed}_{system_sha256(self.settings.values())[:8]}"

    def about(self) -> dict[str, Any]:
        """What the record says of the suite."""
        return {"name": self.suite, "entry": self.entry, "data": self.data, "seeds": list(self.seeds)}

    def wanted(self) -> set[tuple[str, int, str, str]]:
        """Identities of the records that this task must leave; see `record_identity`."""
        own = self.settings
        digest = system_sha256(own.values())
        return {
            (self.entry, self.seed, digest, data_key(settings.data.dataset)) for settings in (own, *self.elsewhere())
        }

    def elsewhere(self) -> list[Settings]:
        """Configs that read the other data on which the trained model is evaluated, its own left out."""
        own = data_key(self.settings.data.dataset)
        others = [Settings.of(self.load(more).values) for more in self.transfer.values()]
        return [settings for settings in others if data_key(settings.data.dataset) != own]


def read_suite(path: str | Path) -> list[Task]:
    """All tasks of a suite, seed by seed, so that every system has its first seed early.

    Raises:
        ConfigError: if the file is no suite, or names data sets, configs or options that do not exist; all at once.
    """
    path = locate(path)
    config = load_config(path)
    found = list(_problems(config.values))
    if found:
        raise ConfigError(report(config, found))
    suite = SuiteFile(**config.values)
    entries = {name: SuiteEntry(**value) for name, value in suite.entries.items()}
    tasks = [
        Task(
            suite=path.stem,
            entry=name,
            data=data,
            seed=seed,
            seeds=tuple(suite.seeds),
            config=path.parent / entry.config.replace("{data}", data),
            options=(*suite.options, *suite.datasets[data], *entry.options),
            transfer={key: tuple(value) for key, value in suite.transfer.items()},
        )
        for seed in suite.seeds
        for data in suite.datasets
        for name, entry in entries.items()
        if entry.datasets is None or data in entry.datasets
    ]
    _check_tasks(path, [task for task in tasks if task.seed == suite.seeds[0]])
    return tasks


def suite_title(path: str | Path) -> str:
    """The heading of a suite's board."""
    return str(load_config(path).values.get("title", Path(path).stem))


def _problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    yield from _arguments(SuiteFile, values, "suite")
    entries, datasets = values.get("entries"), values.get("datasets")
    if not isinstance(entries, Mapping) or not entries or not isinstance(datasets, Mapping) or not datasets:
        yield Problem("entries", "a suite has entries=dict(name=dict(config='...')) and datasets=dict(name=[]).")
        return
    for name, entry in entries.items():
        if not isinstance(entry, Mapping):
            yield Problem(f"entries.{name}", f"an entry is dict(config='...', options=[...]), got {entry!r}")
            continue
        yield from _arguments(SuiteEntry, entry, f"entries.{name}")
        for data in entry.get("datasets") or ():
            if data not in datasets:
                near = did_you_mean(data, datasets)
                message = f"no data set is called {data!r}.{near}"
                yield Problem(f"entries.{name}.datasets", message, f"The suite has: {', '.join(datasets)}")
    if not values.get("seeds", (0,)):
        yield Problem("seeds", "a suite needs at least one seed, e.g. seeds = (0, 1, 2)")


def _arguments(section: type, values: Mapping[str, Any], path: str) -> list[Problem]:
    parameters = dict(inspect.signature(section).parameters)
    entry: Entry[Any] = Entry(
        section, f"tbpsbench/leaderboard/suite/read.py, {section.__name__}", parameters=parameters
    )
    return argument_problems(entry, {"type": None, **values}, path, set(), path)


def _check_tasks(path: Path, tasks: list[Task]) -> None:
    """Check every config once, so that nothing is found out hours later."""
    problems = []
    for task in tasks:
        try:
            for more in ((), *task.transfer.values()):
                config = task.load(more)
                if found := check(config):
                    problems.append(f"entry {task.entry!r} on {task.data!r}: {report(config, found)}")
        except ConfigError as error:
            problems.append(f"entry {task.entry!r} on {task.data!r}: {error}")
    if problems:
        raise ConfigError(f"{path}: {len(problems)} of its runs cannot be trained\n\n" + "\n\n".join(problems))
