"""Reading: from the config's data set and caption files to records. Nothing is tokenised and no image is opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tbpsbench import registry
from tbpsbench.annotations import Annotations
from tbpsbench.config.schema import DataSection
from tbpsbench.metrics.leaks import TrainingTexts
from tbpsbench.reading import given_path
from tbpsbench.types import Caption, ImageRecord

MORE = "captions."  # how records call the files of `data.more_captions`: by this and their name


@dataclass(frozen=True)
class Sources:
    """The text files of one data set.

    Attributes:
        component: the config's `data.dataset`, by which these data can be had again.
        annotations: images and query captions.
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

    @property
    def name(self) -> str:
        """What tables call these data: the data set, with its domain or size where it is not the usual one."""
        return data_name(self.annotations)

    @property
    def validation_split(self) -> str:
        """The split that chooses the checkpoint: "val", or ICFG-PEDES' carved one."""
        return "val-carved" if "val-carved" in self.annotations.splits() else "val"

    def training_captions(self) -> list[tuple[Caption, int]]:
        """Every training text with the identity that it describes."""
        files = [self.annotations, *([self.descriptions] if self.descriptions else []), *self.more_captions]
        return [(caption, r.pid) for file in files for r in file.split("train") for caption in r.captions]

    def training_texts(self) -> TrainingTexts:
        """What the leak guard must know of the training texts."""
        return TrainingTexts.of(self.training_captions(), self.population)

    def texts_of_gallery(self, records: list[ImageRecord]) -> list[Caption]:
        """Every text that the gallery side uses for these images, for the leak guard."""
        if self.gallery_texts is None:
            return []
        return [caption for record in records for caption in self.gallery_texts.records[record.image_id].captions]

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
            "sources": [
                {
                    "role": role,
                    "source": file.source,
                    "file": file.path.name,
                    "sha256": file.sha256,
                    "made_from": dict(file.header.get("made_from", {})),
                    "notes": dict(file.header.get("notes", {})),
                }
                for role, file in self._files().items()
            ],
        }

    def _files(self) -> dict[str, Annotations]:
        files = {"captions": self.annotations, "descriptions": self.descriptions, "gallery": self.gallery_texts}
        files |= {f"{MORE}{file.path.stem}": file for file in self.more_captions}
        return {role: file for role, file in files.items() if file is not None}


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
        descriptions=section.descriptions if training else None,
        more_captions=section.more_captions if training else (),
        cache_dir=section.cache_dir,
    )


def open_sources(
    component: Mapping[str, Any],
    captions: str | Mapping[str, Any] = "human",
    gallery_texts: str | None = None,
    *,
    descriptions: str | None = None,
    more_captions: Sequence[str] = (),
    cache_dir: str | None = None,
) -> Sources:
    """Read caption files; the arguments are those of a config's `data`.

    Raises:
        ConfigError, DataError: if the data set or one of its files cannot be had.
    """
    dataset = registry.DATASETS.build(component, "data.dataset")
    source = {"type": captions} if isinstance(captions, str) else captions
    return Sources(
        dict(component),
        registry.CAPTION_SOURCES.build(source, "data.captions").load(dataset),
        dataset.load(descriptions) if descriptions else None,
        dataset.load(gallery_texts) if gallery_texts else None,
        given_path(cache_dir) if cache_dir else dataset.root / ".cache",
        dataset.population,
        tuple(dataset.load(name) for name in more_captions),
    )


def only_trained_on(role: str) -> bool:
    """Whether a source of a record, by its role, is a file that training reads and evaluation does not."""
    return role == "descriptions" or role.startswith(MORE)


def data_name(annotations: Annotations) -> str:
    """The data set's name; MiniPEDES with its domain and size where they are not the default ones."""
    made = annotations.header.get("made_from", {})
    usual = {"domain": "street", "size": "default"}
    unusual = [str(made[key]) for key, value in usual.items() if made.get(key, value) != value]
    return annotations.dataset + (f" ({', '.join(unusual)})" if unusual else "")
