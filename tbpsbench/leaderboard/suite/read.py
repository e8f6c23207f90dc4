"""A suite: entries x data sets x seeds, written as a config, and the tasks that it asks for.

    title = "Two towers on MiniPEDES"
    entries = dict(tiny=dict(config="../mini/two-tower-tiny_{data}.py", options=["schedule.max_epochs=8"]))
    datasets = {"mini-pedes": []}
    seeds = (0, 1, 2)
    transfer = {"indoor": ["data.dataset.domain=indoor"]}

`{data}` in an entry's config is replaced by the data set's name. Options are overrides as for `--cfg-options`; those of
the suite come first, then the data set's, then the entry's. An entry with `start="tiny"` is trained on from the
checkpoint that the entry `tiny` leaves with the same seed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tbpsbench.bundle import locate
from tbpsbench.config.check import check, report
from tbpsbench.config.load import Config, load_config
from tbpsbench.config.settings import Settings
from tbpsbench.errors import ConfigError, TBPSError
from tbpsbench.leaderboard.suite.file import SuiteEntry, SuiteFile, suite_problems
from tbpsbench.leaderboard.suite.wanted import Wanted, wanted_record
from tbpsbench.records.identity import same_data, system_sha256
from tbpsbench.records.names import slug

ROOT = "data.dataset.root"
# Names that are folders as they are; others are spelt as those of records.
PLAIN = re.compile(r"[A-Za-z0-9+][A-Za-z0-9._+-]{0,63}")


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
        rerank: name of a re-ranker -> component.
        start: the run whose checkpoint this one starts from.
        work: where the runs' folders lie, that of `start` among them.
        interact: name of an interactor -> component.
    """

    suite: str
    entry: str
    data: str
    seed: int
    seeds: tuple[int, ...]
    config: Path
    options: tuple[str, ...]
    transfer: Mapping[str, tuple[str, ...]]
    rerank: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    start: Task | None = None
    work: Path = Path()
    interact: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def load(self, more: tuple[str, ...] = (), name: str | None = None) -> Config:
        """The config of this run, with `more` overrides, and another name than the entry's.

        Raises:
            ConfigError: if the file is missing or an override matches nothing.
        """
        own = [f"seed={self.seed}", f"name={name or repr(self.entry)}"]
        if self.start is not None:
            own.append(f"load_from={self._load_from!r}")
        return load_config(self.config, [*self.options, *more, *own])

    @cached_property
    def _load_from(self) -> dict[str, str]:
        """The other run by its folder, and by what it is: a system is not told by where its start lies."""
        assert self.start is not None
        return {"file": str(self.work / self.start.key), "system": system_sha256(self.start.settings.values())}

    @property
    def settings(self) -> Settings:
        """The config of this run, resolved."""
        return Settings.of(self.load().values)

    @cached_property
    def key(self) -> str:
        """Name of the run's folder: readable, and another one for another config."""
        entry, data = (name if PLAIN.fullmatch(name) else slug(name) for name in (self.entry, self.data))
        return f"{entry}_{data}_seed-{self.seed}_{system_sha256(self.settings.values())[:8]}"

    def about(self, entry: str | None = None) -> dict[str, Any]:
        """What a record says of the suite."""
        return {"name": self.suite, "entry": entry or self.entry, "data": self.data, "seeds": list(self.seeds)}

    def wanted(self) -> list[Wanted]:
        """The records that this task must leave."""
        own = self.settings
        found = [wanted_record(self.entry, self.seed, own, settings) for settings in (own, *self.elsewhere())]
        found += [wanted_record(name, self.seed, changed, changed) for name, changed in self.reranked().items()]
        found += [
            wanted_record(name, self.seed, changed, settings)
            for name, changed in self.interacted().items()
            for settings in (changed, *self.elsewhere())
        ]
        return found

    def reranked(self) -> dict[str, Settings]:
        """Name of a record -> config that orders the trained model's results anew."""
        return self._changed("rerank", {name: [dict(one)] for name, one in self.rerank.items()})

    def interacted(self) -> dict[str, Settings]:
        """Name of a record -> config in which somebody talks about the trained model's queries."""
        return self._changed("interactor", {name: dict(one) for name, one in self.interact.items()})

    def _changed(self, key: str, values: Mapping[str, Any]) -> dict[str, Settings]:
        found = {}
        for name, value in values.items():
            called = f"{self.entry} + {name}"
            found[called] = Settings.of(self.load((f"evaluation.{key}={value!r}",), repr(called)).values)
        return found

    def elsewhere(self) -> list[Settings]:
        """Configs that read the other data on which the trained model is evaluated, its own left out."""
        return [settings for settings in self._others().values() if not _same(settings, self.settings)]

    def own_data(self) -> list[str]:
        """Names of the other data that are the ones that the model is trained on."""
        return [name for name, settings in self._others().items() if _same(settings, self.settings)]

    def _others(self) -> dict[str, Settings]:
        return {name: Settings.of(self.load(more).values) for name, more in self.transfer.items()}


def read_suite(path: str | Path) -> list[Task]:
    """All tasks of a suite, seed by seed, so that every system has its first seed early.

    Raises:
        ConfigError: if the file is no suite, or names data sets, configs or options that do not exist; all at once.
    """
    path = locate(path)
    config = load_config(path)
    if found := suite_problems(config.values):
        raise ConfigError(report(config, found))
    suite = SuiteFile(**config.values)
    entries = {name: SuiteEntry(**value) for name, value in suite.entries.items()}
    transfer = {key: (*value, *_root_of(key, value, suite.datasets)) for key, value in suite.transfer.items()}

    def task(name: str, data: str, seed: int) -> Task:
        entry = entries[name]
        before = entries[entry.start].start_data(data, suite.datasets) if entry.start is not None else None
        return Task(
            suite=path.stem,
            entry=name,
            data=data,
            seed=seed,
            seeds=tuple(suite.seeds),
            config=path.parent / entry.config.replace("{data}", data),
            options=(*suite.options, *suite.datasets[data], *entry.options),
            transfer=transfer,
            rerank={key: suite.rerank[key] for key in entry.rerank},
            start=None if entry.start is None or before is None else task(entry.start, before, seed),
            interact={key: suite.interact[key] for key in entry.interact},
        )

    tasks = [
        task(name, data, seed)
        for seed in suite.seeds
        for data in suite.datasets
        for name, entry in entries.items()
        if entry.datasets is None or data in entry.datasets
    ]
    _check_tasks(path, [task for task in tasks if task.seed == suite.seeds[0]])
    return tasks


def not_evaluated(tasks: Sequence[Task]) -> list[str]:
    """What a suite's `transfer` names and no record is made of, one line for each data set; empty if there is none."""
    lines = [
        f"not evaluated as other data: {name!r}, by what is trained on {task.data!r}: they are the same data"
        for task in tasks
        for name in task.own_data()
    ]
    return list(dict.fromkeys(lines))


def _same(one: Settings, other: Settings) -> bool:
    return same_data(one.data.dataset, other.data.dataset) and one.data.captions == other.data.captions


def _root_of(name: str, options: Sequence[str], datasets: Mapping[str, Sequence[str]]) -> list[str]:
    """Where the suite says that a data set lies which `transfer` names again, without a folder of its own."""
    root = [option for option in datasets.get(name, ()) if option.partition("=")[0].strip() == ROOT]
    return [] if any("root" in option for option in options) else root


def suite_title(path: str | Path) -> str:
    """The heading of a suite's board."""
    return str(load_config(path).values.get("title", Path(path).stem))


def _check_tasks(path: Path, tasks: list[Task]) -> None:
    """Check every config once, so that nothing is found out hours later."""
    problems = []
    for task in tasks:
        try:
            reranked = [(f"evaluation.rerank={[dict(component)]!r}",) for component in task.rerank.values()]
            talked = [(f"evaluation.interactor={dict(component)!r}",) for component in task.interact.values()]
            for more in ((), *task.transfer.values(), *reranked, *talked):
                config = task.load(more)
                if found := check(config):
                    problems.append(f"entry {task.entry!r} on {task.data!r}: {report(config, found)}")
        except TBPSError as error:
            problems.append(f"entry {task.entry!r} on {task.data!r}: {error}")
    if problems:
        raise ConfigError(f"{path}: {len(problems)} of its runs cannot be trained\n\n" + "\n\n".join(problems))
