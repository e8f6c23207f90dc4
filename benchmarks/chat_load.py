"""Two hundred people press "Search" at the same moment: how long the page of tools/chat.py lets them wait.

    python benchmarks/chat_load.py [--json] [--pictures 20000 --people 200 --rounds 5]

The system is the demo's, untrained; the index holds random unit vectors for links to a few tiny pictures. The page is
served by a process of its own, as tools/chat.py does it, with --threads for products. Everybody has a session and a
connection of their own and asks something else; a search is over when its whole answer, the ranking of 24 pictures and
the first question, has arrived. Rates are switched off. Stated is the 95th percentile over the people of a round, in
the quickest round, since other processes may share the machine; beside it all rounds, the load, and the processor time
that the server spent on a search, which does not depend on who else computes.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
from _common import environment, finish, parser
from _targets import stated

LIMIT_MS = 300.0
DEMO = "configs/mini/two-tower_mini-pedes.py"
COLOURS = ("red", "blue", "green", "black", "white", "grey", "brown", "yellow", "purple", "orange")
CLOTHES = ("coat", "jacket", "shirt", "dress", "jumper", "hoodie", "suit", "vest", "blouse", "cardigan")
THINGS = ("a backpack", "a handbag", "an umbrella", "a suitcase")


def make_index(folder: Path, pictures: int) -> Path:
    """An index of so many random vectors by an untrained system."""
    import torch
    from PIL import Image

    from tbpsbench.config.load import load_config
    from tbpsbench.data.mini_pedes import MiniPEDES
    from tbpsbench.engine.run import build_run
    from tbpsbench.retrieval.gallery import Gallery
    from tbpsbench.retrieval.items import Item
    from tbpsbench.system_files import write_checkpoint

    torch.manual_seed(0)
    MiniPEDES(str(folder / "MiniPEDES"), size="tiny").prepare()
    overrides = [f"data.dataset.root={folder / 'MiniPEDES'}", "data.dataset.size=tiny", "runtime.threads=1"]
    system = build_run(load_config(DEMO, overrides), seed=0).system
    write_checkpoint(system, folder / "system.pth")
    photos = folder / "photos"
    photos.mkdir()
    items = []
    for number in range(pictures):
        path = photos / f"{number:06d}.png"
        if number < len(COLOURS):
            Image.new("RGB", (24, 48), COLOURS[number]).save(path)
        else:
            os.link(photos / f"{number % len(COLOURS):06d}.png", path)
        found = path.stat()
        items.append(Item(path.name, found.st_size, found.st_mtime_ns))
    embedded = system.encode_text(["a person"])
    assert isinstance(embedded, torch.Tensor)
    width = embedded.shape[1]
    vector_GD = torch.nn.functional.normalize(torch.randn(pictures, width), dim=1)
    with Gallery.create(folder / "index", system, photos, checkpoint=folder / "system.pth") as gallery:
        gallery.add(items, vector_GD)
    return folder / "index"


def serve(index: Path) -> None:
    """The page, on a port that is free, until it is interrupted."""
    from tbpsbench.app import serving
    from tbpsbench.app.systems import Systems
    from tbpsbench.app.visitors import Rates, Visitors
    from tbpsbench.retrieval.gallery import Gallery

    endless = (1e9, 1e9)
    with suppress(KeyboardInterrupt), Gallery.open(index) as gallery:
        serving.serve(Systems([gallery]), "127.0.0.1", 0, visitors=Visitors(Rates(endless, endless, endless)))


def query(number: int) -> str:
    """What the person of that number looks for; everybody's is different, to the system as well."""
    coat, colour, legs, thing = number % 10, number // 10 % 10, number // 100 % 10, number // 1000 % 4
    return f"a person in a {COLOURS[colour]} {CLOTHES[coat]} and {COLOURS[legs]} trousers, with {THINGS[thing]}"


class Client:
    """Somebody with a connection and a cookie; speaks just enough HTTP."""

    def __init__(self, port: int) -> None:
        self.port, self.cookie = port, ""

    async def open(self) -> None:
        """Connect, and load the page."""
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 20)
        head, _ = await self._ask(b"GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % self.port)
        self.cookie = head.partition("set-cookie: ")[2].partition(";")[0]

    async def search(self, text: str) -> tuple[float, bool]:
        """Search. Returns the seconds that it took, and whether the answer is one."""
        body = urlencode({"query": text}).encode()
        request = (
            f"POST /search HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nOrigin: http://127.0.0.1:{self.port}\r\n"
            f"Cookie: {self.cookie}\r\nHX-Request: true\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body
        start = time.perf_counter()
        head, answer = await self._ask(request)
        seconds = time.perf_counter() - start
        return seconds, head.startswith("HTTP/1.1 200") and answer.count(b'class="card ') == 24

    async def _ask(self, request: bytes) -> tuple[str, bytes]:
        self.writer.write(request)
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        length = int(head.lower().partition("content-length: ")[2].partition("\r")[0])
        return head, await self.reader.readexactly(length)


async def measure(port: int, people: int, rounds: int, server: int) -> dict[str, Any]:
    """Rounds of searches that begin at the same moment."""
    clients = [Client(port) for _ in range(people)]
    for client in clients:
        await client.open()
    waited, errors, spent = [], 0, []
    for number in range(rounds + 1):
        before = processor_s(server)
        found = await asyncio.gather(
            *(client.search(query(n + people * number)) for n, client in enumerate(clients)), return_exceptions=True
        )
        good = [one[0] for one in found if not isinstance(one, BaseException) and one[1]]
        errors += len(found) - len(good)
        if number:  # the first one warms up
            waited.append(good)
            spent.append((processor_s(server) - before) / people * 1e3)
    return {"errors": errors, "rounds": [_round(one) for one in waited], "server_processor_ms_per_search": min(spent)}


def _round(seconds: Sequence[float]) -> dict[str, float]:
    p50, p95, last = (np.percentile(seconds, [50, 95, 100]) * 1e3).tolist() if len(seconds) else [1e9] * 3
    return {"p50_ms": round(p50, 1), "p95_ms": round(p95, 1), "last_ms": round(last, 1)}


def processor_s(process: int) -> float:
    """Processor time of a process with all its threads, in seconds."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Make an index, serve it, search it."""
    arguments = parser(__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--pictures", type=int, default=20_000)
    arguments.add_argument("--people", type=int, default=200)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--serve", type=Path, help="serve this index and do nothing else")
    options = arguments.parse_args()
    if options.serve:
        return serve(options.serve)
    with tempfile.TemporaryDirectory() as folder:
        index = make_index(Path(folder), options.pictures)
        command = [sys.executable, __file__, "--serve", str(index)]
        limited = os.environ | {"OMP_NUM_THREADS": str(options.threads)}
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=limited, text=True) as server:
            assert server.stdout is not None
            opened = next((line for line in server.stdout if line.startswith("Open ")), "")
            port = int(opened.partition("127.0.0.1:")[2].partition("/")[0])
            try:
                found = asyncio.run(measure(port, options.people, options.rounds, server.pid))
            finally:
                server.send_signal(signal.SIGINT)
    best = min(one["p95_ms"] for one in found["rounds"])
    result = {
        "name": "chat_load",
        "size": {"pictures": options.pictures, "people": options.people},
        "ratios": {"p95_of_limit": best / LIMIT_MS, "errors": found["errors"]},
        "targets": stated("chat_load"),
        "p95_ms": best,
        "limit_ms": LIMIT_MS,
        **found,
        "environment": environment(options.threads),
    }
    finish(result, options.json)
    return None


if __name__ == "__main__":
    main()
