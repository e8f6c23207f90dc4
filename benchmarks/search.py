"""Search among many vectors, against FAISS and numpy; and how fast a folder becomes an index.

    python benchmarks/search.py [--json] [--rows 1000000 --dim 512 --threads 1]
                                [--checkpoint best.pth --images FOLDER]   # features of a trained model, index build
                                [--large 10000000]                        # the compressed scan of ten million

Rows are unit vectors around 2,000 centres ("random"), or features of the pictures of FOLDER by a trained system,
drawn to as many as are asked for: each a mix of a picture's vector and that of one of its eight nearest ("trained");
queries are drawn in the same way.
All arms search the same rows for the same queries with the same number of threads:
- `exact`: the index `exact` on its memory-mapped files. Its result is that of float32 rows; for one query it reads a
  copy in float16 first, which is part of the index (half as much disk again), and few rows of float32.
- `faiss`: IndexFlatIP of faiss-cpu, float32 rows in memory. Results must agree with `exact`: scores to 1e-5, items
  wherever the gap between scores is larger.
- `numpy`: `argpartition(-(rows @ query))`, rows in memory.
- `compressed`: the index `faiss-rabitq`, re-ranked; its recall@20 is against the exact result. Resident: what a fresh
  process that opened it and searched holds beyond its imports. `turbovec`: the same of that index, four bits a number.
The first three run in turn in one process. Times are CPU seconds of the process, all threads together, over the number
of threads: another job on the machine then disturbs no arm more than others; the fewest of `--repeats` count.
`build` embeds FOLDER by `retrieval.build` and by a loop that opens, prepares and embeds one picture after the other;
`build` has all cores, and both are timed by the clock, since it helps to read while the model embeds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from _common import environment, finish, installed, parser
from _search_vectors import PART, Random, Source, Trained, fill
from _targets import stated
from threadpoolctl import threadpool_limits

if TYPE_CHECKING:
    from tbpsbench.retrieval.local import ReRankedIndex

K, BATCH, BUILDS = 20, 64, 5
# Name of the arm -> kind of index; both are as they come.
COMPRESSED = {"compressed": "faiss-rabitq", "turbovec": "turbovec"}


def cpu_seconds(function: Callable[[], Any], repeats: int, threads: int) -> float:
    """Fewest CPU seconds of one call, over the threads."""
    best = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        function()
        best = min(best, (time.process_time() - start) / threads)
    return best


def same(ours: tuple[np.ndarray, np.ndarray], theirs: tuple[np.ndarray, np.ndarray]) -> None:
    """Two exact results agree: scores, and items wherever the scores tell them apart."""
    (score_QK, item_QK), (other_QK, their_QK) = ours, theirs
    assert np.abs(score_QK - other_QK).max() < 1e-5, "the scores of exact and FAISS differ"
    gap_QK = np.minimum(
        np.abs(np.diff(score_QK, axis=1, prepend=np.inf)), np.abs(np.diff(score_QK, axis=1, append=-np.inf))
    )
    apart_QK = gap_QK > 1e-5
    apart_QK[:, -1] = False  # what comes next is not known
    assert (item_QK == their_QK)[apart_QK].all(), "exact and FAISS found different items"


def exact_arms(folder: Path, source: Source, rows: int, repeats: int, threads: int) -> dict[str, Any]:
    """Times of exact, FAISS and numpy, in turn."""
    import torch

    from tbpsbench.parts import require
    from tbpsbench.retrieval.exact import ExactIndex

    faiss = require("faiss", "bench", "this benchmark")
    torch.set_num_threads(threads)
    faiss.omp_set_num_threads(threads)
    start = time.process_time()
    index = ExactIndex(folder, source.dim)
    fill(index, source, rows)
    write_s = time.process_time() - start
    query_QD = source.draw(BATCH, 0)
    flat = faiss.IndexFlatIP(source.dim)
    for first in range(0, rows, PART):
        flat.add(index.vectors(np.arange(first, min(first + PART, rows))))
    row_ND = faiss.rev_swig_ptr(flat.get_xb(), rows * source.dim).reshape(rows, source.dim)
    one = query_QD[:1]
    arms = {
        "exact_one": lambda: index.search(one, K),
        "faiss_one": lambda: flat.search(one, K),
        "numpy_one": lambda: np.argpartition(-(row_ND @ one[0]), K)[:K],
    }
    seconds = dict.fromkeys(arms, float("inf"))
    for _ in range(repeats):  # in turn: a busy moment hits all of them
        for name, arm in arms.items():
            seconds[name] = min(seconds[name], cpu_seconds(arm, 1, threads))
    batch = {"exact_batch": lambda: index.search(query_QD, K), "faiss_batch": lambda: flat.search(query_QD, K)}
    seconds |= {name: cpu_seconds(arm, 1, threads) for name, arm in batch.items()}
    theirs = flat.search(query_QD, K)
    same(index.search(query_QD, K), theirs)
    singles = [index.search(query_QD[row : row + 1], K) for row in range(0, BATCH, 8)]
    chosen = slice(0, BATCH, 8)
    same(
        (np.concatenate([s for s, _ in singles]), np.concatenate([i for _, i in singles])),
        (theirs[0][chosen], theirs[1][chosen]),
    )
    np.save(folder / "truth.npy", theirs[1])
    candidates = index._half.candidates(one[0], K, index.rows.alive)
    return {
        "seconds": {name: round(value, 5) for name, value in seconds.items()},
        "write_cpu_s": round(write_s, 2),
        "scored_exactly": None if candidates is None else len(candidates),
    }


def compressed_index(kind: str, folder: Path, dim: int, *, writable: bool = True) -> ReRankedIndex:
    """A compressed index over the rows in the folder; over rows of float16 if there are none yet."""
    from tbpsbench.registry import INDEXES

    dtype = "float32" if (folder / "vectors.f32").is_file() else "float16"
    given = {"folder": folder, "dim": dim, "writable": writable}
    made: ReRankedIndex = INDEXES.build({"type": kind, "dtype": dtype}, "index", given)
    return made


def compressed_arm(folder: Path, source: Source, rows: int, repeats: int, threads: int, kind: str) -> dict[str, Any]:
    """Time, recall and build of the compressed scan over the rows in the folder, or over new ones if it is empty."""
    start = time.process_time()
    index = compressed_index(kind, folder, source.dim)
    if not index.rows.count:
        fill(index, source, rows)
    index.flush()
    built = time.process_time() - start
    query_QD = source.draw(BATCH, 0)
    found = {"kind": kind, "candidates": index.candidates, "build_cpu_s": round(built, 2)}
    if (folder / "truth.npy").exists():
        truth_QK = np.load(folder / "truth.npy")
        searched = {"": index.search(query_QD, K)[1]}
        if index.taken_in():  # few rows are not compressed
            searched["_raw"] = index.find(query_QD, K, None)
        for name, found_QC in searched.items():
            shares = [len(np.intersect1d(a, b)) / K for a, b in zip(found_QC, truth_QK, strict=True)]
            found[f"recall_at_20{name}"] = float(np.mean(shares))
    index.close()
    del index
    np.save(folder / "queries.npy", query_QD)
    told = subprocess.run(
        [sys.executable, __file__, "--resident", str(folder), "--kind", kind, "--repeats", str(repeats),
         "--threads", str(threads)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return found | json.loads(told.stdout.splitlines()[-1])


def resident(folder: Path, repeats: int, threads: int, kind: str) -> dict[str, Any]:
    """Open a finished compressed index in this fresh process and search: seconds of one query, memory it holds."""
    from tbpsbench.parts import require
    from tbpsbench.registry import INDEXES

    INDEXES.get(kind)  # imports are not counted
    package = require(kind.partition("-")[0], "bench", "this benchmark")
    if hasattr(package, "omp_set_num_threads"):
        package.omp_set_num_threads(threads)
    query_QD = np.load(folder / "queries.npy")
    before = _resident_bytes()
    start = time.process_time()
    index = compressed_index(kind, folder, query_QD.shape[1], writable=False)
    index.search(query_QD[:1], K)
    opened = time.process_time() - start
    places = iter(range(10**9))
    one = cpu_seconds(lambda: index.search(query_QD[[next(places) % BATCH]], K), max(repeats, 8), threads)
    return {
        "one_s": round(one, 5), "open_cpu_s": round(opened, 2),
        "resident_gb": round((_resident_bytes() - before) / 1e9, 3),
    }  # fmt: skip


def _resident_bytes() -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))


def build_arms(checkpoint: str, images: str, limit: int, repeats: int) -> dict[str, Any]:
    """Pictures a second of `build`, and of a loop of batch 1, by the clock, in turn; `build` may use every core."""
    import torch

    from tbpsbench import load_system
    from tbpsbench.retrieval.build import build
    from tbpsbench.retrieval.gallery import Gallery
    from tbpsbench.retrieval.walk import find_pictures

    cores = os.cpu_count() or 1
    system = load_system(checkpoint)
    loops, builds = [], []
    with tempfile.TemporaryDirectory() as folder:
        chosen = Path(folder) / "images"
        chosen.mkdir()
        for number, item in enumerate(find_pictures(Path(images)).pictures[:limit]):
            (chosen / f"{number:06d}{Path(item.file).suffix}").symlink_to((Path(images) / item.file).resolve())
        paths = sorted(chosen.iterdir())
        system.encode_images(paths[:4])
        for number in range(repeats):
            torch.set_num_threads(1)  # so small a batch is slower with more
            start = time.perf_counter()
            loop_ND = torch.cat([system.encode_images([path]) for path in paths])
            loops.append(time.perf_counter() - start)
            torch.set_num_threads(cores)
            with Gallery.create(Path(folder) / f"index-{number}", system, chosen) as gallery:
                start = time.perf_counter()
                build(gallery, progress=False)
                builds.append(time.perf_counter() - start)
                feature_ND = gallery.index.vectors(gallery.ids)
                assert np.abs(feature_ND - loop_ND.numpy()).max() < 1e-4
    return {
        "system": system.name, "pictures": len(paths), "cores": cores,
        "build_per_s": round(len(paths) / min(builds), 1), "loop_per_s": round(len(paths) / min(loops), 1),
        "features": feature_ND,
    }  # fmt: skip


def main() -> None:
    """See the module."""
    arguments = parser(__doc__.splitlines()[0])
    arguments.add_argument("--rows", type=int, default=1_000_000)
    arguments.add_argument("--trained-rows", type=int, default=1_000_000)
    arguments.add_argument("--dim", type=int, default=512)
    arguments.add_argument("--repeats", type=int, default=15)
    arguments.add_argument("--large", type=int, default=0, help="rows of a further compressed index, e.g. 10000000")
    arguments.add_argument("--checkpoint", help="of a trained system")
    arguments.add_argument("--images", help="folder of its pictures")
    arguments.add_argument("--pictures", type=int, default=1000, help="of that folder, at most")
    arguments.add_argument("--folder", help="where the rows lie meanwhile (default: the system's temporary folder)")
    arguments.add_argument("--resident", help="used by this script itself")
    arguments.add_argument("--kind", help="used by this script itself")
    args = arguments.parse_args()
    os.environ.setdefault("RAYON_NUM_THREADS", str(args.threads))
    if args.resident:
        with threadpool_limits(args.threads):
            print(json.dumps(resident(Path(args.resident), args.repeats, args.threads, args.kind)))
        return
    result: dict[str, Any] = {
        "name": "search", "environment": environment(args.threads), "rows": args.rows, "dim": args.dim,
        "faiss": installed("faiss-cpu"), "turbovec": installed("turbovec"),
    }  # fmt: skip
    ratios: dict[str, float] = {}
    sources: dict[str, tuple[Source, int]] = {"random": (Random(args.dim), args.rows)}
    if args.checkpoint:
        built = build_arms(args.checkpoint, args.images, args.pictures, BUILDS)
        sources["trained"] = (Trained(built.pop("features")), args.trained_rows)
        result["build"] = built
        ratios["build_vs_plain_loop"] = round(built["build_per_s"] / built["loop_per_s"], 2)
    with threadpool_limits(args.threads):  # numpy's products, too
        for name, (source, rows) in sources.items():
            with tempfile.TemporaryDirectory(dir=args.folder) as folder:
                found = exact_arms(Path(folder), source, rows, args.repeats, args.threads)
                for arm, kind in COMPRESSED.items():
                    if arm == "compressed" or result["turbovec"]:
                        found[arm] = compressed_arm(Path(folder), source, rows, args.repeats, args.threads, kind)
            result[name] = {"rows": rows, "dim": source.dim, **found}
            ratios |= _ratios("" if name == "random" else f"{name}_", found)
        if args.large:
            with tempfile.TemporaryDirectory(dir=args.folder) as folder:
                kind = COMPRESSED["compressed"]
                large = compressed_arm(Path(folder), Random(args.dim), args.large, args.repeats, args.threads, kind)
            result["large"] = {"rows": args.large, **large}
            ratios["large_resident_gb"] = large["resident_gb"]
    result["ratios"] = ratios
    result["targets"] = stated("search")
    finish(result, args.json)


def _ratios(prefix: str, found: dict[str, Any]) -> dict[str, float]:
    seconds = found["seconds"]
    ratios = {
        f"{prefix}exact_one_vs_faiss": round(seconds["faiss_one"] / seconds["exact_one"], 3),
        f"{prefix}exact_batch_vs_faiss": round(seconds["faiss_batch"] / seconds["exact_batch"], 3),
    }
    for arm in COMPRESSED:
        if compressed := found.get(arm):
            ratios[f"{prefix}{arm}_one_of_numpy"] = round(compressed["one_s"] / seconds["numpy_one"], 4)
            ratios[f"{prefix}{arm}_recall"] = round(compressed["recall_at_20"], 5)
            ratios[f"{prefix}{arm}_resident_gb"] = compressed["resident_gb"]
    return ratios


if __name__ == "__main__":
    main()
