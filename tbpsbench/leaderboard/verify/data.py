"""Whether a record was made from the annotation files that lie on this machine, and whether anything leaks in them."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tbpsbench import registry
from tbpsbench.annotations import Annotations, counts, read_annotations
from tbpsbench.config.caption_files import caption_source
from tbpsbench.data.base import PersonSearchDataset
from tbpsbench.data.sources import MORE, data_name, only_trained_on, source_of
from tbpsbench.data.styled import style_captions, style_texts
from tbpsbench.errors import DataError, RegistryError
from tbpsbench.leaderboard.verify.checkpoint import run_folder
from tbpsbench.leaderboard.verify.report import Verification
from tbpsbench.metrics.leaks import TrainingTexts, leaks
from tbpsbench.model.roles import QUERY
from tbpsbench.protocols.base import IMAGE_TO_TEXT, protocol_name
from tbpsbench.reading import shown
from tbpsbench.records.captioned import captioner_problems
from tbpsbench.records.evidence import Evidence
from tbpsbench.records.identity import OWN_CAPTIONS, TRAINING, data_key, is_transfer
from tbpsbench.registry import DATASETS

WHAT = "annotation files: hashes, counts, the identity of every query, and the leak guard again"
OTHER = "Evaluate with tools/test.py on the data that the board shows, and keep the record that it writes."
EDITED = "The record was changed by hand: create it again with tools/test.py."


def check_named_data(found: Verification) -> None:
    """Check, from the record alone, that it names the data that it was made from."""
    record = found.record
    sources = {source["role"]: source for source in record["data"]["sources"]}
    if "captions" not in sources:
        found.problem("data.sources", "no source has the role 'captions'", EDITED)
        return
    further = record["config"]["data"].get("more_captions") or []
    try:
        shown = _shown_captions(record)
    except RegistryError as error:
        found.skip("data.sources.training", str(error))
        shown = TRAINING if TRAINING in sources else None
    for role, wanted in (
        (TRAINING, shown),
        ("descriptions", record["config"]["data"].get("descriptions")),
        ("gallery", record["config"]["evaluation"].get("gallery_texts")),
        *((f"{MORE}{name}", name) for name in further),
    ):
        if bool(wanted) != (role in sources):
            message = f"the config asks for {wanted!r}, the sources are {', '.join(sources)}"
            found.problem(f"data.sources.{role}", message, EDITED)
    for role, source in sources.items():
        for problem in captioner_problems(source):
            found.problem(f"data.sources.{role}", f"{source['file']} {problem}", EDITED)
    made = sources["captions"]["made_from"]
    header = {"made_from": made}
    named = data_name(Annotations(record["data"]["dataset"], "", Path(), Path(), (), "", header))
    found.equal("spec.data", record["spec"]["data"], named, EDITED, "data.sources")
    try:
        arguments = _arguments(record["data"]["component"])
    except RegistryError as error:
        found.skip("data.component", str(error))
        return
    for key in ("seed", "size", "domain", "identities"):
        if key in made and arguments.get(key) is not None:
            found.equal(f"data.component.{key}", arguments[key], made[key], EDITED, "the header of the annotations")
    found.checked.append("names, roles and origin of the data")


def _shown_captions(record: Mapping[str, Any]) -> str | None:
    """The captions that training showed where a search is asked others, by name.

    Raises:
        RegistryError: if the source is a plug-in's that is not installed.
    """
    captions = record["config"]["data"].get("captions", OWN_CAPTIONS)
    source = registry.CAPTION_SOURCES.build(caption_source(captions), "config.data.captions")
    return None if source.queries else str(source.name)


def _arguments(component: Mapping[str, Any]) -> dict[str, Any]:
    """A data set's arguments with its defaults."""
    parameters = DATASETS.entry(component["type"]).parameters
    defaults = {key: p.default for key, p in parameters.items() if p.default is not inspect.Parameter.empty}
    return {**defaults, **component}


def check_data(
    found: Verification,
    evidence: Mapping[str, Evidence],
    data: str | Path | None,
    *,
    rebuild: bool = False,
    strict: bool = True,
) -> None:
    """Compare a record with the annotation files on this machine.

    Args:
        found: what is known so far.
        evidence: the record's ranks by protocol.
        data: root of the data set; "auto" takes the usual one, for a record in its run's folder that of the run; None
            checks nothing.
        rebuild: draw MiniPEDES again from its seed instead of reading a file.
        strict: whether a given root must be the record's; otherwise it is left unchecked.

    Raises:
        DataError: if a given root does not hold the annotation file, or its annotation file is damaged.
    """
    if data is None:
        found.skip(WHAT, "not asked for")
        return
    try:
        with _dataset(found, data, rebuild) as dataset:
            files = _files(found, dataset)
            if files:
                _check_files(found, files, evidence)
            elif data != "auto":
                names = ", ".join(source["file"] for source in found.record["data"]["sources"])
                raise DataError(f"{dataset.root}: contains none of {names}. Name the root of the data set.")
    except (RegistryError, DataError) as error:
        if isinstance(error, DataError) and data != "auto" and strict:
            raise
        found.skip(WHAT, str(error))


def component_at(record: Mapping[str, Any], root: str | Path | None) -> dict[str, Any]:
    """A record's data set in a folder of this machine: the named one, or the usual one, never the record's.

    Raises:
        DataError: if it is larger than the record says that it is.
    """
    component = {key: value for key, value in record["data"]["component"].items() if key != "root"}
    people, asked = sum(split.get("ids", 0) for split in record["data"]["counts"].values()), component.get("identities")
    if isinstance(asked, int) and asked > people:
        raise DataError(f"data.component.identities: is {asked}, data.counts have {people} identities. {EDITED}")
    return component if root is None else {**component, "root": str(root)}


@contextmanager
def _dataset(found: Verification, data: str | Path, rebuild: bool) -> Iterator[PersonSearchDataset]:
    component = component_at(found.record, None if data == "auto" else data)
    own = found.record["data"]["component"].get("root")
    if data == "auto" and own is not None and run_folder(found) is not None:
        component["root"] = own
    if not rebuild or component["type"] != "MiniPEDES":
        yield DATASETS.build(component, "data.component")
        return
    with tempfile.TemporaryDirectory() as folder:
        dataset = DATASETS.build({**component, "root": folder}, "data.component")
        dataset.prepare()
        yield dataset


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long for this file system
        return False


def _read_here(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The sources that belong to the evaluated data; what a transferred model was trained on is of other data."""
    sources = record["data"]["sources"]
    return [s for s in sources if not (only_trained_on(s["role"]) and is_transfer(record))]


def _files(found: Verification, dataset: PersonSearchDataset) -> dict[str, Annotations]:
    """Role -> annotations, of the sources that are there and are the record's."""
    files = {}
    for source in _read_here(found.record):
        name = Path(source["file"]).name  # a record must not lead to other folders
        path = dataset.root / name
        if name != source["file"] or not _is_file(path):
            hint = "name the data set's root with --data"
            found.skip(f"{WHAT} ({source['role']})", f"{shown(path)}: no such file on this machine ({hint})")
            continue
        read = dataset.arrange(read_annotations(path))
        files[source["role"]] = read
        what = f"data.sources.{source['role']}"
        if read.sha256 != source["sha256"]:
            found.equal(what, source["sha256"], read.sha256, OTHER, f"the annotation file {path}")
            continue
        for key, told in source_of(source["role"], read).items():
            found.equal(f"{what}.{key}", source[key], told, EDITED, f"the header of {path}")
    return files


def _check_files(found: Verification, files: Mapping[str, Annotations], evidence: Mapping[str, Evidence]) -> None:
    record = found.record
    same = all(read.sha256 == s["sha256"] for s in record["data"]["sources"] if (read := files.get(s["role"])))
    found.checked.append(f"hash of the annotation files: {', '.join(str(read.path) for read in files.values())}")
    captions = files.get("captions")
    if captions is None or not same:
        found.skip("counts, query identities and leak guard", "not with the record's annotation files")
        return
    found.equal("data.counts", record["data"]["counts"], counts(captions.records), EDITED, str(captions.path))
    notes = captions.header.get("notes", {})
    found.equal("data.partial", record["data"]["partial"], bool(notes.get("partial")), EDITED, str(captions.path))
    _check_queries(found, captions, evidence)
    found.checked.append("counts, and identity and number of positives of every query, against the annotation file")
    if len(files) < len(_read_here(record)):
        found.skip("the leak guard again", "not all text sources are available")
        return
    _check_leaks(found, files)
    found.checked.append("the leak guard again")


def _check_queries(found: Verification, captions: Annotations, evidence: Mapping[str, Evidence]) -> None:
    records = captions.split(found.record["spec"]["split"])
    texts = {c.caption_id: r.pid for r in records for c in r.captions if c.role == QUERY}
    images = {r.image_id: r.pid for r in records}
    whole = [name for name in registry.PROTOCOLS.names() if registry.PROTOCOLS.get(name).whole_gallery]
    for protocol, own in evidence.items():
        pids, gallery = (images, texts) if protocol.endswith(IMAGE_TO_TEXT) else (texts, images)
        wrong = [int(i) for i, pid in zip(own.query_ids, own.query_pids, strict=True) if pids.get(int(i)) != pid]
        what = f"ranks.npz: {protocol}"
        if wrong:
            message = f"{len(wrong)} queries are of other people or not of this split, first query_id {wrong[0]}"
            found.problem(what, message, EDITED)
        elif protocol_name(protocol) in whole:
            there = dict(zip(*np.unique(list(gallery.values()), return_counts=True), strict=True))
            expected = np.array([there.get(pid, 0) for pid in own.query_pids])
            if (expected != own.ranks.positives).any():
                found.problem(what, "queries have a different number of matches than the gallery contains", EDITED)


def _check_leaks(found: Verification, files: Mapping[str, Annotations]) -> None:
    """As `engine.evaluate` guards an evaluation, from the files instead of a run."""
    record, captions = found.record, files["captions"]
    split, population = record["spec"]["split"], data_key(record["data"]["component"])
    records = captions.split(split)
    shown = [record for name in _gallery_splits(found.record) for record in captions.split(name)]
    gallery = files.get("gallery")
    if gallery and len(gallery.records) != len(captions.records):
        message = f"{gallery.path} and {captions.path} are not of the same images"
        found.problem("data.sources.gallery", message, EDITED)
        return
    training = [
        (caption, image.pid)
        for role, file in files.items()
        if (role == "captions" or only_trained_on(role)) and not is_transfer(record)
        for image in file.split("train")
        for caption in image.captions
    ]
    styles = [
        text
        for role, file in files.items()
        if only_trained_on(role) and not is_transfer(record)
        for text in style_texts(file, captions)
    ]
    seen = leaks(
        queries=[caption for image in records for caption in image.captions if caption.role == QUERY],
        gallery_texts=[
            *(c for r in shown for c in gallery.records[r.image_id].captions),
            *style_captions(gallery, captions),
        ]
        if gallery
        else [],
        training=TrainingTexts.of(training, population, styles),
        population=population,
        test_pids={image.pid for image in records},
    )
    known = {_kind(message) for message in record["leaks"]}
    for message in seen:
        if _kind(message) not in known:
            fix = "Evaluate without it, or with --allow-leak, which marks the record."
            found.problem("leaks", f"the record does not mention a leak: {message}", fix)


def _gallery_splits(record: Mapping[str, Any]) -> list[str]:
    """Splits whose images any of the record's protocols shows."""
    names = [name for name in record["config"]["evaluation"]["protocols"] if name in registry.PROTOCOLS.names()]
    protocols = [registry.PROTOCOLS.build({"type": name}, "evaluation.protocols") for name in names]
    split = record["spec"]["split"]
    return list(dict.fromkeys([split, *(part for one in protocols for part in one.gallery_splits(split))]))


def _kind(leak: str) -> str:
    """A leak without the texts that it names."""
    return leak.partition(" (")[0]
