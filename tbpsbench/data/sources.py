"""Reading: from the config's data set and caption files to records. Nothing is tokenised and no image is opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tbpsbench import registry
from tbpsbench.annotations import Annotations
from tbpsbench.config.caption_files import caption_source
from tbpsbench.config.schema import DataSection
from tbpsbench.data.base import PersonSearchDataset
from tbpsbench.data.styled import style_captions, style_texts
from tbpsbench.data.texts import TRAIN, matching
from tbpsbench.errors import DataError
from tbpsbench.metrics.leaks import TrainingTexts
from tbpsbench.reading import given_path
from tbpsbench.records.captioned import is_generated
from tbpsbench.records.identity import TRAINING
from tbpsbench.types import Caption, ImageRecord

MORE = "captions."  # how records call the files of `data.more_captions`: by this and their name


@dataclass(frozen=True)
class Sources:
    """The text files of one data set.

    Attributes:
        component: the config's `data.dataset`, by which these data can be had again.
        annotations: images and query captions: what a search is asked.
        training: the captions that training shows, where they are others.
        descriptions: texts made from the images that training uses, or None.
        gallery_texts: texts that the gallery side may use in evaluation, or None.
        cache_dir: where caches of these data are kept.
        population: names the people whom the identities number.
        more_captions: further captions of the training images.
    """

    component: dict[str, Any]
    annotations: Annotations
    descriptions: Annotations | None
    gallery_texts: Annotations | None
    cache_dir: Path
    population: str
    more_captions: tuple[Annotations, ...] = ()
    training: Annotations | None = None

    @property
    def name(self) -> str:
        """What tables call these data: the data set, with its domain or size where it is not the usual one."""
        return data_name(self.annotations)

    @property
    def validation_split(self) -> str:
        """The split that chooses the checkpoint: "val", or ICFG-PEDES' carved one."""
        return "val-carved" if "val-carved" in self.annotations.splits() else "val"

    @property
    def shown(self) -> Annotations:
        """The captions that training shows."""
        return self.training or self.annotations

    def training_captions(self) -> list[tuple[Caption, int]]:
        """Every training text with the identity that it describes."""
        return [(caption, r.pid) for file in self._learnt() for r in file.split("train") for caption in r.captions]

    def training_texts(self) -> TrainingTexts:
        """What the leak guard must know of the training texts."""
        made = [text for file in self._learnt() for text in style_texts(file, self.annotations)]
        return TrainingTexts.of(self.training_captions(), self.population, made)

    def texts_of_gallery(self, records: list[ImageRecord]) -> list[Caption]:
        """Every text that the gallery side uses for these images, for the leak guard."""
        if self.gallery_texts is None:
            return []
        own = [caption for record in records for caption in self.gallery_texts.records[record.image_id].captions]
        return own + style_captions(self.gallery_texts, self.annotations)

    def _learnt(self) -> list[Annotations]:
        """The files that training reads."""
        return [self.shown, *([self.descriptions] if self.descriptions else []), *self.more_captions]

    @property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of every file."""
        return {role: file.sha256 for role, file in self._files().items()}

    def provenance(self) -> dict[str, Any]:
        """The part of a record that says what was read; without the tokenizer, which is the system's."""
        header = self.annotations.header
        return {
            "dataset": self.annotations.dataset,
            "component": self.component,
            "counts": header.get("counts", {}),
            "partial": bool(header.get("notes", {}).get("partial")),
            "sources": [source_of(role, file) for role, file in self._files().items()],
        }

    def _files(self) -> dict[str, Annotations]:
        files = {"captions": self.annotations, TRAINING: self.training, "descriptions": self.descriptions,
                 "gallery": self.gallery_texts}  # fmt: skip
        files |= {f"{MORE}{file.path.stem}": file for file in self.more_captions}
        return {role: file for role, file in files.items() if file is not None}


def source_of(role: str, file: Annotations) -> dict[str, Any]:
    """What a record says of one caption file: what for, which, and what its header says of how it came to be."""
    return {
        "role": role,
        "source": file.source,
        "file": file.path.name,
        "sha256": file.sha256,
        "made_from": dict(file.header.get("made_from", {})),
        "notes": dict(file.header.get("notes", {})),
    }


def read_sources(section: DataSection, gallery_texts: str | None, *, training: bool = True) -> Sources:
    """Read the caption files that a config names.

    Args:
        section: the config's `data`.
        gallery_texts: name of the file whose texts the gallery side may use, or None.
        training: also read what only training uses: `data.descriptions`, `data.more_captions`.

    Raises:
        ConfigError, DataError: if the data set or one of its files cannot be had.
    """
    return open_sources(
        section.dataset,
        section.captions,
        gallery_texts,
        training=training,
        descriptions=section.descriptions if training else None,
        more_captions=section.more_captions if training else (),
        cache_dir=section.cache_dir,
    )


def open_sources(
    component: Mapping[str, Any],
    captions: str | Mapping[str, Any] = "human",
    gallery_texts: str | None = None,
    *,
    training: bool = True,
    descriptions: str | None = None,
    more_captions: Sequence[str] = (),
    cache_dir: str | None = None,
) -> Sources:
    """Read caption files; the arguments are those of a config's `data`, and whether to read what training alone shows.

    Raises:
        ConfigError, DataError: if the data set or one of its files cannot be had.
    """
    dataset = registry.DATASETS.build(component, "data.dataset")
    source = registry.CAPTION_SOURCES.build(caption_source(captions), "data.captions")
    annotations = source.load(dataset) if source.queries else dataset.load()
    return Sources(
        dict(component),
        annotations,
        _named(descriptions, dataset, "data.descriptions"),
        _named(gallery_texts, dataset, "evaluation.gallery_texts"),
        given_path(cache_dir) if cache_dir else dataset.root / ".cache",
        dataset.population,
        tuple(filter(None, (_named(name, dataset, "data.more_captions") for name in more_captions))),
        None if source.queries or not training else _of_the_same_images(source.load(dataset), annotations),
    )


def _named(name: str | None, dataset: PersonSearchDataset, place: str) -> Annotations | None:
    """The texts that a key names."""
    if not name:
        return None
    found: Annotations = registry.CAPTION_SOURCES.build(caption_source(name), place).load(dataset)
    return found


def _of_the_same_images(texts: Annotations, own: Annotations) -> Annotations:
    """The texts, after a look at whether they were made for these images.

    Raises:
        DataError: if they were not.
    """
    if len(texts.records) != len(own.records):
        raise DataError(
            f"{texts.path}: made for other annotations: it lists {len(texts.records)} images, {own.path} lists "
            f"{len(own.records)}. Create the captions again."
        )
    for record in own.records:
        matching(record, texts)
    return texts


def described(shown: Annotations, descriptions: Annotations | None) -> Annotations:
    """The captions without those of training images that generated descriptions have no text for.

    A model fails on some images. Their number is in the file's header, and so in every record; what people wrote is
    whole, and a gap in it an error.
    """
    if descriptions is None or not is_generated(descriptions.header):
        return shown
    roles = {c.role for record in descriptions.split(TRAIN) for c in record.captions}
    have = {r.image_id for r in descriptions.split(TRAIN) if {c.role for c in r.captions} == roles}
    if all(record.image_id in have for record in shown.split(TRAIN)):
        return shown
    left = (r if r.split != TRAIN or r.image_id in have else replace(r, captions=()) for r in shown.records)
    return replace(shown, records=tuple(left))


def only_trained_on(role: str) -> bool:
    """Whether a source of a record, by its role, is a file that training reads and evaluation does not."""
    return role in ("descriptions", TRAINING) or role.startswith(MORE)


def data_name(annotations: Annotations) -> str:
    """The data set's name; MiniPEDES with its domain and size where they are not the default ones."""
    made = annotations.header.get("made_from", {})
    usual = {"domain": "street", "size": "default"}
    unusual = [str(made[key]) for key, value in usual.items() if made.get(key, value) != value]
    return annotations.dataset + (f" ({', '.join(unusual)})" if unusual else "")
