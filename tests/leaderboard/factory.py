"""Complete, consistent records without training: real annotation files, real ranks of invented similarities.

Everything in a record is made by the code that a run uses (`make_record`, `Sources.provenance`, `save`), so that the
shape of the records here cannot drift from the real one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tbpsbench.annotations import read_annotations, write_annotations
from tbpsbench.config.flat import canonical, fingerprint
from tbpsbench.config.load import load_config
from tbpsbench.config.schema import with_defaults
from tbpsbench.data.sources import Sources
from tbpsbench.engine.workdir import BEST, CARD, LAST
from tbpsbench.files import sha256_file, write_json
from tbpsbench.metrics.ranking import positive_ranks_from_scores
from tbpsbench.metrics.result import Evaluation, Result, per_query_values
from tbpsbench.metrics.tracks import track_of
from tbpsbench.records.identity import system_sha256
from tbpsbench.records.make import make_record, write_record
from tbpsbench.types import Caption, ImageRecord
from tbpsbench.weights.checkpoint import FORMAT, save

DEMO = Path(__file__).parents[2] / "configs/mini/two-tower_mini-pedes.py"
OPTIONS = ["evaluation.protocols=('standard',)", "schedule.max_epochs=4", "evaluation.interval=2"]
TRAIN, VAL = 6, 8


@dataclass(frozen=True)
class Imagined:
    """A data set of words alone.

    Attributes:
        root: for the config's `data.dataset.root`.
        folder: holds the annotation files.
    """

    root: Path
    folder: Path

    @property
    def human(self) -> Path:
        return self.folder / "human.jsonl"


def imagine(root: Path, *, identities: int = 12, images: int = 3, captions: int = 2) -> Imagined:
    """Write annotation files of people who do not exist: 6 to train, 8 to validate, `identities` to test."""
    made = Imagined(root, root / "default-0")
    human, described = [], []
    for pid in range(TRAIN + VAL + identities):
        split = "train" if pid < TRAIN else "val" if pid < TRAIN + VAL else "test"
        for k in range(images):
            image = len(human)
            texts = [
                Caption(
                    f"caption {c} of image {k} of person {pid}", "query", image, "human", split, image * captions + c
                )
                for c in range(captions)
            ]
            told = Caption(f"person {pid}, as image {k} shows", "description", image, "told", split, image)
            human.append(ImageRecord(image, f"{image}.png", pid, split, tuple(texts)))
            described.append(ImageRecord(image, f"{image}.png", pid, split, (told,)))
    about = {"generator": "tbpsbench.minipedes", "version": 1, "seed": 0, "size": "default", "domain": "street"}
    write_annotations(made.human, "MiniPEDES", "human", human, made_from=about)
    write_annotations(made.folder / "told.jsonl", "MiniPEDES", "told", described, made_from={"mllm": "none"})
    return made


def make(
    folder: Path,
    imagined: Imagined,
    *,
    name: str = "system",
    seed: int = 0,
    skill: float = 2.0,
    options: tuple[str, ...] = (),
    suite: dict | None = None,
    leak: bool = False,
) -> Path:
    """A run's folder with run.json, best.pth (or last.pth) and record/; returns the record's folder.

    Args:
        folder: of the run.
        imagined: the data.
        name, seed, suite: of the record.
        skill: how much larger the similarity of a match is, in standard deviations of the noise.
        options: overrides of the demo's config.
        leak: what the leak guard saw and let pass.
    """
    root = f"data.dataset.root={imagined.root}"
    config = with_defaults(load_config(DEMO, [root, *OPTIONS, *options, f"seed={seed}", f"name={name}"]).values)
    section = config["evaluation"]
    told = read_annotations(imagined.folder / "told.jsonl") if section["gallery_texts"] else None
    component, tokenizer = dict(config["data"]["dataset"]), "a" * 64
    data = Sources(component, read_annotations(imagined.human), None, told, imagined.folder / ".cache", "imagined")
    scores = [_result(data, section, "val", name, 10 * seed + k, skill).scores for k in range(2)]
    result = _result(data, section, "test", name, 10 * seed + 9, skill)
    if section["selection"] == "test":
        scores[-1] = result.scores
    history = [{"epoch": 2 * (k + 1), **row} for k, row in enumerate(scores)]
    best = max(history, key=lambda row: row[section["metric"]])
    if section["selection"] == "test":
        best = history[-1]
        history[0] = {key: value - (key != "epoch") for key, value in history[0].items()}
        history[0] |= {key: min(value, best[key]) - 1 for key, value in history[0].items() if key != "epoch"}
    chosen = {"epoch": best["epoch"], "score": best[section["metric"]], "metric": section["metric"]}
    last = section["selection"] == "last"
    checkpoint = folder / (LAST if last else BEST)
    own = {
        "format": FORMAT,
        "config": canonical(config),
        "data": data.hashes | {"tokenizer": tokenizer},
        "best": None if last else chosen,
        "trained_on": {"provenance": data.provenance(), "start": None},
    }
    own["history"] = [] if last else [row for row in history if row["epoch"] <= best["epoch"]]
    save({"meta": {"epoch": 4, "seed": seed, "name": name}, "state_dict": {}, "tbpsbench": own}, checkpoint)
    write_json(folder / CARD, {"status": "finished"})
    gallery_texts = data.texts_of_gallery(data.annotations.split("test")) or None
    record, evidence = make_record(
        name=name,
        config=config,
        checkpoint=checkpoint,
        data=data.name,
        provenance=data.provenance() | {"tokenizer_sha256": tokenizer},
        text_length=64,
        evaluation=Evaluation("test", track_of(gallery_texts=gallery_texts), {"standard": result}, ["a leak"] * leak),
        selection=_selection(section, chosen, history, data),
        cost={"parameters": 100, "train_s": 1.0, "peak_memory_bytes": {"host": 1}, "energy_j": None},
        suite=suite,
        trained_on=data.name,
    )
    write_record(folder / "record", record, evidence)
    return folder / "record"


def make_seeds(root: Path, imagined: Imagined, seeds: tuple[int, ...] = (0, 1, 2), **kwargs) -> list[Path]:
    """Records of one system over several seeds, as a suite leaves them."""
    name = kwargs.get("name", "system")
    kwargs.setdefault("suite", {"name": "imagined", "entry": name, "seeds": list(seeds)})
    return [make(root / f"{name}-{seed}", imagined, seed=seed, **kwargs) for seed in seeds]


def _selection(section: dict, chosen: dict, history: list[dict], data: Sources) -> dict:
    rule, metric = section["selection"], section["metric"]
    if rule == "last":
        return {"rule": rule, "epoch": 4, "test_evaluations": 1}
    captions = sum(len(r.captions) for r in data.annotations.split(rule))
    rows = [{"epoch": row["epoch"], "score": row[metric]} for row in history]
    looked = 1 + len(rows) * (rule == "test")
    return {
        "rule": rule, **chosen, "split": rule, "queries": captions, "history": rows, "test_evaluations": looked,
    }  # fmt: skip


def _result(data: Sources, section: dict, split: str, name: str, draw: int, skill: float) -> Result:
    """Similarities with people, captions and seeds that differ."""
    images = data.annotations.split(split)
    asked = [(c, r.pid) for r in images for c in r.captions if c.role == "query"]
    query_pids, gallery_pids = np.array([pid for _, pid in asked]), np.array([r.pid for r in images])
    fixed = np.random.default_rng(len(split) + sum(map(ord, name)))
    once = np.random.default_rng(draw)
    shape = len(query_pids), len(gallery_pids)
    person = fixed.normal(skill, 0.5, size=query_pids.max() + 1)[query_pids][:, None]
    scores_QG = (
        person * (query_pids[:, None] == gallery_pids) + fixed.normal(size=shape) + 0.3 * once.normal(size=shape)
    )
    ranks = positive_ranks_from_scores(scores_QG.astype(np.float32), query_pids, gallery_pids, ties=section["ties"])
    values = per_query_values(ranks, section["metrics"])
    percent = {key: 100 * float(value.mean()) for key, value in values.items()}
    ids = np.array([caption.caption_id for caption, _ in asked])
    counts = {"queries": len(ranks), "gallery": len(images), "identities": len(set(query_pids.tolist()))}
    return Result("standard", percent, {}, values, ranks, query_pids, ids, **counts)


def read(folder: Path) -> dict:
    return json.loads((folder / "record.json").read_text())


def edit(folder: Path, change: Callable[[dict], None], *, hashes: bool = False) -> None:
    """Change a record by hand; with `hashes` like someone who knows that they are looked at."""
    record = read(folder)
    change(record)
    if hashes:
        record["config_sha256"] = fingerprint(record["config"])
        record["system_sha256"] = system_sha256(record["config"])
        record["evidence"]["sha256"] = sha256_file(folder / "ranks.npz")
    (folder / "record.json").write_text(json.dumps(record))


def edit_ranks(folder: Path, change: Callable[[dict[str, np.ndarray]], None]) -> None:
    """Change the arrays of ranks.npz by hand."""
    with np.load(folder / "ranks.npz") as stored:
        arrays = {key: stored[key].copy() for key in stored.files}
    change(arrays)
    np.savez_compressed(folder / "ranks.npz", **arrays)


def fix_hashes(folder: Path) -> None:
    """Let a record agree with a config and ranks.npz that were changed."""
    edit(folder, dict.copy, hashes=True)


def make_all(root: Path) -> Path:
    """Runs chosen on validation, by the last epoch and on test, and with gallery texts: val, last, test, told."""
    imagined = imagine(root / "data")
    for rule in ("val", "last", "test"):
        make(root / rule, imagined, options=(f"evaluation.selection={rule}",))
    make(root / "told", imagined, options=("evaluation.gallery_texts=told",))
    return root


def places(found) -> str:
    """What the problems of a verification are about."""
    return " ".join(problem.what for problem in found.problems)


def unchecked(found) -> str:
    """What a verification did not check."""
    return " ".join(what for what, _ in found.unchecked)
