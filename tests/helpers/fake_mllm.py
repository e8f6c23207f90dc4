"""A client that answers from MiniPEDES' stored factors without erring, or as a test tells it; no waiting, no server."""

from __future__ import annotations

import asyncio

from tbpsbench.minipedes.describe import clothing_description, identity_description
from tbpsbench.minipedes.words import Facts
from tbpsbench.mllm.base import MLLMClient
from tbpsbench.mllm.errors import ItemError
from tbpsbench.mllm.messages import Reply
from tbpsbench.mllm.pictures import read_picture

PARTS = {
    "sex": ("sex", "age"), "age": ("sex", "age"), "build": ("build", "height"), "skin": ("skin",),
    "hair": ("hair_style", "hair_colour"), "beard": ("beard",),
    "upper": ("upper", "upper_colour", "upper_pattern", "upper_accent", "inner_colour"),
    "lower": ("lower", "lower_colour"), "shoes": ("shoes", "shoe_colour"), "bag": ("bag", "bag_colour"),
    "hat": ("hat", "hat_colour"), "glasses": ("glasses",), "held": ("carried", "carried_colour"),
}  # fmt: skip
IDENTITY = ("sex", "age", "build", "skin", "hair", "beard")


class FakeMLLM(MLLMClient):
    """Right answers.

    Args:
        annotations: MiniPEDES' own, with attributes.
        replies: prompt name -> what to say instead: a text, an exception, or a function of the request.
    """

    simulated = True

    def __init__(self, annotations, replies=None, name="fake"):
        super().__init__()
        self.name, self.replies, self.asked = name, replies or {}, []
        self._facts = {
            read_picture(annotations.image_root / r.file).sha256: Facts.of(dict(r.attributes))
            for r in annotations.records
        }

    async def ask(self, request):
        await asyncio.sleep(0)
        self.asked.append(request)
        told = self.replies.get(request.prompt.partition("@")[0])
        if callable(told):
            told = told(request)
        if isinstance(told, Exception):
            raise told
        return Reply(told or self._answer(request), self.name, prompt_tokens=100, completion_tokens=20, server="memory")

    def _answer(self, request):
        if request.task == "merge":
            return " ".join(request.texts)
        if request.task in ("mask", "style"):
            return "Use a plain style."
        facts = self._facts.get(request.pictures[0].sha256)
        if facts is None:
            raise ItemError("bad-image", "not of MiniPEDES")
        if request.task == "answer" and len(request.topic) > 1:
            return "\n".join(f"{n}. {self._say(facts, (slot,))}" for n, slot in enumerate(request.topic, start=1))
        return self._say(facts, request.topic)

    @staticmethod
    def _say(facts, topic):
        names = {name for slots in topic for slot in slots.split("+") for name in PARTS.get(slot, ())}
        found = Facts({k: v for k, v in facts.values.items() if k in names}, "", "", "", "")
        who = {k: v for k, v in found.values.items() if k in {p for slot in IDENTITY for p in PARTS[slot]}}
        texts = []
        if who:
            texts.append(identity_description(Facts(who, "", "", "", "")))
        if set(found.values) - set(who):
            texts.append(clothing_description(found))
        return " ".join(texts) or "not visible"
