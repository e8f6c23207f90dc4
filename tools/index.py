"""Embed a folder of pictures with a trained system, so that tools/search.py finds them by a description.

    python tools/index.py work_dirs/demo/best.pth my-photos --out my-index

Run it again after the folder has changed, or after it was interrupted: only new and changed files are embedded. Files
that cannot be used are named and skipped; report.json in the index lists all of them.
"""

from __future__ import annotations

import argparse

from tbpsbench.cli import run_tool
from tbpsbench.errors import ConfigError
from tbpsbench.reading import given_path, shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", metavar="CHECKPOINT", type=given_path, nargs="?",
                        help="a checkpoint, or the folder of a run, a system or an export")  # fmt: skip
    parser.add_argument("images", metavar="IMAGES", type=given_path, nargs="?", help="the folder of pictures")
    parser.add_argument("--out", metavar="INDEX", type=given_path, required=True, help="the index's folder")
    parser.add_argument("--index", metavar="TYPE", help="its kind: exact (default), turbovec, faiss-hnsw, ...")
    parser.add_argument("--index-options", metavar="KEY=VALUE", nargs="+", action="extend", default=[],
                        help="of that kind, e.g. dtype=float16")  # fmt: skip
    parser.add_argument("--batch-size", type=int, help="pictures embedded at once (default: 64; 16 on a CPU)")
    parser.add_argument("--workers", type=int, help="threads that read and decode, on a CPU also embed "
                        "(default: one per core)")  # fmt: skip
    parser.add_argument("--device", help="where the model computes, e.g. cpu (default: the GPU where there is one)")
    parser.add_argument("--prune", action="store_true", help="remove pictures whose files are gone from the folder")
    parser.add_argument("--remove", metavar="FILE", nargs="+", default=[],
                        help="remove these pictures (paths below IMAGES) and leave their files out")  # fmt: skip
    parser.add_argument("--restore", metavar="FILE", nargs="+", default=[], help="take files back that were removed")
    args = parser.parse_args()
    if args.images is None and not (args.remove or args.restore):
        raise ConfigError("give a checkpoint and the folder of pictures: tools/index.py CHECKPOINT IMAGES --out INDEX")
    from tbpsbench.retrieval.build import build
    from tbpsbench.retrieval.opening import component, for_writing

    with for_writing(
        args.out, args.checkpoint, args.images, component(args.index, args.index_options), device=args.device
    ) as gallery:
        if args.restore:
            gallery.restore(args.restore)
        if args.remove:
            files = list(dict.fromkeys(args.remove))
            gallery.remove(gallery.numbers_of(files))
            print(f"{len(files)} removed: {', '.join(map(shown, files))}")
        if args.images is not None:
            report = build(gallery, batch_size=args.batch_size, workers=args.workers, prune=args.prune)
            print(*report.lines(), sep="\n")
        print(f"{args.out}: {len(gallery)} pictures, by {gallery.system.name}")


if __name__ == "__main__":
    run_tool(main)
