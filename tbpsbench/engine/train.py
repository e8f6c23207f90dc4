"""One training run on mmengine's Runner: build, train, choose the checkpoint, evaluate, write the record."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from mmengine.config import Config as EngineConfig
from mmengine.dist import barrier, is_main_process
from mmengine.evaluator import Evaluator

from tbpsbench import registry
from tbpsbench.compat import QuietRunner, quiet_mmengine
from tbpsbench.config.check import require_valid
from tbpsbench.config.dump import write_config
from tbpsbench.config.load import load_config
from tbpsbench.config.override_order import listed
from tbpsbench.config.selection import score_names
from tbpsbench.config.settings import Settings
from tbpsbench.data.evaluation import EvaluationData
from tbpsbench.distributed import ddp_config, first_says, names_without_gradient, rank_and_world
from tbpsbench.engine.best import require_best, settle
from tbpsbench.engine.card import run_card
from tbpsbench.engine.checkpoint import Checkpointer
from tbpsbench.engine.cost import model_cost
from tbpsbench.engine.evaluate import best_metric, evaluate
from tbpsbench.engine.frozen import KeepStatistics
from tbpsbench.engine.guard import guard_resume
from tbpsbench.engine.hooks import Hook
from tbpsbench.engine.kept import require_keepable
from tbpsbench.engine.loop import RetrievalLoop
from tbpsbench.engine.mm_hooks import FirstStep, LearningRate, Progress, RequireFinite, StartEpoch
from tbpsbench.engine.optim import build_optim_wrapper, build_optimizer, group_table
from tbpsbench.engine.plan import choosing, plan_evaluation
from tbpsbench.engine.randomness import algorithms_kept
from tbpsbench.engine.record import record_of
from tbpsbench.engine.resumable import chooses_anew, require_epochs_to_come, require_whole, resume_optimizer
from tbpsbench.engine.run import Run, build_run
from tbpsbench.engine.schedule import LearningRates
from tbpsbench.engine.workdir import BEST, CARD, LAST, Resume, WorkDir, undo_if_refused
from tbpsbench.files import write_json
from tbpsbench.model.base import SearchModel
from tbpsbench.records.make import write_record
from tbpsbench.weights.files import read_checkpoint, read_state_dict
from tbpsbench.weights.load import load_into


def train(
    config: str | Path,
    work_dir: str | Path,
    overrides: Sequence[str] = (),
    *,
    resume: Resume = "no",
    overwrite: bool = False,
) -> dict[str, Any]:
    """Train a config, choose a checkpoint, evaluate it on the test split: tools/train.py as a function.

    torch's choice of algorithms (`runtime.deterministic`) is the caller's again afterwards.

    Args:
        config: a config file, or the name of a packaged one.
        work_dir: the run's folder; gets best.pth, last.pth, config.py, logs/ and record/.
        overrides: KEY=VALUE, as for `--cfg-options`.
        resume: "yes" goes on with the run that is there, "auto" does so if there is one, "no" wants a new run.
        overwrite: discard what is there under a run's names, once the new run has made a step.

    Returns:
        The record; empty on all but the first process.

    Raises:
        TBPSError: whatever is wrong with config, data, weights or the folder; nothing half-made stays.
    """
    command = ["tbpsbench.engine.train.train", str(config), *listed(overrides)]
    workdir = WorkDir(work_dir, resume=resume, overwrite=overwrite, command=command)
    try:
        with undo_if_refused(workdir), algorithms_kept():
            loaded = load_config(config, overrides)
            require_valid(loaded)
            return Training(build_run(loaded, folder=workdir.path), workdir, command=command).train()
    finally:
        workdir.release()


class Training:
    """A run made ready: everything that can be refused has been, before the first step.

    Args:
        run: what `build_run` made.
        workdir: the claimed folder; goes on from its last.pth if there is one.
        allow_config_change: keys that may differ from the run that is resumed.
        command: for the run card.
        suite: the leaderboard suite that asked for this run, for the record.

    Raises:
        ConfigError: if a hook, the optimiser or the selecting metric cannot be had, or a checkpoint could not keep the
            state of a hook or of the model.
        DataError: if validation or test would have nothing to score.
        LeakError: if the leak guard would refuse their result.
        CheckpointError: if the run in the folder was started with other settings, or its checkpoint is damaged.
    """

    def __init__(
        self,
        run: Run,
        workdir: WorkDir,
        *,
        allow_config_change: Collection[str] = (),
        command: Sequence[str] = (),
        suite: Mapping[str, Any] | None = None,
    ) -> None:
        self.run, self.workdir, self.command, self.suite = run, workdir, list(command), suite
        self.section = run.settings.evaluation
        self.metric = self.section.metric if self.section.selection != "last" else None
        if self.metric is not None:
            best_metric(self.section, score_names(choosing(self.section)))
        self.hooks: dict[str, Hook] = {
            name: registry.HOOKS.build(value, f"hooks.{name}") for name, value in run.settings.hooks.items()
        }
        require_keepable(self.hooks, run.model)
        assert run.system.trained_on is not None
        for split in dict.fromkeys([self._selecting_split(), "test"] if self.metric is not None else ["test"]):
            plan_evaluation(run.evaluation, split, self.section, run.system.trained_on.texts)
        self.statistics = KeepStatistics(run.model)
        self.optimizer = build_optimizer(run.settings.optimizer, run.settings.param_groups, run.model)
        self.over_time = LearningRates(run.settings.schedule)
        self.wrapper = build_optim_wrapper(self.optimizer, run.settings.runtime)
        # mmengine adds a group of its own that stands for the base rate in its log.
        self.rates = [group["lr"] for group in self.wrapper.param_groups]
        self.progress, self.notes, anew = Progress(), [*run.notes], False
        self.resumes = first_says(workdir.last is not None)  # another process may just have removed a file
        self.ended = workdir.ends() if self.resumes else []
        self.max_epochs = run.settings.schedule.max_epochs
        if self.resumes:
            anew = self._go_on(workdir.path / LAST, allow_config_change)
        self.groups = group_table(self.optimizer)  # the config's rates, which the schedule will change
        system, pictures = self.run.system, run.pictures
        self.checkpointer = Checkpointer(
            workdir.path, system, self.metric, self.hooks, self.progress, anew=anew, pictures=pictures
        )

    def _go_on(self, last: Path, allowed: Collection[str]) -> bool:
        """Take weights and optimiser from a checkpoint; whether the choice of the best epoch starts anew."""
        changed, changes, notes = guard_resume(last, self.run.system, allowed, self.run.pictures)
        self.run = self.run.after(changes)
        self.notes += notes
        content = read_checkpoint(last)
        require_whole(content, last, self.run.model, self.max_epochs)
        self.notes += filter(None, [resume_optimizer(content, last, self.wrapper, changed)])
        anew = chooses_anew(changed)
        if self.metric is not None and anew:
            require_epochs_to_come(content, last, self.max_epochs)
            self.notes.append("the best epoch is chosen among those to come: earlier scores follow other rules")
        elif self.metric is not None:
            require_best(self.workdir.path, content)
        return anew

    def train(self) -> dict[str, Any]:
        """Train, evaluate the chosen checkpoint on the test split, write the record.

        Returns:
            The record; empty on all but the first process.
        """
        run, folder = self.run, self.workdir.path
        if is_main_process():
            write_config(folder / "config.py", run.settings.values(), f"The resolved config of {run.name}.")
            self._write_card("running")
        with quiet_mmengine():
            runner = self._runner()
            for note in self.notes:
                runner.logger.warning(note)
            with names_without_gradient(run.model):
                runner.train()
        barrier()  # the first process is still writing
        if self.metric is None and is_main_process():
            (folder / BEST).unlink(missing_ok=True)  # of a rule that was changed since
            settle(folder)
        load_into(run.model, read_state_dict(self.chosen), source=str(self.chosen))
        found = self.record(run.evaluation)
        if found is None:
            return {}
        record, evidence = found
        write_record(folder / "record", record, evidence)
        self._write_card("finished")
        return record

    @property
    def chosen(self) -> Path:
        """The checkpoint that the run's rule chooses."""
        return self.workdir.path / (LAST if self.metric is None else BEST)

    def record(
        self,
        data: EvaluationData,
        *,
        name: str | None = None,
        settings: Settings | None = None,
        suite: Mapping[str, Any] | None = None,
    ) -> tuple[dict[str, Any], bytes] | None:
        """Evaluate the chosen checkpoint on the test split and gather the record; None on all but the first process.

        Args:
            data: the run's own, or others that the model was not trained on.
            name, settings, suite: where the same model is evaluated in another way, e.g. re-ranked: what the record is
                called, the config with that `evaluation`, and what the record says of the suite.
        """
        run, settings = self.run, settings or self.run.settings
        assert run.system.trained_on is not None
        evaluation = evaluate(run.model, data, "test", settings.evaluation, run.system.trained_on.texts)
        if not is_main_process():
            return None
        cost = {
            **model_cost(run.model, data),
            "peak_memory_bytes": self.checkpointer.peak_memory,
            "steps": self.progress.steps,
            "train_s": self.checkpointer.seconds,
            "energy_j": self.checkpointer.energy,
        }
        system, suite = run.system if name is None else replace(run.system, name=name), suite or self.suite
        chosen, selection = self.chosen, self._selection()
        return record_of(
            system, settings, data, evaluation, checkpoint=chosen, selection=selection, cost=cost, suite=suite
        )

    def _selection(self) -> dict[str, Any]:
        """How the checkpoint was chosen: rule, epoch, score, history, and how often the test split was looked at."""
        rule, kept = self.section.selection, self.checkpointer
        looked = len({*self.ended, self.max_epochs}) + kept.test_evaluations
        if self.metric is None:
            return {"rule": rule, "epoch": self.max_epochs, "test_evaluations": looked}
        assert kept.best is not None
        history = [{"epoch": row["epoch"], "score": row[kept.best["metric"]]} for row in kept.history]
        split = self._selecting_split()
        return {
            "rule": rule,
            **kept.best,
            "split": split,
            "queries": len(self.run.evaluation.queries(split)),
            "history": history,
            "test_evaluations": looked,
        }

    def _selecting_split(self) -> str:
        return "test" if self.section.selection == "test" else self.run.training.sources.validation_split

    def _write_card(self, status: Literal["running", "finished"]) -> None:
        ends = sorted({*self.ended, *([self.max_epochs] if status == "finished" else [])})
        card = run_card(self.run, status, command=self.command, groups=self.groups, kept=self.checkpointer, ends=ends)
        write_json(self.workdir.path / CARD, card)

    def _runner(self) -> QuietRunner:
        run, settings = self.run, self.run.settings
        assert run.system.trained_on is not None
        validation: dict[str, Any] = {}
        if self.section.selection != "last":
            split, known = self._selecting_split(), run.system.trained_on.texts
            plain = choosing(self.section)

            def score(model: SearchModel) -> dict[str, float]:
                return evaluate(model, run.evaluation, split, plain, known).flat()

            # mmengine wants a loader and an evaluator for a loop; ours brings its own data and metrics.
            loop = {"type": RetrievalLoop, "score": score}
            validation = {"val_dataloader": run.training.loader, "val_cfg": loop, "val_evaluator": Evaluator([])}
        logs, max_epochs = self.workdir.path / "logs", settings.schedule.max_epochs
        return QuietRunner(
            model=run.model,
            work_dir=str(logs),
            train_dataloader=run.training.loader,
            train_cfg={"by_epoch": True, "max_epochs": max_epochs, "val_interval": self.section.interval},
            optim_wrapper=self.wrapper,
            default_hooks={
                "logger": {"type": "LoggerHook", "interval": settings.runtime.log_interval},
                "param_scheduler": None,
                "checkpoint": None,
                "sampler_seed": None,
            },
            custom_hooks=[
                RequireFinite(),
                StartEpoch(run.training, settings.seed, self.hooks, self.progress),
                LearningRate(self.over_time, settings.schedule.per, self.rates),
                FirstStep(self.workdir.keep),
                self.statistics,
                self.checkpointer,
            ],
            launcher="pytorch" if rank_and_world()[1] > 1 else "none",
            visualizer={
                "type": "Visualizer",
                "vis_backends": [{"type": "LocalVisBackend"}, {"type": "TensorboardVisBackend"}],
            },
            randomness={"seed": settings.seed},
            resume=self.resumes,
            load_from=str(self.workdir.path / LAST) if self.resumes else None,
            experiment_name=f"{run.name}_{time.time_ns()}",
            cfg=EngineConfig({"model_wrapper_cfg": ddp_config()}),
            **validation,
        )
