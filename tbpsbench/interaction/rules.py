"""How a session goes: every point that the papers leave open is a key, and two presets set them all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from tbpsbench.interaction.fusion import AnchorMode, Gate, Scale

Answerer = Literal["anchor", "witness", "oracle", "person"]
Asked = Literal["missing", "fixed"]
MAX_K, MAX_QUESTIONS = 1000, 15


@dataclass(frozen=True)
class Rules:
    """The rules of a session.

    Attributes:
        k: candidates that may be judged, of the first ranking.
        lam: weight of the query as it was asked, 0 to 1; the refined query has the rest.
        anchor_mode: whether the anchor's similarity is set to 1 after the mix ("hard") or before it ("soft").
        xi: how sure a search must be for the gate.
        xi_scale: scale of xi, see `fusion.confidence`; `xi_temperature`: of its softmax.
        xi_confirm: whether an early stop (gate "ctgi") needs the judge's yes to the first candidate.
        stop_refines: whether questions are asked after an early stop all the same.
        gate: which yes is accepted, see `fusion.accepts`; with "ctgi" a search that is surer than xi stops early.
        answerer: who answers: "anchor" (whoever looks at the anchor), "person" (who has somebody in mind), "witness" (a
            text about the person who is looked for), "oracle" (whoever looks at the picture that is looked for).
        questions: "missing" asks what the query does not say, the most telling first; "fixed" asks the same of all.
        max_questions: at most.
        batched: all questions in one call; otherwise one call for each.
        filter_answers: whether answers that say nothing, repeat or contradict what is known are dropped.
        rejected: what becomes of pictures that a person rejects: they keep their place, or come last.
    """

    k: int = 20
    lam: float = 0.8
    anchor_mode: AnchorMode = "hard"
    xi: float = 0.85
    xi_scale: Scale = "raw"
    xi_temperature: float = 0.05
    xi_confirm: bool = True
    stop_refines: bool = False
    gate: Gate = "ctgi"
    answerer: Answerer = "anchor"
    questions: Asked = "missing"
    max_questions: int = 8
    batched: bool = True
    filter_answers: bool = True
    rejected: Literal["kept", "last"] = "kept"

    def __post_init__(self) -> None:
        for name, low, high in (("k", 1, MAX_K), ("max_questions", 0, MAX_QUESTIONS)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise ValueError(f"{name} is {value!r}, expected a whole number from {low} to {high}")
        for name in ("lam", "xi", "xi_temperature"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
                raise ValueError(f"{name} is {value!r}, expected a number")
        if not 0 <= self.lam <= 1:
            raise ValueError(f"lam is {self.lam!r}, expected a share from 0 to 1")
        if not self.xi_temperature > 0:
            raise ValueError(f"xi_temperature is {self.xi_temperature!r}, expected more than 0")
        for name in ("xi_confirm", "stop_refines", "batched", "filter_answers"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} is {getattr(self, name)!r}, expected True or False")
        choices = {
            "anchor_mode": get_args(AnchorMode), "xi_scale": get_args(Scale), "gate": get_args(Gate),
            "answerer": get_args(Answerer), "questions": get_args(Asked), "rejected": ("kept", "last"),
        }  # fmt: skip
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is {getattr(self, name)!r}, expected one of {', '.join(known)}")

    @property
    def judged(self) -> bool:
        """Whether candidates are judged one by one: not where somebody answers who knows the person anyway."""
        return self.answerer == "anchor"

    @property
    def each(self) -> bool:
        """Whether the query is refined after every answer, instead of once at the end."""
        return self.answerer != "anchor"

    def plain(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


# CTGI: the paper's text; what it leaves open as documented in docs/interaction.md. ICL: the released code.
PRESETS: Mapping[str, Rules] = {
    "ctgi": Rules(),
    "icl": Rules(
        k=5, anchor_mode="soft", xi=0.5, gate="icl", questions="fixed", max_questions=15, filter_answers=False,
    ),
}  # fmt: skip
