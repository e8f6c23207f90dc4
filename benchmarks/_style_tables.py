"""Tables of style clustering, from benchmarks/results/style_clustering.json."""

from __future__ import annotations

import json
from typing import Any

from _tables import HERE

NAMES = {"minilm": "MiniLM", "clip-random": "CLIP, random weights"}
MASKINGS = {"raw": "as they are", "masked": "masked"}


def styles() -> str:
    """Every clusterer on every embedding: agreement with the annotators' styles."""
    found = _result()
    columns = [(embedder, masking) for embedder in found["found"] for masking in MASKINGS]
    heads = [f"{NAMES.get(embedder, embedder)}, {MASKINGS[masking]}" for embedder, masking in columns]
    names = list(next(iter(found["found"].values()))["raw"])
    lines = [f"| ARI / NMI / purity (clusters) | {' | '.join(heads)} |", "| --- |" + " --- |" * len(heads)]
    for name in names:
        if name == "DBSCAN by radius":
            continue
        cells = [_cell(found["found"][embedder][masking][name]) for embedder, masking in columns]
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    for radius in found["found"][columns[0][0]]["raw"]["DBSCAN by radius"]:
        rows = [found["found"][embedder][masking]["DBSCAN by radius"][radius] for embedder, masking in columns]
        lines.append(f"| `DBSCAN`, eps {radius} | {' | '.join(map(_cell, rows))} |")
    distinct = found["distinct"]
    lines += [
        "",
        f"{found['texts']:,} captions, {found['styles']} styles; {distinct['raw']:,} distinct as they are, "
        f"{distinct['masked']:,} masked. A dash: refused, because it found too few clusters, too much noise or one "
        "that holds almost everything.",
    ]
    return "\n".join(lines)


def styles_memory() -> str:
    """Memory and CPU time of DBSCAN on many embeddings."""
    memory = _result()["memory"]
    lines = [
        "| radius | clusters | noise | peak memory beside the embeddings | CPU |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, told in (("suggested", "suggested"), ("everything", "everybody is everybody's neighbour")):
        one = memory[name]
        report = one["report"]
        lines.append(
            f"| {told} ({report['eps']:.2f}) | {report['clusters_found']} | {report['noise']:.0%} | "
            f"{one['peak_mb'] / 1e3:.2f} GB | {one['cpu_seconds']:.0f} s |"
        )
    lines += [
        "",
        f"{memory['texts']:,} embeddings of {memory['width']} dimensions ({memory['embeddings_mb'] / 1e3:.2f} GB), one "
        f"thread; all pairs would be {memory['all_pairs_mb'] / 1e3:.0f} GB. Written by `make bench`.",
    ]
    return "\n".join(lines)


def _cell(row: dict[str, Any]) -> str:
    if "refused" in row:
        return "-"
    return f"{row['ari']:.2f} / {row['nmi']:.2f} / {row['purity']:.2f} ({row['clusters']})"


def _result() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((HERE / "results" / "style_clustering.json").read_text(encoding="utf-8"))
    return found
