"""Search a folder of pictures in the browser, and talk to the search: one page, on this machine alone.

    python tools/index.py work_dirs/demo/best.pth my-photos --out my-index
    python tools/chat.py my-index
    python tools/chat.py my-index --second baseline-index      two systems side by side, on the same pictures
    python tools/chat.py my-index --mllm chat.py               a multimodal model judges and answers when it is asked to
    python tools/chat.py my-index --replay search.jsonl        play an exported search again: no page, the ranking

For research on consented or licensed pictures. A similarity is not evidence of identity.
"""

from __future__ import annotations

import argparse
import asyncio
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from tbpsbench.cli import run_tool
from tbpsbench.errors import ConfigError
from tbpsbench.reading import given_path, read_text

if TYPE_CHECKING:
    from tbpsbench.app.systems import Systems


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index", metavar="INDEX", type=given_path, help="an index (tools/index.py)")
    parser.add_argument("--second", metavar="INDEX2", type=given_path, help="another system's index of the same folder")
    parser.add_argument("--checkpoint", metavar="FILE", type=given_path, help="INDEX's system, where it has moved")
    parser.add_argument("--second-checkpoint", metavar="FILE", type=given_path, help="the same for INDEX2")
    parser.add_argument("--mllm", metavar="CONFIG", help="a config that names a multimodal model (docs/chat.md)")
    parser.add_argument("--host", default="127.0.0.1", help="address (default: 127.0.0.1, this machine alone)")
    parser.add_argument("--port", type=int, default=8000, help="port (default: 8000; 0: any that is free)")
    parser.add_argument("--allow-host", metavar="NAME", action="append", default=[],
                        help="a name under which others reach the page, with its port if it has one")  # fmt: skip
    parser.add_argument("--replay", metavar="FILE", type=given_path, help="play an exported search again, print it")
    parser.add_argument("--device", help="where the model computes, e.g. cpu (default: the GPU where there is one)")
    args = parser.parse_args()
    if not 0 <= args.port <= 65535:
        parser.error(f"--port {args.port}: must be from 0 to 65535")
    if args.second_checkpoint and not args.second:
        parser.error("--second-checkpoint is the system of --second, which is not given")
    if not args.replay:
        _require_packages()
    from tbpsbench.app.systems import Systems
    from tbpsbench.retrieval.gallery import Gallery

    given = [(args.index, args.checkpoint)]
    if args.second:
        given.append((args.second, args.second_checkpoint))
    with ExitStack() as stack:
        galleries = [
            stack.enter_context(Gallery.open(folder, checkpoint, device=args.device)) for folder, checkpoint in given
        ]
        systems = Systems(galleries)
        if args.replay:
            return asyncio.run(_replay(systems, args.replay))
        from tbpsbench.app.assistant import Assistant, read_config
        from tbpsbench.app.serving import serve

        assistant = Assistant(read_config(given_path(args.mllm)), args.mllm) if args.mllm else None
        serve(systems, args.host, args.port, allowed=args.allow_host, assistant=assistant)
    return 0


async def _replay(systems: Systems, path: Path) -> int:
    """Print an exported search as it comes out now; 1 if that is not as it was."""
    from tbpsbench.app import talk as talks
    from tbpsbench.interaction.turns import to_plain

    talk, same = await talks.replayed(systems, read_text(path), str(path))
    print(f"query: {talk.query}")
    for turn in talk.first.turns:
        told = to_plain(turn)
        print(f"  {told.pop('turn')}: " + ", ".join(f"{key} {value}" for key, value in told.items() if value))
    print(f"refined: {talk.refined}")
    for number, searched in enumerate(systems.searched):
        _, now_G = talk.scores(systems, number)
        print(f"{searched.name}:")
        for rank, position in enumerate(talk.best(systems, number, now_G, min(10, len(now_G))), 1):
            print(f"  {rank:3d}  {now_G[position]:7.4f}  picture {position}")
    print("The result is the same as when it was exported." if same else "error: the result is NOT as it was exported.")
    return 0 if same else 1


def _require_packages() -> None:
    try:
        import fastapi  # noqa: F401
        import jinja2  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise ConfigError(f"the page needs {error.name}: pip install 'tbpsbench[app]'") from None


if __name__ == "__main__":
    run_tool(main)
