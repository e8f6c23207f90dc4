"""What `gpu.py` prints of its rows, and what the docs show of them: short lines, "slower" where it is slower."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

Row = dict[str, Any]
# Reasons printed; the rest are in the JSON.
SHOWN_FAILURES = 8


def summary(rows: list[Row]) -> str:
    """Everything, as text."""
    return "\n".join(
        [*_facts(rows), *_checks(rows), *_failures(rows), *_sweep(rows), *races(rows), *_system(rows)],
    )


def _facts(rows: list[Row]) -> Iterator[str]:
    for row in _of(rows, "facts"):
        for key in ("facts", "rates"):
            if key in row:
                yield ", ".join(f"{name} {_short(value)}" for name, value in row[key].items())


def _checks(rows: list[Row]) -> Iterator[str]:
    """First what is refused and would fall back, then one line for each job and dtype."""
    checks = [row for row in _of(rows, "checks") if "job" in row]
    yield from _grouped(
        "REFUSED", ((f"{row['job']} {row['dtype']}", row["refused"]) for row in checks if "refused" in row)
    )
    found: dict[tuple[str, str], list[Row]] = {}
    for row in checks:
        found.setdefault((row["job"], row["dtype"]), []).append(row)
    for (job, dtype), of in found.items():
        good, bad = sum(row["ok"] for row in of), [row for row in of if not row["ok"]]
        worst = max((max(row["errors"]) for row in of if "errors" in row), default=float("nan"))
        line = f"check {job}, {dtype}: {good}/{len(of)} ok, largest error {worst:.1e}"
        yield f"{line} | {_wrong(bad)}" if any("errors" in row for row in bad) else line
    yield from _grouped(
        "CHECK FAILED", ((f"{row['job']} {row['dtype']}", row["failed"]) for row in checks if "failed" in row)
    )


def _wrong(bad: list[Row]) -> str:
    """What is wrong with the worst of some checks."""
    row = max((row for row in bad if "errors" in row), key=lambda row: max(row["errors"]))
    size = " ".join(f"{key}{value}" for key, value in row["size"].items())
    both = zip(row["errors"], row["plain_errors"], strict=True)
    errors = ", ".join(f"{error:.1e} (plain {plain:.1e})" for error, plain in both)
    return f"{size}: errors {errors}{'' if row['same_bits'] else ', other bits twice'}"


def _grouped(head: str, failures: Iterable[tuple[str, str]]) -> Iterator[str]:
    """One line for each reason, with what it befell."""
    found: dict[str, dict[str, None]] = {}
    for what, why in failures:
        found.setdefault(why, {})[what] = None
    for number, (why, whats) in enumerate(found.items()):
        if number == SHOWN_FAILURES:
            yield f"{head}: {len(found) - number} more reasons, in gpu.json"
            return
        names = list(whats)
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        yield f"{head}: {'; '.join(names[:3])}{more}: {why[:260]}"


def _failures(rows: list[Row]) -> Iterator[str]:
    failed = [row for row in rows if "failed" in row and "task" in row]
    yield from _grouped("FAILED", ((f"{row['section']}, {row['task']}", row["failed"]) for row in failed))
    last = next((row["traceback"] for row in failed if "traceback" in row), "")
    yield from last.strip().splitlines()[-4:]


def _sweep(rows: list[Row]) -> Iterator[str]:
    found: dict[tuple[str, str, str, str], list[Row]] = {}
    for row in _of(rows, "sweep"):
        if "table" in row:
            found.setdefault((row["table"], row["job"], row["dtype"], str(row["size"])), []).append(row)
    for key, of in found.items():
        timed = sorted((row for row in of if "ms" in row), key=lambda row: row["ms"])
        cells = [f"{_tile(row['tile'])} {row['ms']:.4g}" for row in timed[:6]]
        shipped = next((row["ms"] for row in timed if row["tile"] == "shipped"), float("nan"))
        wrong = [f"{_tile(row['tile'])} {row['failed'][:40]}" for row in of if "failed" in row and "tile" in row]
        yield f"sweep {', '.join(key)}: shipped {shipped:.4g} ms | {'; '.join(cells)} | {'; '.join(wrong[:4])}"


def _tile(tile: Any) -> str:
    return tile if isinstance(tile, str) else ".".join(map(str, tile))


def races(rows: Iterable[Row]) -> Iterator[str]:
    """One line for each job, dtype and size."""
    for row in rows:
        if "arms" not in row:
            continue
        size = " ".join(f"{key}{value}" for key, value in row["size"].items())
        line = f"{row['job']} {row['dtype']} {size}:"
        if "failed" in row:
            yield f"{line} {row['failed'][:200]}"
            continue
        yield f"{line} {' | '.join(cells(row))}"


def cells(row: Row) -> Iterator[str]:
    """Each arm of a race: ours, then the others with what ours is to them."""
    ours = row["arms"]["ours"]
    for name, arm in row["arms"].items():
        if "ms" not in arm:
            yield f"{name} {arm['failed'][:60]}"
            continue
        parts = [f"{name} {arm['ms']:.4g} ms"]
        if name != "ours" and (ours_ms := arm.get("ours_ms", ours.get("ms"))):
            parts.append(compared(arm["ms"], ours_ms))
        if arm.get("peak_mb") is not None:
            parts.append(f"{arm['peak_mb']:.4g} MB")
        if arm.get("launches"):
            parts.append(f"{arm['launches']} launches, device {arm['device_ms']:.3g} ms")
        yield " ".join(parts)
    if "share_of_product" in row:
        yield f"{row['share_of_product']:.0%} of product rate"
    if "share_of_copy" in row:
        yield f"{row['share_of_copy']:.0%} of copy rate"


def compared(theirs: float, ours: float) -> str:
    """What our time is to another's, in words that do not flatter."""
    if theirs >= ours:
        return f"({theirs / ours:.2f}x)"
    return f"(ours is {ours / theirs:.2f}x slower)"


def _system(rows: list[Row]) -> Iterator[str]:
    for row in _of(rows, "profile"):
        if "kernels" in row:
            longest = "; ".join(f"{name[:40]} {count}x {us:.0f} us" for name, count, us in row["kernels"])
            size = " ".join(f"{key}{value}" for key, value in row["size"].items())
            line = f"profile {row['job']} {row['dtype']} {size} {row['arm']}: {row['launches']} launches"
            line = f"{line}, device {row['device_ms']:.3g} ms"
            yield f"{line}: {longest}" if row["arm"] == "ours" and row["size"].get("N") != 64 else line
    for section in ("step", "loading", "evaluation"):
        for row in _of(rows, section):
            left_out = ("section", "at_s", "traceback")
            found = [f"{key} {_short(value)}" for key, value in row.items() if key not in left_out]
            yield f"{section}: {', '.join(found)}"


def _of(rows: list[Row], section: str) -> list[Row]:
    return [row for row in rows if row["section"] == section]


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)[:200]
