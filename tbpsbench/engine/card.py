"""run.json: what a reader of a run's folder wants to know first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tbpsbench.distributed import rank_and_world
from tbpsbench.engine.checkpoint import Checkpointer
from tbpsbench.engine.run import Run
from tbpsbench.records.environment import code_version, environment


def run_card(
    run: Run,
    status: str,
    *,
    command: Sequence[str],
    groups: Sequence[Mapping[str, Any]],
    kept: Checkpointer,
    ends: Sequence[int],
) -> dict[str, Any]:
    """The card of a run.

    Args:
        run: what is trained, on what.
        status: "running" or "finished".
        command: how it was started.
        groups: which parameters have which rate and decay by the config, before any schedule.
        kept: knows scores and the best epoch so far.
        ends: epochs at which the run was at its end and looked at the test split.
    """
    return {
        "name": run.name,
        "status": status,
        "command": list(command),
        "seed": run.settings.seed,
        "processes": rank_and_world()[1],
        "data": run.training.sources.provenance(),
        "parameters": sum(parameter.numel() for parameter in run.model.parameters()),
        "groups": [dict(group) for group in groups],
        "code": code_version(),
        "environment": environment(),
        "history": kept.history,
        "best": kept.best,
        "ends": list(ends),
    }
