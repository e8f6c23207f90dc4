"""What is killed: a program that works in a folder, how it is started and restarted, and what it must have made."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from same_run import unlike_records, unlike_runs
from smallest import DEMO, SMALLEST

from tbpsbench.data.mini_pedes import MiniPEDES
from tbpsbench.data.rstp_reid import RSTPReid
from tbpsbench.records.read import find_records

ROOT = Path(__file__).resolve().parents[2]
# Locks stay; nothing else that is hidden may.
LOCKS = (".lock", ".build.lock")
EPOCHS = 4
SMALL_BLOCKS = "import sys; from tbpsbench.data import cache; cache.BLOCK = 4; "


@dataclass(frozen=True)
class Scenario:
    """One kind of program.

    Attributes:
        name: for the table.
        weight: its share of the kills.
        command: (folder) -> the command line that starts and that restarts it.
        unlike: (folder of an undisturbed run, folder) -> differences.
        prepare: (folder) -> None; makes what the program reads.
        ranks: whether torchrun starts it, so that a rank may be killed as well as all.
    """

    name: str
    weight: int
    command: Callable[[Path], Sequence[object]]
    unlike: Callable[[Path, Path], list[str]]
    prepare: Callable[[Path], object] = lambda _: None
    ranks: bool = False


def leftovers(folder: Path) -> list[str]:
    """What a killed program left: hidden files that are no locks, temporary files."""
    found = []
    for path in folder.rglob("*"):
        lock = path.name in LOCKS or (path.name.startswith(".images-") and path.suffix == ".lock")
        if path.suffix == ".tmp" or (path.name.startswith(".") and not lock and path.name != ".cache"):
            found.append(path.relative_to(folder).as_posix())
    return sorted(found)


def scenarios(shared: Path) -> list[Scenario]:
    """All of them.

    Args:
        shared: a folder for what they read in common; MiniPEDES is made there by the first to need it.
    """
    data = MiniPEDES(str(shared / "MiniPEDES"), size="tiny")
    options = [f"data.dataset.root={shared / 'MiniPEDES'}", *SMALLEST, f"schedule.max_epochs={EPOCHS}"]

    def suite(folder: Path) -> None:
        data.prepare()
        _write_suite(folder, options)

    return [
        *(_training(data, options, workers) for workers in (0, 1, 2)),
        _training(data, options, 0, processes=2),
        Scenario("run", 12, _suite_command, _unlike_boards, suite),
        Scenario("submit", 12, _submit_command, _unlike_files, _parcel),
        Scenario("prepare_data", 14, _prepare_command, _unlike_files, _release),
        Scenario("cache", 12, _cache_command, _unlike_caches, _pictures),
        Scenario("MiniPEDES", 12, _build_command, _unlike_files),
    ]


def _training(data: MiniPEDES, options: list[str], workers: int, processes: int = 1) -> Scenario:
    run = [sys.executable]
    if processes > 1:
        run += ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]

    def command(folder: Path) -> list[object]:
        own = [*options, f"data.num_workers={workers}"]
        return [*run, "tools/train.py", DEMO, "--work-dir", folder / "run", "--resume", "auto", "--cfg-options", *own]

    return Scenario(
        f"train, {workers} workers" if processes == 1 else f"train, {processes} processes",
        12 if processes == 1 else 10,
        command,
        lambda one, other: unlike_runs(one / "run", other / "run"),
        lambda _: data.prepare(),
        ranks=processes > 1,
    )


def _write_suite(folder: Path, options: list[str]) -> None:
    values = {
        "title": "Chaos",
        "entries": {
            name: {"config": str(ROOT / DEMO), "options": [f"optimizer.lr={rate}"]}
            for name, rate in (("a", 1e-3), ("b", 5e-4))
        },
        "datasets": {"mini": []},
        "seeds": (0,),
        "options": [*options, "data.num_workers=1", "schedule.max_epochs=2"],
    }
    (folder / "suite.py").write_text("".join(f"{key} = {value!r}\n" for key, value in values.items()))


def _suite_command(folder: Path) -> list[object]:
    places = ["--records", folder / "records", "--work", folder / "work"]
    return [sys.executable, "tools/leaderboard.py", "run", folder / "suite.py", *places, "--workers", 2]


def _unlike_boards(one: Path, other: Path) -> list[str]:
    names = [[f.relative_to(root / "records") for f in find_records(root / "records")] for root in (one, other)]
    if names[0] != names[1]:
        return [f"records {sorted(map(str, {*names[0]} ^ {*names[1]}))}"]
    return [line for name in names[0] for line in unlike_records(one / "records" / name, other / "records" / name)]


def _parcel(folder: Path) -> None:
    committed = sorted((ROOT / "benchmarks" / "records" / "mini-pedes").glob("two-tower*_seed-*"))[:3]
    for source in committed:
        shutil.copytree(source, folder / "parcel" / source.name)


def _submit_command(folder: Path) -> list[object]:
    return [sys.executable, "tools/leaderboard.py", "submit", folder / "parcel", "--records", folder / "records"]


def _release(folder: Path, count: int = 48) -> None:
    """A small RSTPReid in the official layout."""
    images, made = folder / "data" / "imgs", []
    images.mkdir(parents=True)
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 256, (128, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(images / f"{number}.png")
        split = ("train", "train", "val", "test")[number % 4]
        made.append({"id": number, "img_path": f"{number}.png", "captions": ["a man", "in red"], "split": split})
    (folder / "data" / "data_captions.json").write_text(json.dumps(made))


def _prepare_command(folder: Path) -> list[object]:
    return [sys.executable, "tools/prepare_data.py", "RSTPReid", folder / "data", "--allow-partial", "--verify"]


def _pictures(folder: Path) -> None:
    _release(folder)
    RSTPReid(str(folder / "data")).prepare(allow_partial=True)


def _cache_command(folder: Path) -> list[object]:
    code = (
        f"{SMALL_BLOCKS}from tbpsbench.annotations import read_annotations; "
        "cache.build_cache(read_annotations(sys.argv[1]), (384, 128), cache_dir=sys.argv[2], workers=2, progress=False)"
    )
    return [sys.executable, "-c", code, folder / "data" / "human.jsonl", folder / "cache"]


def _unlike_caches(one: Path, other: Path) -> list[str]:
    found = []
    for name in ("pixels.u8", "meta.json"):
        first, second = (sorted((root / "cache").glob(f"images-*/{name}")) for root in (one, other))
        if [path.read_bytes() for path in first] != [path.read_bytes() for path in second] or not first:
            found.append(f"cache/{name}")
    return found


def _build_command(folder: Path) -> list[object]:
    code = "import sys; from tbpsbench.minipedes.build import build; build(sys.argv[1], 'tiny', workers=2)"
    return [sys.executable, "-c", code, folder / "data"]


def _unlike_files(one: Path, other: Path) -> list[str]:
    """Names and bytes of all files that are not hidden."""
    return [f"file {name}" for name, _ in {*_files(one)} ^ {*_files(other)}]


def _files(root: Path) -> Iterator[tuple[str, bytes]]:
    for path in root.rglob("*"):
        if path.is_file() and not path.name.startswith("."):
            yield path.relative_to(root).as_posix(), path.read_bytes()
