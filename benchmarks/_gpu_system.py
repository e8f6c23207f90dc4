"""On a GPU, beyond single kernels: a training step of IRRA and of BDAM + Mamba, the loader, evaluation.

Steps have random weights and random data of realistic shape. Data loading and steps need mmengine and what comes with
it; evaluation needs numpy and scipy.
"""

from __future__ import annotations

import functools
import importlib
import itertools
import os
import sys
import tempfile
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from _device import Device
from _forks import Emit, Row, Task, said, tail

CONFIGS = Path(__file__).parents[1] / "configs"
BDAM = CONFIGS / "bdam_mamba" / "bdam-mamba_vit-b16-bert_1xb64-60e_cuhk-pedes.py"
BDAM_TINY = CONFIGS / "bdam_mamba" / "bdam-mamba-s_tiny_mini-pedes.py"
FACTS = {"num_train_ids": 11003, "vocab_size": 30522}
NEEDED = ("mmengine", "mmpretrain", "transformers")


def facts(kind: str, tiny: bool, emit: Emit) -> None:
    """What the device is, and the rates that it reaches."""
    measured = Device(kind)
    emit({"section": "facts", "facts": measured.facts()})
    emit({"section": "facts", "rates": measured.rates(32, 1 << 10) if tiny else measured.rates()})


def tasks(kind: str, section: str, tiny: bool) -> list[Task]:
    """The tasks of the sections "step", "loading" and "evaluation"."""
    if section == "evaluation":
        return [Task("evaluation", section, functools.partial(evaluation, kind, tiny))]
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        return [Task(section, section, functools.partial(_absent, section, missing))]
    if section == "loading":
        return [Task(section, section, functools.partial(loading, tiny))]
    return [
        Task(system, section, functools.partial(steps, kind, system, (4,) if tiny else (64, 128), tiny))
        for system in ("IRRA", "BDAM + Mamba")
    ]


def _absent(section: str, missing: list[str], emit: Emit) -> None:
    emit({"section": section, "task": section, "failed": f"not installed: {', '.join(missing)}"})


def steps(kind: str, system: str, batches: tuple[int, ...], tiny: bool, emit: Emit) -> None:
    """A training step in float32 and under bf16 autocast, with our kernels and with plain torch in their place."""
    measured = Device(kind)
    model, values = _irra(tiny) if system == "IRRA" else _bdam(tiny)
    model = model.to(measured.device)
    for batch, amp, backend in itertools.product(batches, (True, False), ("auto", "torch")):
        row: Row = {"section": "step", "system": system, "batch": batch, "kernels": backend}
        row["precision"] = "bf16 autocast" if amp else "float32"
        try:
            os.environ["TBPSBENCH_KERNELS"] = backend
            row |= _step(
                measured, model, values, _irra_batch(batch) if system == "IRRA" else _bdam_batch(values, batch), amp
            )
        except Exception as error:
            row |= {"failed": said(error), "traceback": tail()}
        emit(row)


def _step(measured: Device, model: Any, values: dict[str, Any], given: Any, amp: bool) -> Row:
    from tbpsbench.engine.optim import build_optimizer

    given = given.to(measured.device)
    optimizer = build_optimizer(values["optimizer"], values.get("param_groups"), model)

    def work() -> None:
        with torch.autocast(measured.device.type, torch.bfloat16, enabled=amp):
            total, _ = model.parse_losses(model(given, mode="loss"))
        total.backward()
        optimizer.step()
        optimizer.zero_grad()

    ms = measured.median_ms(work, seconds=1.0)
    return {"ms": ms, "images_per_s": 1e3 * len(given) / ms, "peak_mb": measured.peak_mb(work)}


def _irra(tiny: bool) -> tuple[Any, dict[str, Any]]:
    """The released system with random weights."""
    from training import build

    # Where the plug-in is not installed, its folder still is there.
    sys.path.append(str(CONFIGS.parent / "plugins" / "irra"))
    importlib.import_module("tbpsbench_irra")
    return build(attend_padding=True, tiny=tiny)


def _irra_batch(size: int) -> Any:
    from training import draw_batch

    return draw_batch(size, 0, shared=False)


def _bdam(tiny: bool) -> tuple[Any, dict[str, Any]]:
    """The paper's system with random weights."""
    from tbpsbench.config.load import load_config
    from tbpsbench.config.resolve import fill_from_data
    from tbpsbench.model.person_search import PersonSearchModel

    values = load_config(BDAM_TINY if tiny else BDAM).values
    section = fill_from_data(values["model"], FACTS, "model")
    for side in ("image_encoder", "text_encoder"):
        if "pretrained" in section[side]:
            section[side]["pretrained"] = None
    torch.manual_seed(0)
    return PersonSearchModel(**section, roles=("identity", "clothing")).train(), values


def _bdam_batch(values: dict[str, Any], size: int) -> Any:
    """Pictures, captions and descriptions of identity and clothing: random words, four pictures of a person."""
    from training import draw_batch

    from tbpsbench.types import Tokens

    longest, vocabulary = values["data"]["tokenizer"]["max_length"], values["data"]["tokenizer"].get("vocab_size")
    generator = torch.Generator().manual_seed(0)

    def text() -> Tokens:
        length_B = torch.randint(12, longest, (size,), generator=generator)
        ids_BT = torch.randint(5, vocabulary or FACTS["vocab_size"], (size, longest), generator=generator)
        mask_BT = torch.arange(longest) < length_B[:, None]
        return Tokens(ids_BT * mask_BT, mask_BT)

    H, W = values["data"]["size"]
    pid_B = torch.arange(size) // 4
    image = torch.randn(size, 3, H, W, generator=generator)
    texts = {role: text() for role in ("query", "identity", "clothing")}
    return replace(draw_batch(size, 0, shared=False), image_B3HW=image, texts=texts, pid_B=pid_B)


def loading(tiny: bool, emit: Emit) -> None:
    """Images per second from the cache and when decoding, eight workers each."""
    from data_loading import SIZE, epoch_time, make_loader, write_photos

    from tbpsbench.data.cache import build_cache
    from tbpsbench.data.images import DecodedImages, ImageReader

    count, workers = (64, 0) if tiny else (512, min(8, os.cpu_count() or 1))
    with tempfile.TemporaryDirectory() as folder:
        annotations = write_photos(Path(folder), count)
        files = [record.file for record in annotations.records]
        arms: dict[str, ImageReader] = {
            "cached": build_cache(annotations, SIZE, progress=False),
            "decoded": DecodedImages(annotations.image_root, files, SIZE),
        }
        for name, images in arms.items():
            loader = make_loader(annotations, images, workers)
            epoch_time(loader)
            rate = count / min(epoch_time(loader) for _ in range(2))
            emit({"section": "loading", "images": name, "workers": workers, "images_per_s": rate})


def evaluation(kind: str, tiny: bool, emit: Emit) -> None:
    """Ranks and scores at ICFG-PEDES size, features on the device: ours, the product alone, and sorting everything."""
    from evaluation import make_data

    from tbpsbench.metrics.ranking import positive_ranks, summarize

    measured, (rows, width) = Device(kind), (60, 16) if tiny else (19848, 512)
    query_QD, gallery_GD, query_pids, gallery_pids = make_data(rows, rows, width, torch.get_num_threads())
    query_QD, gallery_GD = query_QD.to(measured.device), gallery_GD.to(measured.device)
    query_Q, gallery_G = (torch.from_numpy(x).to(measured.device) for x in (query_pids, gallery_pids))

    def ranks() -> Any:
        return positive_ranks(query_QD, gallery_GD, query_pids, gallery_pids)

    def sorting() -> torch.Tensor:
        order_QG = torch.argsort(query_QD @ gallery_GD.T, dim=1, descending=True)
        return (gallery_G[order_QG] == query_Q[:, None])[:, 0].float().mean()

    first: Row = {"section": "evaluation", "size": {"Q": rows, "G": rows, "D": width}}
    expected = 100 * float(sorting())
    found = summarize(ranks(), (1,))["R@1"]
    if abs(found - expected) > 100 * 5 / rows:
        emit(first | {"failed": f"R@1 {found} instead of {expected}, so no speed"})
        return
    arms = {"ranks": ranks, "product alone": lambda: query_QD @ gallery_GD.T, "sorting everything": sorting}
    for name, work in arms.items():
        try:
            row: Row = {"ms": measured.median_ms(work, seconds=0.5), "peak_mb": measured.peak_mb(work)}
        except Exception as error:
            row = {"failed": said(error), "traceback": tail()}
        emit(first | {"arm": name} | row)
