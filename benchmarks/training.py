"""One training step of IRRA on the CPU (CLIP ViT-B/16, 384 x 128): this package against a textbook's way to write it.

Both arms start from the same random weights, see the same batches and run in float32; nothing is reported where the
losses of their steps differ. The textbook arm does what a first implementation does: softmax(Q K^T) V written out,
texts always 77 tokens, scores of all 49,408 words at every position, Adam parameter by parameter. This package computes
what the losses read: words where one was masked, texts as far as the longest of the batch wherever no loss reads
padding, one text for two losses where it is the same, fused attention, activation and optimiser.

Caption lengths: words drawn from a normal distribution with mean 23.5 (CUHK-PEDES) and deviation 7, at least 8; 1.15
tokens per word and two for start and end, at most 77. The batch's longest is reported.

Three cases. "released": the query itself is masked (data.mask_shared=True), the words' encoder reads padding, as in the
released code. "paper": query and masked query are two texts. "padding unread": as released, but nothing reads padding
(attend_padding=False), in both arms.

`ratios` are wall time against wall time; `cpu_ratio` in each case compares the time that the processor spent, which
other programs on the machine disturb less (equal to wall time on an idle machine with one thread).

Shapes: B batch, T text tokens.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))
import _common
import _textbook_irra
from _targets import stated

from tbpsbench.config.load import load_config
from tbpsbench.config.resolve import fill_from_data
from tbpsbench.engine.optim import build_optimizer
from tbpsbench.model.person_search import PersonSearchModel
from tbpsbench.types import Batch, Tokens

CONFIG = Path(__file__).parents[1] / "configs" / "irra" / "irra_clip-vit-b16_1xb64-60e_cuhk-pedes.py"
START, END, MASK, LENGTH = 49406, 49407, 49405, 77
FACTS = {"num_train_ids": 11003, "vocab_size": 49408}
TINY = {
    "image_encoder": {"embed_dim": 64, "width": 64, "layers": 1, "patch_size": 16},
    "text_encoder": {"embed_dim": 64, "width": 64, "layers": 1},
}
TOLERANCE = 1e-3  # float32, two orders of summation, three steps

Step = Callable[[Batch], dict[str, float]]


def draw_batch(size: int, seed: int, shared: bool) -> Batch:
    """Random pictures and captions of realistic length, every fourth person twice.

    Args:
        size: B.
        seed: another seed is another batch.
        shared: mask the query itself (data.mask_shared).
    """
    rng = np.random.default_rng(seed)
    words_B = np.maximum(8, rng.normal(23.5, 7, size))
    length_B = np.minimum(LENGTH, np.rint(1.15 * words_B).astype(int) + 2)
    ids_BT = rng.integers(1000, 40000, (size, LENGTH))
    position_T = np.arange(LENGTH)
    ids_BT[:, 0] = START
    ids_BT[position_T == length_B[:, None] - 1] = END
    ids_BT[position_T >= length_B[:, None]] = 0
    inside_BT = (position_T > 0) & (position_T < length_B[:, None] - 1)
    chosen_BT = inside_BT & (rng.random(ids_BT.shape) < 0.15)
    chosen_BT[:, 1] |= ~chosen_BT.any(axis=1)
    masked_BT, label_BT = np.where(chosen_BT, MASK, ids_BT), np.where(chosen_BT, ids_BT, 0)
    ids, masked, label, mask = (torch.from_numpy(x) for x in (ids_BT, masked_BT, label_BT, ids_BT != 0))
    texts = {"masked": Tokens(masked, mask, label, copy_of="query" if shared else None)}
    texts |= {"query": Tokens(masked if shared else ids, mask)}
    pid_B = torch.arange(size) * 3 // 4
    image = torch.randn(size, 3, 384, 128, generator=torch.Generator().manual_seed(seed))
    return Batch(image, texts, pid_B, pid_B, pid_B, pid_B, torch.ones(size))


def build(attend_padding: bool, tiny: bool = False) -> tuple[PersonSearchModel, dict[str, Any]]:
    """IRRA as its config says, with random weights, and the config; `tiny` has towers of one block, for the tests."""
    values = load_config(CONFIG).values
    section = fill_from_data(values["model"], FACTS, "model")
    for side in ("image_encoder", "text_encoder"):
        section[side]["pretrained"] = None
        if tiny:
            section[side]["arch"] = TINY[side]
    section["losses"]["mlm"]["attend_padding"] = attend_padding
    torch.manual_seed(0)
    return PersonSearchModel(**section).train(), values


def our_step(model: PersonSearchModel, values: dict[str, Any]) -> Step:
    """A training step as `tools/train.py` does it, in float32."""
    optimizer = build_optimizer(values["optimizer"], values["param_groups"], model)

    def step(batch: Batch) -> dict[str, float]:
        total, log = model.parse_losses(model(batch, mode="loss"))
        total.backward()
        optimizer.step()
        optimizer.zero_grad()
        return {name: float(log[f"loss_{name}"]) for name in ("sdm", "id", "mlm")}

    return step


def textbook_step(model: PersonSearchModel, values: dict[str, Any], attend_padding: bool) -> Step:
    """The same step from copies of the model's weights, with its rates and decays."""
    weights = {name: value.detach().clone().requires_grad_() for name, value in model.named_parameters()}
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = build_optimizer(values["optimizer"], values["param_groups"], model).param_groups
    for group in groups:
        group["params"] = [weights[names[id(parameter)]] for parameter in group["params"]]
    settings = {key: value for key, value in values["optimizer"].items() if key != "type"}
    kept = [{key: group[key] for key in ("params", "lr", "weight_decay")} for group in groups]
    optimizer = torch.optim.Adam(kept, **settings, foreach=False, fused=False)

    def step(batch: Batch) -> dict[str, float]:
        query, masked = batch.texts["query"], batch.texts["masked"]
        assert batch.image_B3HW is not None
        assert masked.labels is not None
        found: dict[str, Tensor] = _textbook_irra.losses(
            weights, batch.image_B3HW, query.ids, masked.ids, masked.labels, batch.pid_B, attend_padding=attend_padding
        )
        torch.stack(list(found.values())).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        return {name: value.item() for name, value in found.items()}

    return step


def compare(size: int, steps: int, *, shared: bool, attend_padding: bool, tiny: bool = False) -> dict[str, Any]:
    """Time both arms in turn over the same batches; the first step of each warms up and is not timed.

    Raises:
        AssertionError: if a loss of one step differs.
    """
    model, values = build(attend_padding, tiny)
    arms = {"textbook": textbook_step(model, values, attend_padding), "ours": our_step(model, values)}
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in arms}
    longest = []
    for number in range(steps + 1):
        batch = draw_batch(size, number, shared)
        longest.append(int(batch.texts["query"].mask.sum(dim=1).max()))
        found = {}
        for name, step in arms.items():
            wall, processor = time.perf_counter(), time.process_time()
            found[name] = step(batch)
            seconds[name].append((time.perf_counter() - wall, time.process_time() - processor))
        for loss, value in found["textbook"].items():
            assert abs(found["ours"][loss] - value) <= TOLERANCE * abs(value), (number, loss, found)
    best = {name: min(wall for wall, _ in times[1:]) for name, times in seconds.items()}
    spent = {name: min(processor for _, processor in times[1:]) for name, times in seconds.items()}
    return {
        "mask_shared": shared,
        "attend_padding": attend_padding,
        "longest_caption_tokens": longest[1:],
        "losses": found["ours"],
        "textbook_images_per_s": round(size / best["textbook"], 3),
        "ours_images_per_s": round(size / best["ours"], 3),
        "ratio": round(best["textbook"] / best["ours"], 2),
        "cpu_ratio": round(spent["textbook"] / spent["ours"], 2),
        "cpu_s_per_step": {name: round(value, 2) for name, value in spent.items()},
    }


def main() -> None:
    """Measure, assert, print."""
    arguments = _common.parser(__doc__ or "")
    arguments.add_argument("--batch", type=int, default=16)
    arguments.add_argument("--steps", type=int, default=2, help="timed steps of each arm; the shortest counts")
    arguments.add_argument("--tiny", action="store_true", help="towers of one block: for the tests, not for a claim")
    args = arguments.parse_args()
    torch.set_num_threads(args.threads)
    size = (args.batch, args.steps)
    cases = {
        "released": compare(*size, shared=True, attend_padding=True, tiny=args.tiny),
        "paper": compare(*size, shared=False, attend_padding=True, tiny=args.tiny),
        "padding unread": compare(*size, shared=True, attend_padding=False, tiny=args.tiny),
    }
    result = {
        "name": "training step of IRRA",
        "environment": _common.environment(args.threads),
        "ratios": {name: case["ratio"] for name, case in cases.items()},
        "targets": stated("training"),
        "batch": args.batch,
        "tiny": args.tiny,
        "cases": cases,
    }
    _common.finish(result, args.json)


if __name__ == "__main__":
    main()
