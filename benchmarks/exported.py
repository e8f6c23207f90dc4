"""An exported system against the system: one caption, and a batch of pictures, by torch and by ONNX Runtime.

CLIP ViT-B/16 with pictures of 384 x 128 and random weights, whose time is that of published ones. All arms take the
same prepared input and the same number of threads, round after round; the quickest round of each counts. Every arm's
embeddings are compared with the system's, to the cosines that an export must have (export/parity.py).
"""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import torch
from _common import best_of, environment, finish, parser
from _targets import stated
from torch import Tensor
from torch.nn.functional import cosine_similarity

from tbpsbench.config.load import load_config
from tbpsbench.engine.run import build_run
from tbpsbench.export.graphs import write_graphs
from tbpsbench.export.parity import LIMITS
from tbpsbench.export.precision import write_reduced
from tbpsbench.heads.base import Side
from tbpsbench.model.base import SearchModel
from tbpsbench.model.exported import ExportedModel
from tbpsbench.model.person_search import joint
from tbpsbench.system import System

CONFIG = "configs/clip/clip_clip-vit-b16_1xb64-60e_cuhk-pedes.py"
TINY = "configs/mini/two-tower-s_mini-pedes.py"
CAPTION = "a woman with long dark hair in a red coat and blue jeans carries a black backpack on her shoulder"
TORCH = "torch"


def system_of(config: str, folder: Path) -> System:
    """The system of a config with random weights; MiniPEDES stands in for its data."""
    data = f"data.dataset=dict(type='MiniPEDES', size='tiny', root={str(folder)!r})"
    towers = [f"model.{tower}_encoder.pretrained=None" for tower in ("image", "text")] if config == CONFIG else []
    return build_run(load_config(config, [data, "data.batch_size=16", *towers]), seed=0).system


def arms_of(system: System, folder: Path) -> tuple[dict[str, SearchModel], dict[str, float]]:
    """What embeds, by name, and the megabytes of the graphs."""
    files: dict[Side, Path] = {"text": folder / "text.onnx", "image": folder / "image.onnx"}
    write_graphs(system, files)
    reduced: dict[Side, Path] = {side: folder / f"{side}_int8.onnx" for side in files}
    for side, file in files.items():
        write_reduced(file, reduced[side], "int8")
    arms: dict[str, SearchModel] = {TORCH: system.model.eval()}
    for name, graphs in (("float32", files), ("int8", reduced)):
        arms[name] = ExportedModel(graphs, (), bytes(32), {}, "cpu").eval()
    sizes = {name: sum(file.stat().st_size for file in graphs.values()) / 1e6
             for name, graphs in (("float32", files), ("int8", reduced))}  # fmt: skip
    return arms, sizes


def main() -> int:
    """Run all arms in turn."""
    arguments = parser(str(__doc__).splitlines()[0])
    arguments.set_defaults(threads=2)
    arguments.add_argument("--rounds", type=int, default=5, help="rounds of all arms (default 5)")
    arguments.add_argument("--batch", type=int, default=16, help="pictures at once (default 16)")
    arguments.add_argument("--captions", type=int, default=20, help="times that the caption is embedded in a round")
    arguments.add_argument("--tiny", action="store_true", help="a small model, to see that everything runs")
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        system = system_of(TINY if options.tiny else CONFIG, Path(folder) / "MiniPEDES")
        arms, sizes = arms_of(system, Path(folder))
        tokens = system.tokenizer([CAPTION])
        pixels = torch.randn(options.batch, 3, *system.preprocess.size, generator=torch.Generator().manual_seed(0))
        seconds: dict[str, dict[str, list[float]]] = {name: {"caption": [], "images": []} for name in arms}
        found: dict[str, tuple[Tensor, Tensor]] = {}
        for _ in range(options.rounds):
            for name, model in arms.items():
                one, text = best_of(partial(model.encode_query, tokens), options.captions)
                many, images = best_of(partial(model.encode_gallery, pixels), 1)
                seconds[name]["caption"].append(one)
                seconds[name]["images"].append(many)
                found[name] = (joint(text, model.head_weights), joint(images, model.head_weights))
    cosines = {}
    for name in ("float32", "int8"):
        least = [float(cosine_similarity(a, b).min()) for a, b in zip(found[name], found[TORCH], strict=True)]
        assert min(least) >= LIMITS[name].least, f"{name}: embeddings differ, cosine {min(least)}"
        cosines[name] = {"caption": least[0], "images": least[1]}
    best: dict[str, dict[str, float]] = {name: {k: min(v) for k, v in one.items()} for name, one in seconds.items()}
    ratios = {
        f"{what}_{name}_vs_torch": round(best[TORCH][what] / best[name][what], 2)
        for name in ("float32", "int8")
        for what in ("caption", "images")
    }
    result: dict[str, Any] = {
        "name": "exported",
        "environment": environment(options.threads),
        "ratios": ratios,
        "targets": stated("exported"),
        "caption_ms": {name: round(one["caption"] * 1e3, 2) for name, one in best.items()},
        "images_per_second": {name: round(options.batch / one["images"], 2) for name, one in best.items()},
        "seconds": seconds,
        "least_cosine": cosines,
        "megabytes": {name: round(size, 1) for name, size in sizes.items()},
        "tiny": options.tiny,
        "settings": {"batch": options.batch, "size": system.preprocess.size, "tokens": int(tokens.mask.sum())},
    }
    finish(result, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
