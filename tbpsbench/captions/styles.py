"""Styles: manners of writing, found by clustering the training captions, each with what a prompt says of it.

Captions of the training split -> attributes masked, so that the manner is left -> embeddings -> clusters -> examples
nearest to each centre -> one instruction per cluster. BDAM (section 3.3) lets a model name the manner ("Use a very
detailed, descriptive style"). HAM (Jiang et al., CVPR 2025) learns ten vectors per cluster instead and trains the
captioning model with them; a model that is only asked cannot take vectors, so here it is shown the examples.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Literal

import numpy as np

from tbpsbench.captions.prompts import BY_EXAMPLES, numbered
from tbpsbench.errors import DataError, LeakError
from tbpsbench.files import sha256_bytes, write_json
from tbpsbench.reading import read_json
from tbpsbench.types import Caption

Naming = Literal["model", "words", "examples"]
NAME = "styles.json"
TRAIN = "train"


@dataclass(frozen=True)
class Style:
    """One manner of writing.

    Attributes:
        number: of the cluster.
        size: captions in it.
        prompt: what a captioning prompt says of it.
        examples: masked captions near the centre.
        made_from: SHA-256 of the captions behind the examples, for the leak guard.
    """

    number: int
    size: int
    prompt: str
    examples: tuple[str, ...]
    made_from: tuple[str, ...]


@dataclass(frozen=True)
class StyleBook:
    """The styles of a run, and what they were found in.

    Attributes:
        styles: by number.
        found_in: split, count and digest of the captions that were clustered, the clusterer, the embeddings.
    """

    styles: tuple[Style, ...]
    found_in: Mapping[str, Any]

    def draw(self, seed: int, image: str, turn: int = 0, *, by_size: bool = True) -> Style:
        """A style for an image: of `by_size` as often as captions are written so; the same for every run.

        Args:
            seed: of the source.
            image: its file.
            turn: number of the text of this image; different turns get different styles while there are some.
            by_size: or all equally often.
        """
        left = list(self.styles)
        for earlier in range(turn + 1):
            weights = [style.size if by_size else 1 for style in left]
            digest = hashlib.sha256(f"{seed}\t{image}\t{earlier}".encode()).digest()
            at = int.from_bytes(digest[:8], "big") % max(sum(weights), 1)
            position = int(np.searchsorted(np.cumsum(weights), at, side="right"))
            chosen = left[min(position, len(left) - 1)]
            if earlier == turn or len(left) == 1:
                break
            left.remove(chosen)
        return chosen

    def about(self) -> dict[str, Any]:
        """What a caption file says of its styles."""
        return {
            "styles": [
                {"number": s.number, "size": s.size, "prompt": s.prompt, "made_from": list(s.made_from)}
                for s in self.styles
            ],
            "found_in": dict(self.found_in),
        }

    def write(self, folder: Path) -> None:
        """Keep the book beside the run, which must go on with the same styles."""
        write_json(folder / NAME, {"found_in": dict(self.found_in), "styles": [vars(style) for style in self.styles]})

    @classmethod
    def read(cls, folder: Path) -> StyleBook | None:
        """The book of a run, or None if it has none yet.

        Raises:
            DataError: if the file is damaged.
        """
        if not (folder / NAME).is_file():
            return None
        plain = read_json(folder / NAME)
        try:
            styles = [
                Style(s["number"], s["size"], s["prompt"], tuple(s["examples"]), tuple(s["made_from"]))
                for s in plain["styles"]
            ]
            return cls(tuple(styles), plain["found_in"])
        except (KeyError, TypeError) as error:
            raise DataError(f"{folder / NAME}: damaged ({error}). Delete it; styles are found again.") from None


def require_training_captions(captions: Sequence[Caption]) -> None:
    """Styles may be found in training captions alone: what a test query is written like is not known beforehand.

    Raises:
        LeakError: if a caption is of another split.
        DataError: if there are none.
    """
    foreign = [caption for caption in captions if caption.split.split("-")[0] != TRAIN]
    if foreign:
        splits = ", ".join(sorted({caption.split for caption in foreign}))
        raise LeakError(
            f"{len(foreign)} of the captions that styles would be found in are of the split {splits}, e.g. caption "
            f"{foreign[0].caption_id}. Styles are found in captions of the training split alone."
        )
    if not captions:
        raise DataError("there are no training captions to find styles in: use source.type='mtg', which needs none")


def digest_of(captions: Sequence[Caption]) -> str:
    """SHA-256 over the captions that were clustered."""
    return sha256_bytes("\n".join(caption.sha256 for caption in captions).encode())


def distinct(members: Iterable[int], texts: Sequence[str], count: int) -> list[int]:
    """The first positions, at most `count`, whose texts differ; a clusterer lists the nearest to the centre first."""
    found: dict[str, int] = {}
    for position in members:
        found.setdefault(texts[position], int(position))
        if len(found) == count:
            break
    return list(found.values())


def by_examples(examples: Sequence[str]) -> str:
    """A prompt that shows the examples themselves."""
    return BY_EXAMPLES.fill(examples=numbered(list(examples)))


def in_words(examples: Sequence[str]) -> str:
    """An instruction from what can be counted, where no model names the manner.

    E.g. "Use a short style of about 12 words in one sentence, without verbs, as a list of fields."
    """
    words = median(len(text.split()) for text in examples)
    sentences = median(max(1, len([s for s in re.split(r"[.!?]+(?:\s|$)", text) if s.strip()])) for text in examples)
    size = "very short" if words < 10 else "short" if words < 20 else "detailed" if words < 35 else "very detailed"
    parts = [f"Use a {size} style of about {round(words)} words in {_counted(round(sentences))}"]
    if _share(examples, r"^[^.]{0,30}:") > 0.5:
        parts.append("as a list of fields with their names")
    elif _share(examples, r"\b(?:is|are|has|have|wears?|wearing|carries|dressed|seen)\b") < 0.3:
        parts.append("in fragments without verbs")
    openings = [" ".join(text.split()[:3]) for text in examples]
    common = max(set(openings), key=openings.count)
    if openings.count(common) > len(openings) / 2 and len(examples) > 1:
        parts.append(f'beginning like "{common} ..."')
    if _share(examples, r"\b(?:probably|seems?|looks like|perhaps|apparently|i think)\b") > 0.5:
        parts.append("with words of doubt")
    return ", ".join(parts) + "."


def _counted(sentences: int) -> str:
    return "one sentence" if sentences == 1 else f"{sentences} sentences"


def _share(texts: Sequence[str], pattern: str) -> float:
    return sum(bool(re.search(pattern, text, re.IGNORECASE)) for text in texts) / len(texts)
