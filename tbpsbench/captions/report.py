"""What tools/caption.py tells: progress with rate and cost, the prompts of a dry run, captions of a preview."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, Any

from tbpsbench.captions.ask import Asker, Decoding
from tbpsbench.captions.generated import Study
from tbpsbench.captions.run import Plan, open_clients
from tbpsbench.mllm.base import MLLMClient
from tbpsbench.mllm.messages import Reply, Request
from tbpsbench.mllm.meter import Meter, Price, estimate
from tbpsbench.mllm.pictures import read_picture
from tbpsbench.progress import progress_bar

LINE_SECONDS = 30.0
# What a dry run takes for the model's replies: as a model says it that sees little, so that questions are asked.
CANNED: Mapping[str, str] = {
    "caption": "A man with short hair wears a shirt, trousers and shoes.",
    "answer": "The person wears something that can be described in about a dozen words.",
    "merge": "A man with short hair wears a shirt, trousers and shoes, and carries a bag.",
    "dual": "A man with short black hair.",
    "mask": "A person with hair wears a garment.",
    "style": "Use a plain, descriptive style.",
}
REPLY_TOKENS: Mapping[str, int] = {"caption": 45, "answer": 18, "merge": 90, "dual": 40, "mask": 40, "style": 25}


class Progress:
    """A bar on a terminal, a line now and then in a log: images, rate, failures, calls, cost so far and in all.

    Args:
        meter: of the run.
        what: the caption file's name.
        stream: where lines go.
    """

    def __init__(self, meter: Meter, what: str, stream: IO[str] | None = None) -> None:
        self.meter, self.what, self.stream = meter, what, stream or sys.stderr
        self.total = self.before = self.made = self.failed = 0
        self._begun = self._told = time.monotonic()
        self._bar: Any = None

    def started(self, total: int, before: int) -> None:
        """Note how much there is to do."""
        self.total, self.before = total, before
        self._begun = self._told = time.monotonic()
        self._bar = progress_bar(total=total, what=self.what, done=before)

    def __call__(self, made: bool) -> None:
        """Note that an image is finished."""
        self.made += made
        self.failed += not made
        self._bar.set_postfix_str(self.costs(), refresh=False)
        self._bar.update()
        now = time.monotonic()
        if self._bar.disable and now - self._told > LINE_SECONDS:
            self._told = now
            print(f"{self.what}: {self.line()}", file=self.stream, flush=True)

    def close(self) -> None:
        """Finish the bar."""
        if self._bar is not None:
            self._bar.close()

    def line(self) -> str:
        """Everything in one line."""
        finished, seconds = self.made + self.failed, max(time.monotonic() - self._begun, 1e-6)
        rate, left = finished / seconds, self.total - self.before - finished
        eta = f", {_minutes(left / rate)} left" if rate and left else ""
        return f"{self.before + finished} of {self.total} images, {rate:.2f} img/s{eta}, {self.costs()}"

    def costs(self) -> str:
        """Failures, calls, tokens and money so far, and what all of it will have cost."""
        meter, finished = self.meter, self.made + self.failed
        text = f"{self.failed} failed, {meter.calls} calls, {meter.prompt_tokens + meter.completion_tokens} tokens"
        if meter.usd:
            before = meter.earlier.usd
            text += f", ${before + meter.usd:.2f} so far"
            if finished:
                text += f", about ${before + meter.usd / finished * (self.total - self.before):.2f} in all"
        return text + (f", {meter.unpriced} calls without a price" if meter.unpriced and meter.usd else "")


@dataclass
class Pretender(MLLMClient):
    """Notes what it is asked and answers with something of the usual length; nobody else is asked."""

    who: str
    price: Price | None
    asked: list[tuple[str, Request]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.name = "dry run"

    async def ask(self, request: Request) -> Reply:
        self.asked.append((self.who, request))
        if request.task == "answer" and len(request.topic) > 1:
            return Reply("\n".join(f"{n}. {CANNED['answer']}" for n in range(1, len(request.topic) + 1)), self.name)
        return Reply(CANNED.get(request.task, "Yes."), self.name)


@dataclass(frozen=True)
class Estimate:
    """Calls, tokens and money of some requests; `usd` is None where a price is unknown."""

    calls: int
    prompt_tokens: float
    completion_tokens: float
    usd: float | None

    def times(self, count: float) -> Estimate:
        """For so many images."""
        usd = None if self.usd is None else self.usd * count
        return Estimate(round(self.calls * count), self.prompt_tokens * count, self.completion_tokens * count, usd)

    def __str__(self) -> str:
        money = "price unknown" if self.usd is None else f"${self.usd:.2f}"
        return (
            f"{self.calls:,} calls, about {self.prompt_tokens:,.0f} tokens of prompts and "
            f"{self.completion_tokens:,.0f} of replies, {money}"
        )


async def dry_run(plan: Plan, folder: Any) -> str:
    """The prompts for one image, and what all images would take; no model is asked.

    Args:
        plan: of the run.
        folder: an empty one, for what a source keeps of its study.
    """
    async with open_clients(plan, Meter(), None) as real:
        prices = {who: client.price for who, client in real.items()}
        names = {who: client.name for who, client in real.items()}
    asked: list[tuple[str, Request]] = []
    clients = {who: Pretender(who, prices[who], asked) for who in plan.source.clients}
    decoding = Decoding(plan.settings.temperature, plan.settings.retry_temperature, 0, "permissive")
    await plan.source.study(Study(plan.human, folder, Asker(clients, decoding), plan.training_captions()))
    once, image = len(asked), plan.images[0]
    path = plan.human.image_root / image.file
    asker = Asker(clients, decoding, read_picture(path))
    await plan.source.write(image, path, asker)
    lines = [f"{image.file}: {len(asked) - once} calls for one image"]
    for number, (who, request) in enumerate(asked[once:], start=1):
        shown = f" + {len(request.pictures)} image" if request.pictures else ""
        lines.append(f"\n[{number}] {who}: {names[who]}{shown}, {request.prompt}, at most {request.max_tokens} tokens")
        lines += [f"    {line}" for message in request.messages for line in message.text.splitlines()]
    lines.append("")
    if once:
        lines.append(f"before the first image: {_estimate(asked[:once], prices)}")
    lines.append(f"all {len(plan.images):,} images: {_estimate(asked[once:], prices).times(len(plan.images))}")
    lines.append("Replies were made up; a model that sees more is asked fewer questions, one that errs is asked again.")
    return "\n".join(lines)


def shown_record(record: Mapping[str, Any]) -> str:
    """A record or failure as text for a person."""
    lines = [f"{record['image_id']}"]
    if record.get("static_caption"):
        lines.append(f"  static   {record['static_caption']}")
    for turn in record.get("qa", []):
        mark = "kept   " if turn["kept"] else "dropped"
        lines.append(
            f"  {mark}  {turn['slot']}: {turn['a']}" + (f"  ({turn['drop_reason']})" if not turn["kept"] else "")
        )
    for text in record.get("texts", []):
        wrong = "" if text["valid"]["ok"] else f"  [{'; '.join(text['valid']['reasons'])}]"
        style = "" if text["style"] is None else f" (style {text['style']})"
        lines.append(f"  {text['role']}{style}: {text['text']}{wrong}")
    if "reason" in record:
        lines.append(f"  failed   {record['reason']}: {record['detail']}")
        lines += [f"           {record['text']}"] if record.get("text") else []
    return "\n".join(lines)


def _estimate(asked: list[tuple[str, Request]], prices: Mapping[str, Price | None]) -> Estimate:
    prompt = completion = usd = 0.0
    unknown = False
    for who, request in asked:
        tokens = estimate(request)[0]
        reply = REPLY_TOKENS.get(request.task, 30) * max(1, len(request.topic) if request.task == "answer" else 1)
        prompt, completion, price = prompt + tokens, completion + reply, prices[who]
        unknown |= price is None
        usd += price.of(tokens, reply) if price else 0.0
    return Estimate(len(asked), prompt, completion, None if unknown else usd)


def _minutes(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
