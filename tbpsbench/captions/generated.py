"""What a source whose texts are generated promises; `generate.py` runs it, training reads the file that comes of it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from tbpsbench.captions.ask import Asker
from tbpsbench.captions.base import CaptionSource
from tbpsbench.captions.prompts import Prompt
from tbpsbench.captions.validate import Verdict
from tbpsbench.reading import given_path
from tbpsbench.types import Caption, ImageRecord

if TYPE_CHECKING:
    from tbpsbench.annotations import Annotations
    from tbpsbench.data.base import PersonSearchDataset


class Scorer(Protocol):
    """A retriever that tells how well texts fit an image."""

    def __call__(self, image: Path, texts: Sequence[str]) -> list[float]:
        """One similarity for each text."""


@dataclass(frozen=True)
class Text:
    """One text of an image.

    Attributes:
        role: what it is for, see `Caption`.
        text: the words.
        verdict: what the rules say of it.
        style: number of the style that it was written in.
    """

    role: str
    text: str
    verdict: Verdict
    style: int | None = None

    def plain(self) -> dict[str, Any]:
        """As a record keeps it."""
        valid = {"ok": self.verdict.ok, "reasons": list(self.verdict.reasons), "slots": list(self.verdict.slots)}
        return {"role": self.role, "text": self.text, "style": self.style, "valid": valid}


@dataclass
class Draft:
    """What came of one image.

    Attributes:
        texts: its texts.
        log: what else is worth keeping: the static caption, questions and answers.
    """

    texts: list[Text] = field(default_factory=list)
    log: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Study:
    """What a source may look at before the first image is captioned.

    Attributes:
        annotations: the data set's own captions.
        folder: of the run, for what must be the same when it goes on.
        asker: without a picture.
        captions: those of the training split.
    """

    annotations: Annotations
    folder: Path
    asker: Asker
    captions: Sequence[Caption]


class GeneratedSource(CaptionSource):
    """Base of the sources whose texts models write.

    Args:
        name: of the annotation file that is made, without its suffix.

    Attributes:
        clients: what models are asked for, keys of the config; all but "mllm" default to "mllm".
    """

    clients: ClassVar[tuple[str, ...]] = ("mllm",)
    queries = False

    def __init__(self, name: str) -> None:
        if not name or given_path(name).name != name:
            raise ValueError(f"name={name!r} is the name of a file, without a folder")
        self.name = name

    def load(self, dataset: PersonSearchDataset) -> Annotations:
        """Read ROOT/<name>.jsonl."""
        return dataset.load(self.name)

    @abstractmethod
    def prompts(self) -> tuple[Prompt, ...]:
        """Every prompt that it uses."""

    @abstractmethod
    async def write(self, image: ImageRecord, path: Path, asker: Asker) -> Draft:
        """The texts of one image.

        Args:
            image: as the data set lists it; who it shows must not matter.
            path: of its file.
            asker: with its picture.

        Raises:
            Unsound, ItemError: if it has no texts; the run goes on.
            StopRun: if nothing can be asked any more.
        """

    async def study(self, study: Study) -> None:
        """Look at what it needs before the first image.

        Raises:
            LeakError: if it was given captions that it must not see.
            ItemError, StopRun: if models cannot be asked.
        """

    def about(self, folder: Path) -> Mapping[str, Any]:  # noqa: ARG002
        """What the caption file must say of what was studied; `folder` is the run's."""
        return {}
