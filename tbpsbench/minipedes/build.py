"""Building MiniPEDES in a folder: images, captions and ground truth.

    ROOT/images/00007_A_2.png   person 7, outfit A, third image
    ROOT/human.jsonl            two captions per image, all factors as attributes
    ROOT/descriptions.jsonl     one identity and one clothing description per image
    ROOT/build.json             what is being built here
    ROOT/.parts/                finished persons of a build that is not complete yet

The annotation files are written last, and every file appears whole or not at all, so that a build can be killed at any
time and started again.
"""

from __future__ import annotations

import hashlib
import io
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tbpsbench.annotations import read_annotations, write_annotations
from tbpsbench.errors import DataError
from tbpsbench.files import atomic_write, write_json
from tbpsbench.minipedes.arguments import SIZES, what_is_wrong
from tbpsbench.minipedes.describe import clothing_description, identity_description
from tbpsbench.minipedes.grammar import annotators_for, write
from tbpsbench.minipedes.scenes import Scene, draw_image
from tbpsbench.minipedes.words import Facts
from tbpsbench.minipedes.workers import draw_in_processes
from tbpsbench.progress import progress_bar
from tbpsbench.reading import read_json
from tbpsbench.types import Caption, ImageRecord

VERSION = 1  # raise it whenever a pixel or a word changes
DATASET = "MiniPEDES"
# What a finished image's note holds beside its file's name, and each of its texts.
PART = (("sha256", str), ("camera", int), ("attributes", dict), ("captions", list), ("descriptions", list))
TEXT = {"text", "role", "style", "derived_from"}
IMAGES = {"tiny": (3, 2), "default": (5, 3), "large": (5, 3)}  # per person in outfit A, in outfit B


@dataclass(frozen=True, slots=True)
class Job:
    """One person in one outfit: the unit of work and of resuming."""

    split: str
    pid: int
    outfit: str
    images: int

    @property
    def name(self) -> str:
        return f"{self.pid:05d}_{self.outfit}"


def plan(size: str = "default", identities: int | None = None) -> list[Job]:
    """All persons and outfits in the order of the annotation file.

    Val and test persons also have images in an outfit B, in the splits "val-clothes" and "test-clothes"; these come in
    addition to the size's images.

    Args:
        size: "tiny", "default" or "large".
        identities: number of persons, only with "large", at least 10; 60 % train, 13 % val, the rest test.

    Raises:
        DataError: if size or identities make no sense.
    """
    if wrong := what_is_wrong(size, identities=identities):
        raise DataError(wrong)
    train, val, test = SIZES[size]
    if identities is not None:
        train, val = identities * 60 // 100, identities * 13 // 100
        test = identities - train - val
    first, second = IMAGES[size]
    spans = {"train": range(train), "val": range(train, train + val), "test": range(train + val, train + val + test)}
    jobs = [Job(split, pid, "A", first) for split, pids in spans.items() for pid in pids]
    return jobs + [Job(f"{split}-clothes", pid, "B", second) for split in ("val", "test") for pid in spans[split]]


def build(
    root: str | Path,
    size: str = "default",
    seed: int = 0,
    *,
    identities: int | None = None,
    domain: str = "street",
    workers: int = 2,
) -> Path:
    """Make the data set, or finish an interrupted build, or recognise a complete one.

    Args:
        root: folder of this data set alone.
        size: "tiny" (22 identities), "default" (300) or "large" (2000 or `identities`).
        seed: decides everything; the same seed gives the same pixels and words on every machine.
        identities: number of identities for "large".
        domain: "street" or "indoor": other places, cameras, colours and habits of the annotators.
        workers: processes that draw; 1 draws in this one.

    Returns:
        Path of `human.jsonl`; `descriptions.jsonl` lies beside it.

    Raises:
        DataError: if `root` holds another MiniPEDES, or an argument makes no sense.
        StorageError: if a file cannot be written.
    """
    if wrong := what_is_wrong(size, seed, identities, domain):
        raise DataError(wrong)
    root, jobs = Path(root), plan(size, identities)
    made_from = {
        "generator": "tbpsbench.minipedes", "version": VERSION, "seed": seed, "size": size,
        "identities": len({job.pid for job in jobs}), "domain": domain,
    }  # fmt: skip
    _claim(root, made_from)
    if _complete(root, made_from):
        shutil.rmtree(root / ".parts", ignore_errors=True)  # a build may be killed just before it does so
        return root / "human.jsonl"
    parts = _draw_all(root, jobs, made_from, workers)
    drawn, digest = _verified(root, jobs, parts, seed, domain)
    notes = {"pixels_sha256": digest, "about": "drawn pedestrians; captions from a grammar"}
    about: dict[str, Any] = {"made_from": made_from, "notes": notes}
    described = _captioned(drawn, "descriptions", "ground-truth", attributes=False)
    write_annotations(root / "descriptions.jsonl", DATASET, "ground-truth", described, **about)
    captioned = _captioned(drawn, "captions", "human", attributes=True)
    path = write_annotations(root / "human.jsonl", DATASET, "human", captioned, **about)
    shutil.rmtree(root / ".parts", ignore_errors=True)
    return path


def draw_person(root: Path, job: Job, made_from: dict[str, Any]) -> dict[str, Any]:
    """Draw all images of a job into `root` and note what they show; a job that is already finished is only read."""
    if (finished := _finished(root, job, made_from)) is not None:
        return finished
    images = []
    for index, file in enumerate(_files(job)):
        scene = draw_image(made_from["seed"], job.pid, job.outfit, index, made_from["domain"])
        save_png(root / "images" / file, scene.pixels)
        images.append(
            {"file": file, "sha256": hashlib.sha256(scene.pixels.tobytes()).hexdigest()}
            | texts(scene, made_from["seed"], job, index)
        )
    part = {"made_from": made_from, "images": images}
    write_json(_note(root, job), part)
    return part


def _finished(root: Path, job: Job, made_from: dict[str, Any]) -> dict[str, Any] | None:
    """What a build noted of a job; None if images are lost, or the note is another's, damaged or no note of a build."""
    try:
        part = read_json(_note(root, job))
        images = part["images"]
        if part["made_from"] != made_from or [image["file"] for image in images] != _files(job):
            return None
        for image in images:
            written = [text for kind in ("captions", "descriptions") for text in image[kind]]
            if any(type(image[key]) is not kind for key, kind in PART) or any(set(text) != TEXT for text in written):
                return None
    except (DataError, KeyError, TypeError):
        return None
    return dict(part) if all((root / "images" / file).exists() for file in _files(job)) else None


def _note(root: Path, job: Job) -> Path:
    return root / ".parts" / f"{job.name}.json"


def _files(job: Job) -> list[str]:
    return [f"{job.name}_{index}.png" for index in range(job.images)]


def texts(scene: Scene, seed: int, job: Job, index: int) -> dict[str, Any]:
    """Captions, descriptions and attributes of a drawn image."""
    attributes, key = scene.attributes, (job.pid, job.outfit, index)
    facts = Facts.of(attributes)
    written = [write(seed, key, annotator, facts) for annotator in annotators_for(seed, key, scene.shot.domain)]
    attributes |= {
        "mentions": [list(sentence.mentions) for sentence in written],
        "annotators": [sentence.annotator for sentence in written],
    }
    return {
        "camera": scene.shot.camera,
        "attributes": attributes,
        "captions": [{"text": s.text, "role": "query", "style": s.style, "derived_from": "image"} for s in written],
        "descriptions": [
            {"text": identity_description(facts), "role": "identity", "style": None, "derived_from": "attributes"},
            {"text": clothing_description(facts), "role": "clothing", "style": None, "derived_from": "attributes"},
        ],
    }


def save_png(path: Path, pixels: np.ndarray) -> None:
    """Write an (H, W, 3) uint8 array losslessly."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=4)
    with atomic_write(path) as stream:
        stream.write(buffer.getvalue())


def load_png(path: Path) -> np.ndarray | None:
    """The pixels of an image file, (H, W, 3) uint8, or None if it is missing or damaged."""
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except Exception:  # of a damaged file Pillow raises nearly anything; whatever it is, the image is drawn again
        return None


def _claim(root: Path, made_from: dict[str, Any]) -> None:
    """Refuse a folder in which another MiniPEDES lies."""
    stamp = root / "build.json"
    if not stamp.exists():
        write_json(stamp, made_from)
        return
    there = read_json(stamp)
    if not isinstance(there, dict):
        raise DataError(f"{stamp}: not what a MiniPEDES is made from. Choose another folder or delete {root}.")
    if there != made_from:
        differs = ", ".join(
            f"{key} {there.get(key)!r} instead of {made_from[key]!r}"
            for key in made_from
            if there.get(key) != made_from[key]
        )
        raise DataError(f"{root}: holds another MiniPEDES ({differs}). Choose another folder or delete this one.")


def _complete(root: Path, made_from: dict[str, Any]) -> bool:
    """Whether both annotation files and all image files are there, and can be read."""
    files = [root / "human.jsonl", root / "descriptions.jsonl"]
    if not all(file.exists() for file in files):
        return False
    try:
        sets = [read_annotations(file) for file in files]
    except DataError:
        return False
    same = all(a.header.get("made_from") == made_from for a in sets)
    return same and all(load_png(sets[0].image_root / record.file) is not None for record in sets[0].records)


def _draw_all(root: Path, jobs: list[Job], made_from: dict[str, Any], workers: int) -> dict[Job, dict[str, Any]]:
    with progress_bar(total=sum(job.images for job in jobs), what=DATASET) as bar:
        if workers > 1:
            draw_in_processes(root, jobs, made_from, workers, bar.update)
        parts = {}
        for job in jobs:  # read, or drawn where nobody has
            parts[job] = draw_person(root, job, made_from)
            bar.update(job.images if workers <= 1 else 0)
    return parts


def _verified(
    root: Path, jobs: list[Job], parts: dict[Job, dict[str, Any]], seed: int, domain: str
) -> tuple[list[tuple[ImageRecord, dict[str, Any]]], str]:
    """Records in order, and the SHA-256 over all decoded pixels; a damaged image file is drawn again."""
    records: list[tuple[ImageRecord, dict[str, Any]]] = []
    digest = hashlib.sha256()
    for job in jobs:
        for index, part in enumerate(parts[job]["images"]):
            path = root / "images" / part["file"]
            pixels = load_png(path)
            if pixels is None or hashlib.sha256(pixels.tobytes()).hexdigest() != part["sha256"]:
                pixels = draw_image(seed, job.pid, job.outfit, index, domain).pixels
                save_png(path, pixels)
            digest.update(pixels.tobytes())
            record = ImageRecord(
                len(records), part["file"], job.pid, job.split, (), part["camera"], job.outfit, part["attributes"]
            )
            records.append((record, part))
    return records, digest.hexdigest()


def _captioned(
    drawn: list[tuple[ImageRecord, dict[str, Any]]], kind: str, source: str, *, attributes: bool
) -> Iterator[ImageRecord]:
    """The records with their captions or descriptions, numbered through."""
    count = 0
    for record, part in drawn:
        captions = tuple(
            Caption(**item, image_id=record.image_id, source=source, split=record.split, caption_id=count + i)
            for i, item in enumerate(part[kind])
        )
        count += len(captions)
        yield replace(record, captions=captions, attributes=record.attributes if attributes else {})
