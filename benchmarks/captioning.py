"""How well OpenAICompatible keeps a server busy, against sockets that do nothing else.

    python benchmarks/captioning.py [--json] [--calls 2000 --latency 0.4 --at-once 64 --slots 24 --images 60]

The server (tests/helpers/chat_server.py) runs in a process of its own and takes `--latency` seconds for each reply.
- `alone`: as many calls at once as asked for, over bare sockets, bodies made beforehand: what the server can sustain.
  `ours`: OpenAICompatible with the same number as its upper bound. It makes bodies of pictures, parses, counts, and
  has to find out that it may use them all.
- A server that refuses more than `--slots` calls at a time with 429. `fixed`: bare sockets with one number of calls at
  a time; the best of several. `ours` is not told.
- Bytes that one image costs when eight questions are asked, seven of them about the picture: `plain`, and with the
  picture named by its hash (`uuid`) on a server that keeps pictures.

All replies are checked and every call is counted at the server, or no figure is printed.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from _common import environment, finish, parser
from _targets import stated
from PIL import Image

from tbpsbench.mllm.messages import Message, Picture, Request
from tbpsbench.mllm.openai_compatible import OpenAICompatible
from tbpsbench.mllm.pictures import MIN_PIXELS, enlarged
from tbpsbench.mllm.wire import body_of

SERVER = Path(__file__).parents[1] / "tests" / "helpers" / "chat_server.py"
TEXT = "A man in a red coat."
QUESTIONS = ("Describe the person.", "Sex?", "Hair?", "Upper body?", "Lower body?", "Shoes?", "Bag?")
MERGE = "Put all this into one caption: a man, short hair, a red coat, blue jeans, white shoes, no bag."


@contextlib.contextmanager
def server(**options: Any) -> Iterator[tuple[str, Callable[[], dict[str, int]]]]:
    """A server in its own process: its URL, and what ends it and says what it saw."""
    command = [sys.executable, str(SERVER), json.dumps({"text": TEXT, **options})]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None

    def seen() -> dict[str, int]:
        found: dict[str, int] = json.loads(process.communicate()[0])
        return found

    try:
        yield process.stdout.readline().strip(), seen
    finally:
        if process.poll() is None:
            process.communicate()


def pictures(count: int) -> list[Picture]:
    """Images of 384 x 128 pixels, as a data set has them."""
    dice, found = np.random.default_rng(0), []
    for _ in range(count):
        pixels = dice.integers(0, 255, (48, 16, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).resize((128, 384), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
        found.append(Picture(buffer.getvalue(), "image/jpeg"))
    return found


def question(text: str, *shown: Picture) -> Request:
    """A request."""
    return Request((Message("user", text, shown),), max_tokens=64, temperature=0.0)


async def bare(url: str, bodies: list[bytes], at_once: int) -> dict[str, float]:
    """Send bodies over `at_once` connections; a refused one is sent again after a while. Calls per second, refusals."""
    address, todo, refused = urlsplit(url), list(range(len(bodies))), 0
    dice = random.Random(0)

    async def worker() -> None:
        nonlocal refused
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        while todo:
            body = bodies[todo.pop()]
            head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n".encode()
            while True:
                writer.write(head + body)
                status = await reader.readline()
                length = 0
                while (line := await reader.readline()) != b"\r\n":
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                answer = await reader.readexactly(length)
                if b" 200 " in status:
                    assert TEXT.encode() in answer
                    break
                refused += 1
                await asyncio.sleep(dice.uniform(0.25, 0.5))
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    return {"calls_per_s": len(bodies) / (time.perf_counter() - started), "refused": refused}


async def ours(url: str, requests: list[Request], at_once: int) -> dict[str, Any]:
    """Ask everything at once; calls per second, refusals, the number at a time that it settled at, CPU ms per call."""
    async with OpenAICompatible("m", [url], max_in_flight=at_once) as client:
        started, cpu = time.perf_counter(), time.process_time()
        replies = await asyncio.gather(*map(client.ask, requests))
        seconds, busy = time.perf_counter() - started, time.process_time() - cpu
        assert [reply.text for reply in replies] == [TEXT] * len(requests)
        return {
            "calls_per_s": len(requests) / seconds, "refused": client.meter.failed,
            "settled_at": next(iter(client.in_flight().values())), "cpu_ms_per_call": 1e3 * busy / len(requests),
        }  # fmt: skip


def measured(run: Callable[[str], Any], calls: int, **options: Any) -> dict[str, Any]:
    """Run something against a server; the server must have seen every call and every refused one, no other."""
    with server(**options) as (url, seen):
        found: dict[str, Any] = asyncio.run(run(url))
        saw = seen()
    assert saw["requests"] == calls + found["refused"], (saw, found)
    return found | {"most_in_flight": saw["most_in_flight"]}


async def interview(url: str, shown: list[Picture]) -> dict[str, int]:
    """Ask eight questions about every image."""
    async with OpenAICompatible("m", [url]) as client:
        found = await client.probe()
        tried = client.meter.calls

        async def about(picture: Picture) -> None:
            for text in QUESTIONS:
                await client.ask(question(text, picture))
            await client.ask(question(MERGE))

        await asyncio.gather(*map(about, shown))
        return {"refused": 0, "uuid": int(found.image_uuid), "probes": tried, "calls": client.meter.calls - tried}


def image_bytes(shown: list[Picture], keeps: bool) -> float:
    """Bytes of all requests about one image, those of the probe left out."""
    totals = []
    for group in ([], shown):
        with server(keeps=keeps) as (url, seen):
            found = asyncio.run(interview(url, group))
            saw = seen()
        assert found["uuid"] == keeps
        assert found["calls"] == len(group) * (len(QUESTIONS) + 1)
        totals.append(saw["bytes"])
    return (totals[1] - totals[0]) / len(shown)


def main() -> None:
    """Measure and print."""
    arguments = parser(__doc__.splitlines()[0])
    arguments.add_argument("--calls", type=int, default=2000)
    arguments.add_argument("--latency", type=float, default=0.4, help="seconds that the server takes for a reply")
    arguments.add_argument("--at-once", type=int, default=64)
    arguments.add_argument("--slots", type=int, default=24, help="calls at a time above which a server refuses")
    arguments.add_argument("--images", type=int, default=60, help="images whose bytes are counted")
    given = arguments.parse_args()
    calls, latency = given.calls, given.latency
    shown = pictures(max(50, given.images))
    requests = [question(f"Question {n}", shown[n % len(shown)]) for n in range(calls)]
    sent = {picture.sha256: enlarged(picture, MIN_PIXELS) for picture in shown}
    bodies = [json.dumps(body_of(request, "m", sent)).encode() for request in requests]

    alone = measured(lambda url: bare(url, bodies, given.at_once), calls, latency=latency)
    free = measured(lambda url: ours(url, requests, given.at_once), calls, latency=latency)
    limits = {"latency": latency, "slots": given.slots}
    fixed = {
        at_once: measured(lambda url, n=at_once: bare(url, bodies, n), calls, **limits)  # type: ignore[misc]
        for at_once in sorted({max(1, given.slots * share // 6) for share in (4, 5, 6, 7)})
    }
    settled = measured(lambda url: ours(url, requests, given.at_once), calls, **limits)
    best = max(fixed, key=lambda at_once: fixed[at_once]["calls_per_s"])
    sizes = {name: image_bytes(shown[: given.images], keeps) for name, keeps in (("plain", False), ("uuid", True))}
    result = {
        "name": "captioning",
        "environment": environment(1),
        "size": {"calls": calls, "latency": latency, "at_once": given.at_once, "slots": given.slots},
        "ratios": {
            "calls_vs_server_alone": free["calls_per_s"] / alone["calls_per_s"],
            "calls_vs_best_fixed": settled["calls_per_s"] / fixed[best]["calls_per_s"],
            "bytes_plain_over_uuid": sizes["plain"] / sizes["uuid"],
        },
        "targets": stated("captioning"),
        "alone": alone,
        "ours": free,
        "fixed": {str(at_once): found for at_once, found in fixed.items()},
        "best_fixed": best,
        "ours_refused": settled,
        "bytes_per_image": sizes,
    }
    finish(result, given.json)


if __name__ == "__main__":
    main()
