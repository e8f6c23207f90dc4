"""One training run on mmengine's Runner: build, train, choose the checkpoint, evaluate, write the record."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config as EngineConfig
from mmengine.dist import barrier, is_main_process
from mmengine.evaluator import Evaluator

from tbpsbench import registry
from tbpsbench.compat import QuietRunner, quiet_mmengine
from tbpsbench.config.dump import write_config
from tbpsbench.config.load import Config
from tbpsbench.config.resolve import fill_from_data
from tbpsbench.config.schema import RuntimeSection, ScheduleSection, with_defaults
from tbpsbench.data.build import Data, build_data
from tbpsbench.distributed import ddp_config, join_processes, rank_and_world
from tbpsbench.engine.checkpoint import Checkpointer, guard_resume, load_model
from tbpsbench.engine.cost import model_cost
from tbpsbench.engine.evaluate import best_metric, evaluate, score_names
from tbpsbench.engine.hooks import Hook
from tbpsbench.engine.loop import RetrievalLoop
from tbpsbench.engine.mm_hooks import LearningRate, StartEpoch
from tbpsbench.engine.optim import build_optim_wrapper, build_optimizer, group_table
from tbpsbench.engine.randomness import make_deterministic, seed_epoch
from tbpsbench.engine.workdir import BEST, CARD, LAST, WorkDir
from tbpsbench.files import write_json
from tbpsbench.model.person_search import BatchToDevice, PersonSearchModel
from tbpsbench.records.environment import code_version, environment
from tbpsbench.records.make import make_record, write_record


@dataclass
class Run:
    """Everything a run is built from; also what tools/test.py needs.

    Attributes:
        name: of the config.
        values: the resolved config with defaults.
        data: what it reads.
        model: what it trains.
    """

    name: str
    values: dict[str, Any]
    data: Data
    model: PersonSearchModel


def build_run(config: Config, *, seed: int | None = None) -> Run:
    """Build data and model of a checked config, from its seed alone.

    Raises:
        ConfigError, DataError, CheckpointError: whatever is wrong with config, data or pretrained weights.
    """
    join_processes()
    code_version()
    values = with_defaults(config.values)
    if seed is not None:
        values["seed"] = seed
    runtime = RuntimeSection(**values["runtime"])
    if runtime.threads:
        torch.set_num_threads(runtime.threads)
    make_deterministic(runtime.deterministic)
    data = build_data(values["data"], values["evaluation"], values["seed"])
    seed_epoch(values["seed"], -1)
    model = PersonSearchModel(**fill_from_data(values["model"], data.facts, "model"), roles=data.roles)
    model.data_preprocessor = BatchToDevice()
    model.to(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    if runtime.compile:
        model.image_encoder.compile()
        model.text_encoder.compile()
    return Run(config.name, values, data, model)


class Training:
    """A run made ready: everything that can be refused has been, before the first step.

    Args:
        run: what `build_run` made.
        workdir: the claimed folder; goes on from its last.pth if there is one.
        allow_config_change: keys that may differ from the run that is resumed.
        command: for the run card.
        suite: the leaderboard suite that asked for this run, for the record.

    Raises:
        ConfigError: if a hook, the optimiser or the selecting metric cannot be had.
        CheckpointError: if the run in the folder was started with other settings.
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
        self.section = run.values["evaluation"]
        self.metric = self.section["metric"] if self.section["selection"] != "last" else None
        if self.metric is not None:
            best_metric(self.section, score_names(self.section))
        self.hooks: dict[str, Hook] = {
            name: registry.HOOKS.build(value, f"hooks.{name}") for name, value in run.values["hooks"].items()
        }
        self.optimizer = build_optimizer(run.values["optimizer"], run.values["param_groups"], run.model)
        self.wrapper = build_optim_wrapper(self.optimizer, RuntimeSection(**run.values["runtime"]))
        if workdir.last is not None:
            guard_resume(workdir.last, run.values, run.data.hashes, allow_config_change)
        self.checkpointer = Checkpointer(workdir.path, run.values, run.data.hashes, self.metric, self.hooks)

    def train(self) -> dict[str, Any]:
        """Train, evaluate the chosen checkpoint on the test split, write the record.

        Returns:
            The record; empty on all but the first process.
        """
        run, folder = self.run, self.workdir.path
        if is_main_process():
            write_config(folder / "config.py", run.values, f"The resolved config of {run.name}.")
            write_json(folder / CARD, self._card("running"))
        with quiet_mmengine():
            self._runner().train()
        barrier()  # the first process is still writing
        chosen = folder / (LAST if self.metric is None else BEST)
        load_model(run.model, chosen)
        found = self.record(run.data, chosen)
        if found is None:
            return {}
        record, evidence = found
        write_record(folder / "record", record, evidence)
        write_json(folder / CARD, self._card("finished"))
        return record

    def record(self, data: Data, checkpoint: Path) -> tuple[dict[str, Any], bytes] | None:
        """Evaluate the model as it is on the test split and gather the record; None on all but the first process.

        Args:
            data: the run's own, or others that the model was not trained on.
            checkpoint: the file that the model's weights were loaded from.
        """
        run = self.run
        evaluation = evaluate(run.model, data, "test", self.section)
        if not is_main_process():
            return None
        cost = {
            **model_cost(run.model, data),
            "peak_memory_bytes": self.checkpointer.peak_memory,
            "steps": run.values["schedule"]["max_epochs"] * len(run.data.loader),
            "train_s": self.checkpointer.seconds,
            "energy_j": self.checkpointer.energy,
        }
        return make_record(
            name=run.name,
            config=run.values,
            checkpoint=checkpoint,
            data=data,
            evaluation=evaluation,
            selection=self._selection(),
            cost=cost,
            suite=self.suite,
            trained_on=run.data.name,
        )

    def _selection(self) -> dict[str, Any]:
        """How the checkpoint was chosen: rule, epoch, score, history, and how often the test split was looked at."""
        rule, kept = self.section["selection"], self.checkpointer
        if kept.best is None:
            return {"rule": rule, "epoch": self.run.values["schedule"]["max_epochs"], "test_evaluations": 1}
        history = [{"epoch": row["epoch"], "score": row[kept.best["metric"]]} for row in kept.history]
        looked = 1 + (len(history) if rule == "test" else 0)
        split = self._selecting_split()
        return {
            "rule": rule,
            **kept.best,
            "split": split,
            "queries": len(self.run.data.queries(split)),
            "history": history,
            "test_evaluations": looked,
        }

    def _selecting_split(self) -> str:
        return "test" if self.section["selection"] == "test" else self.run.data.validation_split

    def _card(self, status: str) -> dict[str, Any]:
        """What a reader of the folder wants to know first."""
        return {
            "name": self.run.name,
            "status": status,
            "command": self.command,
            "seed": self.run.values["seed"],
            "processes": rank_and_world()[1],
            "data": self.run.data.provenance(),
            "parameters": sum(parameter.numel() for parameter in self.run.model.parameters()),
            "groups": group_table(self.optimizer),
            "code": code_version(),
            "environment": environment(),
            "history": self.checkpointer.history,
            "best": self.checkpointer.best,
        }

    def _runner(self) -> QuietRunner:
        schedule = ScheduleSection(**self.run.values["schedule"])
        runtime = RuntimeSection(**self.run.values["runtime"])
        validation: dict[str, Any] = {}
        if self.section["selection"] != "last":
            loop = {"type": RetrievalLoop, "data": self.run.data, "split": self._selecting_split()}
            loop["section"] = self.section
            # mmengine wants a loader and an evaluator for a loop; ours brings its own data and metrics.
            validation = {"val_dataloader": self.run.data.loader, "val_cfg": loop, "val_evaluator": Evaluator([])}
        # mmengine adds a group of its own that stands for the base rate in its log.
        rates = [group["lr"] for group in self.wrapper.param_groups]
        logs = self.workdir.path / "logs"
        return QuietRunner(
            model=self.run.model,
            work_dir=str(logs),
            train_dataloader=self.run.data.loader,
            train_cfg={"by_epoch": True, "max_epochs": schedule.max_epochs, "val_interval": self.section["interval"]},
            optim_wrapper=self.wrapper,
            default_hooks={
                "logger": {"type": "LoggerHook", "interval": runtime.log_interval},
                "param_scheduler": None,
                "checkpoint": None,
                "sampler_seed": None,
            },
            custom_hooks=[
                StartEpoch(self.run.data, self.run.values["seed"], self.hooks),
                LearningRate(schedule, rates),
                self.checkpointer,
            ],
            launcher="pytorch" if rank_and_world()[1] > 1 else "none",
            visualizer={
                "type": "Visualizer",
                "vis_backends": [{"type": "LocalVisBackend"}, {"type": "TensorboardVisBackend"}],
            },
            randomness={"seed": self.run.values["seed"]},
            resume=self.workdir.last is not None,
            load_from=str(self.workdir.last) if self.workdir.last else None,
            experiment_name=f"{self.run.name}_{time.time_ns()}",
            cfg=EngineConfig({"model_wrapper_cfg": ddp_config()}),
            **validation,
        )
