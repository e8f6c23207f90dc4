"""Export: write the graphs aside, compare each precision with the system, and only then put the folder in its place."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tbpsbench.config.schema import EvaluationSection
from tbpsbench.data.evaluation import EvaluationData
from tbpsbench.engine.cost import model_cost
from tbpsbench.errors import CheckpointError, ConfigError, DataError
from tbpsbench.export.card import card
from tbpsbench.export.graphs import OPSET, PACKAGES, require_packages, write_graphs
from tbpsbench.export.hugging_face import FILES, files
from tbpsbench.export.parity import LIMITS, Comparison, Parity
from tbpsbench.export.precision import write_reduced
from tbpsbench.files import atomic_folder, sha256_file, write_json
from tbpsbench.heads.base import Side
from tbpsbench.metrics.leaks import TrainingTexts
from tbpsbench.model.exported import DESCRIPTION, GRAPHS, SIDES, SUFFIX, ExportedModel, graph_file
from tbpsbench.parts import require
from tbpsbench.reading import read_json
from tbpsbench.system import System
from tbpsbench.system_exported import VERSION, read_exported
from tbpsbench.system_files import CARD, describe


class ExportRefused(ConfigError):
    """An exported precision is too far from the system: nothing was written."""

    exit_code = 1


def export(
    system: System,
    folder: Path,
    data: EvaluationData,
    section: EvaluationSection,
    *,
    split: str = "val",
    precisions: Sequence[str] = ("float32",),
    max_drop: float | None = None,
    training: TrainingTexts | None = None,
    overwrite: bool = False,
) -> dict[str, Parity]:
    """Write a system as ONNX graphs with all that other programs need to run them.

    Args:
        system: its similarity is the dot product of one vector a side. Texts that it reads beside a picture are left
            out: the export embeds pictures alone, as search does.
        folder: what is written; see `system_exported`.
        data, section, split, training: what every precision is compared on; see `parity.Comparison`.
        precisions: of "float32", "float16", "int8".
        max_drop: most points of R@1 that float16 and int8 may lose; None for `parity.LIMITS`.
        overwrite: replace an exported system that is there.

    Returns:
        precision -> how near it is.

    Raises:
        ConfigError: if a precision is unknown, the packages are missing, or the system cannot be exported.
        ExportRefused: if a precision is further from the system than its limits; nothing is written.
        CheckpointError: if the folder holds something else, or a system and `overwrite` is not set.
        DataError, LeakError: see `evaluate`.
        StorageError: if it cannot be written; what was there stays.
    """
    folder = folder.resolve() if folder.exists() else folder  # what a link leads to is replaced, not the link
    require_place(folder, precisions, overwrite=overwrite)
    require_packages()
    _require_exportable(system)
    comparison = Comparison(system.model, data, split, section, training)
    found: dict[str, Parity] = {}
    with atomic_folder(folder, replace=True) as aside:
        (aside / GRAPHS).mkdir()
        files32: dict[Side, Path] = {side: aside / graph_file(side, "float32") for side in SIDES}
        length = write_graphs(system, files32)
        plain = {
            **describe(system),
            "exported": {
                "version": VERSION,
                "from": system.fingerprint,
                "dim": system.model.joint_dim,
                "length": length,
                "opset": OPSET,
                "by": {name: require(name, "onnx", "An export").__version__ for name in ("torch", *PACKAGES)},
                "cost": model_cost(system.model, data, split),
                "graphs": {},
                "parity": {},
            },
        }
        told: dict[str, Any] = plain["exported"]
        for precision in dict.fromkeys(precisions):
            if precision != "float32":
                for side, source in files32.items():
                    write_reduced(source, aside / graph_file(side, precision), precision)
            told["graphs"][precision] = _hashes(aside, precision)
            write_json(aside / DESCRIPTION, plain)
            limits = LIMITS[precision]
            if max_drop is not None and precision != "float32":
                limits = replace(limits, drop=max_drop)
            model = read_exported(aside, precision, "cpu")["model"]
            assert isinstance(model, ExportedModel)
            one = found[precision] = comparison.with_export(model.eval(), precision, limits)
            if one.problems:
                raise ExportRefused(
                    f"{one.line()}\n{precision}: {'; '.join(one.problems)}. Nothing was written. Compare on a "
                    f"larger split, leave {precision} out, or allow more (--max-drop)."
                )
            told["parity"][precision] = one.to_plain()
        if "float32" not in precisions:
            for file in files32.values():
                file.unlink()
        _write_rest(system, aside, plain, comparison, found)
        require_place(folder, precisions, overwrite=overwrite)  # somebody else may have been faster
    return found


def require_place(folder: Path, precisions: Sequence[str], *, overwrite: bool = False) -> None:
    """Refuse what `export` would refuse, before anything is loaded.

    Raises:
        ConfigError, CheckpointError: see `export`.
    """
    if not precisions or (unknown := sorted(set(precisions) - set(SUFFIX))):
        raise ConfigError(f"precision {', '.join(unknown) if precisions else '(none)'}: there are {', '.join(SUFFIX)}")
    try:
        there = [] if not os.path.lexists(folder) else sorted(path.name for path in folder.iterdir())
    except OSError as error:
        raise CheckpointError(f"{folder}: no folder that can be written ({error.strerror}). Choose another.") from error
    if there and (foreign := _foreign(folder)):
        raise CheckpointError(
            f"{folder}: holds something else than an exported system ({foreign}). Choose another folder."
        )
    if there and not overwrite:
        raise CheckpointError(f"{folder}: holds an exported system. Choose another folder, or pass --overwrite.")


def _require_exportable(system: System) -> None:
    if isinstance(system.model, ExportedModel):
        raise ConfigError(f"{system.name}: is an exported system already. Export the checkpoint that it was made of.")
    if not system.model.cosine:
        raise ConfigError(
            f"{system.name}: compares sets of vectors. An export is for systems whose similarity is one dot product."
        )


def _foreign(folder: Path) -> str | None:
    """What lies in a folder and is not of an export, which would be lost; None where the folder is an export."""
    try:
        own = read_json(folder / DESCRIPTION)
    except DataError:
        own = None
    if not isinstance(own, dict) or not isinstance(own.get("exported"), dict):
        return f"no {DESCRIPTION} of an export"
    graphs = {graph_file(side, precision) for side in SIDES for precision in SUFFIX}
    for path in sorted((*folder.iterdir(), *folder.glob(f"{GRAPHS}/*"))):
        name = path.relative_to(folder).as_posix()
        if name == GRAPHS and path.is_dir():
            continue
        if name not in {DESCRIPTION, CARD, *FILES, *graphs} or not path.is_file():
            return name
    return None


def _hashes(folder: Path, precision: str) -> dict[str, Any]:
    graphs = {side: folder / graph_file(side, precision) for side in SIDES}
    return {side: {"sha256": sha256_file(file), "bytes": file.stat().st_size} for side, file in graphs.items()}


def _write_rest(
    system: System, folder: Path, plain: Mapping[str, Any], comparison: Comparison, found: Mapping[str, Parity]
) -> None:
    told = plain["exported"]
    extra, notes = files(system, told["length"], comparison.plan.queries.texts)
    for name, content in {**extra, DESCRIPTION: plain}.items():
        write_json(folder / name, content)
    sizes = {key: sum(one["bytes"] for one in graphs.values()) for key, graphs in told["graphs"].items()}
    (folder / CARD).write_text(card(system, told["length"], found, sizes, extra, notes), encoding="utf-8")
