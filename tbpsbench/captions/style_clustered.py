"""Style-clustered captions: the image described in manners that people were seen to write in.

BDAM (section 3.3): one identity and one clothing text per image, in the manner of a style that was drawn for the image.
HAM (Jiang et al., CVPR 2025): whole captions, two per image, in different styles. `output` chooses between them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tbpsbench.captions.ask import Asker
from tbpsbench.captions.generated import Draft, GeneratedSource, Study, Text
from tbpsbench.captions.prompts import CAPTION, CLOTHING, IDENTITY, IN_WORDS, MASK, STYLE, Prompt, numbered
from tbpsbench.captions.slots import SIDES, SLOTS, slots_named
from tbpsbench.captions.styles import (
    Naming,
    Style,
    StyleBook,
    by_examples,
    digest_of,
    distinct,
    in_words,
    require_training_captions,
)
from tbpsbench.captions.validate import Rules, tidy
from tbpsbench.mllm.errors import ItemError
from tbpsbench.model.roles import QUERY
from tbpsbench.registry import CAPTION_SOURCES, CLUSTERERS
from tbpsbench.types import Caption, ImageRecord

MASKED_AT_ONCE = 32
STYLE_RULES = Rules(min_words=2, max_words=60, min_slots=0, about_picture=True, denials=True)
DUAL: tuple[tuple[str, Prompt], ...] = (("identity", IDENTITY), ("clothing", CLOTHING))


@CAPTION_SOURCES.register("style_clustered")
class StyleClustered(GeneratedSource):
    """Descriptions in clustered styles.

    Args:
        name: of the caption file.
        output: "dual" makes one identity and one clothing text, "caption" whole captions in the role "query".
        per_image: captions of an image, with "caption"; HAM: 2.
        clusterer: a CLUSTERERS component.
        embedder: what embeds the masked captions, see captions/embedding.py.
        masking: "lexicon" needs no model, "model" asks the masker, "none" clusters captions as they are.
        naming: how a prompt speaks of a style: "model" asks the describer for an instruction (BDAM), "examples" shows
            masked captions (in place of HAM's learned vectors), "words" counts (no model is asked).
        examples: captions near the centre that stand for a style.
        sides: slot -> "identity", "clothing" or "none", where other than slots.py has it; papers disagree about hair.
        draw: images get a style as often as captions are written in it ("size"), or all equally often ("uniform").
        max_captions: training captions that are clustered; more are thinned out evenly.
        seed: of clusterer and draw.
    """

    clients = ("mllm", "describer", "masker")

    def __init__(
        self, name: str = "style_clustered", output: Literal["dual", "caption"] = "dual", per_image: int = 2,
        clusterer: Mapping[str, Any] | None = None, embedder: str | Mapping[str, Any] = "minilm",
        masking: Literal["lexicon", "model", "none"] = "lexicon", naming: Naming = "model", examples: int = 5,
        sides: Mapping[str, str] | None = None, draw: Literal["size", "uniform"] = "size",
        max_captions: int | None = None, seed: int = 0,
    ) -> None:  # fmt: skip
        super().__init__(name)
        if per_image < 1 or examples < 1:
            raise ValueError(f"per_image={per_image}, examples={examples}: must be at least 1")
        slots_named(sides or {}, "source.sides")
        self.output, self.per_image, self.masking, self.naming = output, per_image, masking, naming
        self.clusterer = dict(clusterer or {"type": "KMeans"})
        self.embedder, self.examples, self.by_size = embedder, examples, draw == "size"
        self.max_captions, self.seed = max_captions, seed
        self.sides: dict[str, str] = {**SIDES, **(sides or {})}
        self.book: StyleBook | None = None
        self.masked_by_words = 0  # captions that nobody masked, for masking="model"

    def prompts(self) -> tuple[Prompt, ...]:
        asked = (CAPTION,) if self.output == "caption" else (IDENTITY, CLOTHING)
        masks = (MASK,) if self.masking == "model" else ()
        return (*asked, *masks, STYLE if self.naming == "model" else IN_WORDS)

    async def study(self, study: Study) -> None:
        require_training_captions(study.captions)
        captions = _thinned(study.captions, self.max_captions)
        found_in = {
            "split": "train", "captions": len(captions), "captions_digest": digest_of(captions),
            "annotations_sha256": study.annotations.sha256, "masking": self.masking, "naming": self.naming,
            "clusterer": self.clusterer, "embedder": self.embedder, "seed": self.seed, "examples": self.examples,
            "models": {who: study.asker.clients[who].name for who in self._studied_by()},
        }  # fmt: skip
        known = StyleBook.read(study.folder)
        if known is not None and {key: known.found_in.get(key) for key in found_in} == found_in:
            self.book = known
            return
        masked = await self._masked(captions, study.asker)
        embeddings_ND = self._embedded(masked)
        clusters = CLUSTERERS.build(self.clusterer, "source.clusterer", {"seed": self.seed}).cluster(embeddings_ND)
        styles = []
        for number, members in enumerate(clusters.members):
            if len(members):
                shown = distinct(members, masked, self.examples)
                examples = tuple(masked[position] for position in shown)
                prompt = await self._named(examples, study.asker)
                sources = tuple(captions[position].sha256 for position in shown)
                styles.append(Style(number, len(members), prompt, examples, sources))
        if not styles:  # the clusterer "none": what the other rows of a table are compared with
            styles.append(Style(0, len(captions), "", (), ()))
        told: dict[str, Any] = {"clusters": dict(clusters.report)}
        told |= {"masked_by_words": self.masked_by_words} if self.masking == "model" else {}
        self.book = StyleBook(tuple(styles), found_in | told)
        self.book.write(study.folder)

    def _studied_by(self) -> Iterator[str]:
        """Whose replies decide the styles."""
        if self.masking == "model":
            yield "masker"
        if self.naming == "model":
            yield "describer"

    def about(self, folder: Path) -> Mapping[str, Any]:
        book = self.book or StyleBook.read(folder)
        return {} if book is None else book.about()

    async def write(self, image: ImageRecord, path: Path, asker: Asker) -> Draft:  # noqa: ARG002
        assert self.book is not None, "study() comes first"
        draft = Draft()
        if self.output == "caption":
            slots = [name for name, slot in SLOTS.items() if slot.side != "scene"]
            for turn in range(min(self.per_image, len(self.book.styles))):
                style = self.book.draw(self.seed, image.file, turn, by_size=self.by_size)
                rules = Rules(min_words=3, about_picture=True, sentences=False)
                draft.texts.append(await self._text(QUERY, CAPTION, slots, rules, style, asker))
        else:
            style = self.book.draw(self.seed, image.file, by_size=self.by_size)
            for role, prompt in DUAL:
                slots = [name for name, side in self.sides.items() if side == role]
                rules = Rules(2, min_slots=1, about_picture=True, sentences=False, side=role, sides=self.sides)
                draft.texts.append(await self._text(role, prompt, slots, rules, style, asker))
        return draft

    async def _text(
        self, role: str, prompt: Prompt, slots: list[str], rules: Rules, style: Style, asker: Asker
    ) -> Text:
        listed = ", ".join(SLOTS[name].about for name in slots)
        text = prompt.fill(slots=listed, style=style.prompt)
        task: Any = "caption" if role == QUERY else "dual"
        answer, verdict = await asker.sound(
            "describer", f"{role} text", prompt, text, rules, task=task, topic=tuple(slots),
            texts=(style.prompt,),
        )  # fmt: skip
        return Text(role, answer, verdict, style.number)

    async def _masked(self, captions: Sequence[Caption], asker: Asker) -> list[str]:
        texts = [caption.text for caption in captions]
        if self.masking == "none":
            return texts
        from tbpsbench.captions.masking import LexiconMasker

        by_words = LexiconMasker()
        if self.masking == "lexicon":
            return [*map(by_words, texts)]
        gate = asyncio.Semaphore(MASKED_AT_ONCE)

        async def masked(text: str) -> str:
            async with gate:
                request = asker.request(MASK, MASK.fill(caption=text), task="mask", texts=(text,), shown=False)
                try:
                    return tidy((await asker.ask("masker", request)).text)
                except ItemError as error:
                    if error.retry_later:
                        raise
                    self.masked_by_words += 1  # a filter, mostly: one caption shall not keep all images from theirs
                    return by_words(text)

        return list(await asyncio.gather(*map(masked, texts)))

    def _embedded(self, texts: Sequence[str]) -> np.ndarray:
        from tbpsbench.captions.embedding import open_embedder

        return np.asarray(open_embedder(self.embedder)(texts), dtype=np.float32)

    async def _named(self, examples: Sequence[str], asker: Asker) -> str:
        if self.naming == "words":
            return in_words(examples)
        if self.naming == "examples":
            return by_examples(examples)
        text = STYLE.fill(examples=numbered(list(examples)))
        named, _ = await asker.sound(
            "describer", "style", STYLE, text, STYLE_RULES, task="style", texts=tuple(examples), shown=False
        )
        return named


def _thinned(captions: Sequence[Caption], most: int | None) -> list[Caption]:
    """At most so many captions, evenly spread."""
    if most is None or len(captions) <= most:
        return list(captions)
    return [captions[position] for position in np.linspace(0, len(captions) - 1, most).astype(int)]
