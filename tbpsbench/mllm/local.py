"""A multimodal model in this process: Qwen2-VL, Qwen2.5-VL, Qwen3-VL and what else transformers loads the same way.

For small runs and tests; a server (OpenAICompatible) is several times faster. Requests that wait are answered in
batches.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

from tbpsbench.files import sha256_file
from tbpsbench.mllm.arguments import require_numbers
from tbpsbench.mllm.base import Capabilities, MLLMClient
from tbpsbench.mllm.errors import ItemError, StopRun
from tbpsbench.mllm.messages import Reply, Request
from tbpsbench.mllm.meter import Price
from tbpsbench.mllm.pictures import MIN_PIXELS, enlarged
from tbpsbench.registry import MLLM_CLIENTS

HASHED_AT_ONCE = 4  # files of a local model, for its name
HASHED = (".json", ".jinja", ".safetensors", ".txt", ".bin")
OUT_OF_MEMORY = "out-of-memory"
_Job = tuple[Request, "asyncio.Future[Reply]"]


@MLLM_CLIENTS.register()
class LocalTransformers(MLLMClient):
    """A model loaded with transformers.

    Args:
        model: folder, or name on the Hugging Face hub.
        revision: of a model on the hub.
        device: "auto" for the first GPU, else the CPU.
        dtype: of the weights: "auto" as stored, or e.g. "bfloat16".
        batch_size: requests answered together, at most; halved while the device's memory does not suffice.
        min_pixels: smaller pictures are enlarged to so many.

    Raises:
        ValueError: for arguments out of range.
        DataError: if a file of the folder cannot be read.
    """

    price = Price(0.0, 0.0)

    def __init__(
        self, model: str, *, revision: str | None = None, device: str = "auto", dtype: str = "auto",
        batch_size: int = 8, min_pixels: int = MIN_PIXELS,
    ) -> None:  # fmt: skip
        super().__init__()
        require_numbers(1, whole=True, batch_size=batch_size)
        require_numbers(0, min_pixels=min_pixels)
        _require_dtype(dtype)
        self.model, self.revision, self.device, self.dtype = model, revision, device, dtype
        self.batch_size, self.min_pixels = batch_size, min_pixels
        self.name = _name(model, revision, dtype, min_pixels)
        self._loaded: tuple[Any, Any] | None = None
        self._waiting: deque[_Job] = deque()
        self._worker: asyncio.Task[None] | None = None

    async def ask(self, request: Request) -> Reply:
        """Answer in the next batch.

        Raises:
            ItemError: if a picture is damaged or the device's memory does not suffice for one request.
            StopRun: if the model cannot be loaded.
        """
        async with self.meter.call(request, self.price) as call:
            answered: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
            self._waiting.append((request, answered))
            if self._worker is None or self._worker.done():
                self._worker = asyncio.create_task(self._work())
            reply = await answered
            call.answered(reply.prompt_tokens, reply.completion_tokens)
        return reply

    async def probe(self) -> Capabilities:
        """Load the model."""
        processor, _ = await asyncio.to_thread(self._load)
        return Capabilities(thinking="off" if _may_think(processor) else "none")

    def describe(self) -> dict[str, Any]:
        """Where the model comes from and how it runs."""
        where = {"revision": self.revision, "device": self.device, "dtype": self.dtype}
        return super().describe() | where | {"min_pixels": self.min_pixels, "batch_size": self.batch_size}

    async def close(self) -> None:
        """Let go of the model."""
        if self._worker is not None:
            await asyncio.gather(self._worker, return_exceptions=True)
        self._loaded = None

    async def _work(self) -> None:
        while self._waiting:
            first = self._waiting[0][0]
            alike = [job for job in self._waiting if _settings(job[0]) == _settings(first)][: self.batch_size]
            taken = set(map(id, alike))
            self._waiting = deque(job for job in self._waiting if id(job) not in taken)
            wanted = [job for job in alike if not job[1].done()]  # who was cancelled waits no more
            if wanted:
                await self._answer(wanted)

    async def _answer(self, jobs: Sequence[_Job]) -> None:
        """Answer a batch; where that fails, halves of it, down to one request."""
        found = await asyncio.to_thread(self._tried, [request for request, _ in jobs])
        if isinstance(found, list):
            _hand_out(jobs, found)
            return
        if memory := found.reason == OUT_OF_MEMORY:
            _empty_cache()
        if len(jobs) == 1 or isinstance(found, StopRun):
            _hand_out(jobs, [found] * len(jobs))
            return
        self.batch_size = max(1, len(jobs) // 2) if memory else self.batch_size
        await self._answer(jobs[: len(jobs) // 2])
        await self._answer(jobs[len(jobs) // 2 :])

    # -- in a thread ----------------------------------------------------------------------------------------------

    def _load(self) -> tuple[Any, Any]:
        if self._loaded is None:
            import torch

            try:
                from transformers import AutoModelForImageTextToText, AutoProcessor
            except ImportError as error:
                raise StopRun(
                    f"LocalTransformers needs the package transformers ({error})",
                    "Install it: pip install --upgrade transformers.",
                ) from error
            device = self.device if self.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
            try:
                processor = AutoProcessor.from_pretrained(self.model, revision=self.revision)
                model: Any = AutoModelForImageTextToText.from_pretrained(
                    self.model, revision=self.revision, dtype=self.dtype
                )
                processor.tokenizer.padding_side = "left"
                model.to(device).eval()
            except Exception as error:  # of damaged weights, and of what it does not know, transformers raises anything
                raise StopRun(
                    f"The model {self.model!r} cannot be loaded ({' '.join(str(error).split())[:300]})",
                    "Check model (a folder with config.json, weights and processor, or a name on the hub that this "
                    "machine can download), device and free memory.",
                ) from error
            _require_chat(processor, self.model)
            self._loaded = processor, model
        return self._loaded

    def _tried(self, requests: Sequence[Request]) -> list[Reply | ItemError] | ItemError | StopRun:
        """Replies, or what went wrong. The error itself stays here: the halves of a batch need the memory of the
        tensors that its traceback holds.
        """
        try:
            return self._generate(requests)
        except Exception as error:
            return _as_item(error)

    def _generate(self, requests: Sequence[Request]) -> list[Reply | ItemError]:
        import torch

        from tbpsbench.data.images import decode

        started = time.perf_counter()
        processor, model = self._load()
        options: dict[str, Any] = {"tokenize": False, "add_generation_prompt": True}
        options |= {"enable_thinking": False} if _may_think(processor) else {}
        texts = [processor.apply_chat_template(_conversation(request), **options) for request in requests]
        images = [decode(enlarged(picture, self.min_pixels).data) for r in requests for picture in r.pictures]
        inputs = processor(text=texts, images=images or None, padding=True, return_tensors="pt").to(model.device)
        temperature = requests[0].temperature
        sampling = {"do_sample": True, "temperature": temperature} if temperature > 0 else {"do_sample": False}
        with torch.inference_mode():
            whole = model.generate(**inputs, max_new_tokens=requests[0].max_tokens, **sampling)
        seconds, width = time.perf_counter() - started, inputs["input_ids"].shape[1]
        rows = zip(inputs["attention_mask"].sum(1).tolist(), whole[:, width:].tolist(), strict=True)
        return [self._reply(processor.tokenizer, _ends(model), *row, seconds) for row in rows]

    def _reply(
        self, tokenizer: Any, ends: set[int], prompt: int, tokens: list[int], seconds: float
    ) -> Reply | ItemError:
        """What a row of generated tokens says."""
        length = next((place for place, token in enumerate(tokens) if token in ends), None)
        text = tokenizer.decode(tokens[:length], skip_special_tokens=True).strip()
        said = len(tokens) if length is None else length + 1
        if not text:
            silent = ItemError("bad-reply", "the model said nothing")
            silent.used = (prompt, said)
            return silent
        return Reply(
            text=text, model=self.name, finish_reason="length" if length is None else "stop", prompt_tokens=prompt,
            completion_tokens=said, seconds=seconds, server="local",
        )  # fmt: skip


def _may_think(processor: Any) -> bool:
    """Whether the chat template has a switch for thinking."""
    return "enable_thinking" in str(getattr(processor, "chat_template", ""))


def _settings(request: Request) -> tuple[int, float]:
    """What requests of one batch have in common."""
    return request.max_tokens, request.temperature


def _conversation(request: Request) -> list[dict[str, Any]]:
    """Messages as chat templates want them: pictures first."""
    return [
        {
            "role": message.role,
            "content": [*({"type": "image"} for _ in message.pictures), {"type": "text", "text": message.text}]
            if message.pictures
            else message.text,
        }
        for message in request.messages
    ]


def _require_chat(processor: Any, model: str) -> None:
    try:
        processor.apply_chat_template([{"role": "user", "content": [{"type": "text", "text": "?"}]}], tokenize=False)
    except Exception as error:  # a template is a program of its own
        raise StopRun(
            f"The model {model!r} cannot be talked to ({' '.join(str(error).split())[:300]})",
            "Take its variant tuned to follow instructions (Instruct, chat, it), whose processor has a chat template.",
        ) from error


def _ends(model: Any) -> set[int]:
    """Ids of the tokens that end a reply."""
    found = model.generation_config.eos_token_id
    return set(found) if isinstance(found, list) else {found}


def _hand_out(jobs: Sequence[_Job], replies: Sequence[Reply | ItemError | StopRun]) -> None:
    """Tell who waits; who was cancelled does not any more."""
    for (_, answered), reply in zip(jobs, replies, strict=True):
        if answered.done():
            continue
        if isinstance(reply, Reply):
            answered.set_result(reply)
        else:
            answered.set_exception(reply)


def _as_item(error: Exception) -> ItemError | StopRun:
    if isinstance(error, ItemError | StopRun):
        return error
    memory = "out of memory" in str(error).lower()
    return ItemError(OUT_OF_MEMORY if memory else "model-error", f"{type(error).__name__}: {error}"[:300])


def _empty_cache() -> None:
    """Give the memory of tensors that are gone back to the device, where pieces of another size are cut from it."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _require_dtype(dtype: str) -> None:
    import torch

    found = getattr(torch, dtype, None)
    if dtype != "auto" and not (isinstance(found, torch.dtype) and found.is_floating_point):
        raise ValueError(f"dtype is {dtype!r}, expected 'auto' or a type of torch such as 'bfloat16'")


def _name(model: str, revision: str | None, dtype: str, min_pixels: int) -> str:
    """The model's name: with what tells a folder's weights from others of that name, and how they are used."""
    folder = Path(model)
    name = f"{model}@{revision}" if revision else model
    if folder.is_dir():
        files = [path for path in folder.iterdir() if path.suffix in HASHED and path.is_file()]
        told = [(path.name, stat.st_size, stat.st_mtime_ns) for path in files for stat in (path.stat(),)]
        name = f"{folder.name}@{_digest(folder.resolve(), tuple(sorted(told)))[:12]}"
    name += "" if min_pixels == MIN_PIXELS else f"@{min_pixels}px"
    return name if dtype == "auto" else f"{name}@{dtype}"


@lru_cache(maxsize=16)
def _digest(folder: Path, files: tuple[tuple[str, int, int], ...]) -> str:
    """SHA-256 of the files of a model, each (name, bytes, time of its last change); read once in a process."""
    with ThreadPoolExecutor(HASHED_AT_ONCE) as pool:  # a digest is made without holding the interpreter
        found = pool.map(sha256_file, [folder / name for name, *_ in files])
        told = "".join(f"{name} {size} {sha256}\n" for (name, size, _), sha256 in zip(files, found, strict=True))
    return hashlib.sha256(told.encode()).hexdigest()
