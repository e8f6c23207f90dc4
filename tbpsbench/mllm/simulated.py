"""A model that is not there: it answers from MiniPEDES' stored factors, with errors on purpose.

It stands for a multimodal model where none is at hand, so that captions with a known share of errors can be made and
learnt from. It reads what kind of question a request is (`task`, `topic`, `texts`), not the prompt.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tbpsbench.annotations import read_annotations
from tbpsbench.errors import DataError
from tbpsbench.files import sha256_file
from tbpsbench.minipedes.describe import clothing_description, identity_description
from tbpsbench.mllm.base import Capabilities, MLLMClient
from tbpsbench.mllm.errors import ItemError, StopRun
from tbpsbench.mllm.manners import styled, styled_clothing, styled_identity
from tbpsbench.mllm.messages import Reply, Request
from tbpsbench.mllm.meter import Price, estimate
from tbpsbench.mllm.sayings import NOT_VISIBLE, answer, caption, merged
from tbpsbench.mllm.sight import SLOTS, Sight
from tbpsbench.registry import MLLM_CLIENTS

EVERYTHING = tuple(name for factors in SLOTS.values() for name in factors)


@MLLM_CLIENTS.register()
class Simulated(MLLMClient):
    """Answers from stored factors; every record made with it says "simulated" and the error rates.

    Args:
        annotations: human.jsonl of a MiniPEDES folder, or several; None where whoever opens the client says which (an
            evaluation takes that of its data).
        wrong: share of the visible factors that it takes for something else; for the same in every reply.
        missing: share of the visible factors that it overlooks when it is asked about them.
        invented: share of things that are not to be seen (bag, hat, glasses, ...) that it sees all the same.
        unsaid: share of the visible factors that a caption leaves out where no question asks for them.
        misjudged: share of verdicts, whether a picture fits a text, that are turned round.
        seed: of its dice.

    Raises:
        ValueError: for shares that are none.
    """

    simulated = True
    price = Price(0.0, 0.0)

    def __init__(
        self, annotations: str | Sequence[str] | None = None, wrong: float = 0.0, missing: float = 0.0,
        invented: float = 0.0, unsaid: float = 0.4, seed: int = 0, misjudged: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.annotations = [annotations] if isinstance(annotations, str) else list(annotations or ())
        self.sight = Sight(wrong, missing, invented, seed)
        for name, share in (("unsaid", unsaid), ("misjudged", misjudged)):
            if not 0 <= share <= 1:
                raise ValueError(f"{name} is {share!r}, expected a share from 0 to 1")
        self.unsaid, self.misjudged = unsaid, misjudged
        rates = f"wrong{wrong:g}-missing{missing:g}-invented{invented:g}-unsaid{unsaid:g}"
        rates += f"-misjudged{misjudged:g}" if misjudged else ""
        self.name = f"simulated-{rates}-seed{seed}"
        self._attributes: dict[str, Mapping[str, Any]] | None = None
        self._reading = asyncio.Lock()

    async def ask(self, request: Request) -> Reply:
        """Answer from the stored factors.

        Raises:
            ItemError: for a picture that is no image of the data set.
            StopRun: for a kind of question that it has no answer to; DataError if the annotations are no MiniPEDES.
        """
        async with self.meter.call(request, self.price) as call:
            async with self._reading:
                if self._attributes is None:
                    self._attributes = await asyncio.to_thread(self._read)
            text = self._say(request)
            tokens = (round(estimate(request)[0]), len(text.split()))
            call.answered(*tokens)
        return Reply(text, self.name, prompt_tokens=tokens[0], completion_tokens=tokens[1], server="simulated")

    async def probe(self) -> Capabilities:
        """Read the annotations, so that a wrong path shows at once."""
        async with self._reading:
            if self._attributes is None:
                self._attributes = await asyncio.to_thread(self._read)
        return Capabilities(notes=("simulated: made from stored attributes; no model has looked at the images",))

    def describe(self) -> dict[str, Any]:
        """The error rates and the seed."""
        rates = {name: getattr(self.sight, name) for name in ("wrong", "missing", "invented", "seed")}
        rates |= {"misjudged": self.misjudged} if self.misjudged else {}
        return super().describe() | {"simulated": {**rates, "unsaid": self.unsaid}}

    def _read(self) -> dict[str, Mapping[str, Any]]:
        found: dict[str, Mapping[str, Any]] = {}
        if not self.annotations:
            raise DataError("Simulated needs annotations=ROOT/human.jsonl of a MiniPEDES folder, and has none")
        for path in self.annotations:
            human = read_annotations(Path(path))
            for record in human.records:
                if "visible" not in record.attributes:
                    raise DataError(
                        f"{path}: image {record.file!r:.80} has no attributes to answer from: Simulated knows "
                        "MiniPEDES alone. For other images take OpenAICompatible or LocalTransformers."
                    )
                found[sha256_file(human.image_root / record.file)] = record.attributes
        return found

    def _say(self, request: Request) -> str:
        if request.task == "merge":
            return merged(request.texts) or "Nothing was said."
        if request.task == "answer" and request.texts and not request.pictures:
            facts = self.sight.remember(request.claims, " ".join(request.texts))
            said = [answer(facts, slot) for slot in request.topic if slot != "action"] or [NOT_VISIBLE]
            return "\n".join(said)
        if request.task in ("mask", "style") or not request.pictures:
            raise StopRun(
                f"Simulated has no answer to a question of the kind {request.task!r} without a picture",
                "Leave this client out of the config (masker=None, describer=None): a lexicon does its work.",
            )
        image = request.pictures[0].sha256
        attributes = (self._attributes or {}).get(image)
        if attributes is None:
            raise ItemError("unknown-image", f"{request.pictures[0]} is no image of {', '.join(self.annotations)}")
        if request.task == "judge":
            return self.sight.judge(attributes, image, request.claims, " ".join(request.texts), self.misjudged)
        topic = request.topic or tuple(SLOTS)
        factors = [name for slots in topic for slot in slots.split("+") for name in SLOTS.get(slot, ())]
        if request.task == "answer":
            facts = self.sight.look(attributes, image, "answer", factors, self.sight.missing)
            said = [answer(facts, slot) for slot in topic]
            return said[0] if len(said) == 1 else "\n".join(f"{n}. {text}" for n, text in enumerate(said, 1))
        left_out = 1 - (1 - self.sight.missing) * (1 - self.unsaid)
        if request.task == "dual":
            facts = self.sight.look(attributes, image, "dual", factors, self.sight.missing)
            clothing = any(slot in ("upper", "lower") for slot in topic)
            plain, in_style = (
                (clothing_description, styled_clothing) if clothing else (identity_description, styled_identity)
            )
            style = request.texts[0] if request.texts else ""
            return (style and in_style(facts, image, style, self.sight.seed)) or plain(facts)
        if request.texts:  # in a style, which has its own way of leaving things out
            facts = self.sight.look(attributes, image, "styled", factors, self.sight.missing)
            return styled(facts, image, request.texts[0], self.sight.seed)
        return caption(self.sight.look(attributes, image, "caption", factors, left_out))
