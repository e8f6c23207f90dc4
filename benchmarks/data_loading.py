"""Training images per second: the decoded-image cache against decoding every photo every time.

Both arms read the same JPEG photos (synthetic, W x H = 300 x 800 pixels, with the texture and noise that make a photo
cost what it costs), use the same augmentation (IRRA: flip, pad-crop, normalise, erase; 384 x 128) and the same loader
with two workers. Their batches are asserted to be equal. Building the cache is not in the ratio; its time is reported.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _common import environment, finish, parser
from _targets import TARGETS, stated
from PIL import Image, ImageFilter
from torch.utils.data import DataLoader

from tbpsbench.annotations import Annotations, read_annotations, write_annotations
from tbpsbench.data.cache import build_cache
from tbpsbench.data.collate import collate
from tbpsbench.data.images import DecodedImages, ImageReader
from tbpsbench.data.samplers.shuffle import Shuffle
from tbpsbench.data.texts import TextStore
from tbpsbench.data.tokenizers.wordpiece import WordPiece
from tbpsbench.data.train_set import TrainSet
from tbpsbench.data.transforms.compose import Compose
from tbpsbench.data.transforms.erasing import RandomErasing
from tbpsbench.data.transforms.flip import HorizontalFlip
from tbpsbench.data.transforms.normalize import Normalize
from tbpsbench.data.transforms.pad_crop import PadCrop
from tbpsbench.types import Batch, Caption, ImageRecord

SIZE, PHOTO = (384, 128), (800, 300)
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
BATCH = 64
RATIO = "images_per_second_cached_over_decoded"


def write_photos(root: Path, count: int) -> Annotations:
    """A data set of `count` JPEG photos with one caption each."""
    (root / "images").mkdir(parents=True)
    records = []
    for number in range(count):
        photo(number).save(root / "images" / f"{number}.jpg", quality=90)
        caption = Caption(f"a man in a red coat number {number}", "query", number, "human", "train", number)
        records.append(ImageRecord(number, f"{number}.jpg", number // 4, "train", (caption,)))
    return read_annotations(write_annotations(root / "human.jsonl", "Photos", "human", records))


def photo(seed: int) -> Image.Image:
    """Smooth shapes at three scales plus sensor noise: compresses like a photo."""
    rng, total = np.random.default_rng(seed), np.zeros((*PHOTO, 3), dtype=np.float32)
    for cells, weight in ((6, 1.0), (24, 0.5), (100, 0.25)):
        grid = rng.integers(0, 256, (cells * 8 // 3, cells, 3), dtype=np.uint8)
        layer = Image.fromarray(grid).resize(PHOTO[::-1], Image.Resampling.BICUBIC)
        total += weight * np.asarray(layer.filter(ImageFilter.SMOOTH), dtype=np.float32)
    noisy = total / 1.75 + rng.normal(0, 5, total.shape)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def make_loader(annotations: Annotations, images: ImageReader, workers: int) -> DataLoader[Any]:
    """The training loader of either arm."""
    transform = Compose([HorizontalFlip(), PadCrop(10), Normalize(MEAN, STD), RandomErasing(MEAN)], SIZE)
    texts = [caption.text for record in annotations.records for caption in record.captions]
    train = TrainSet(annotations, TextStore(WordPiece(texts=texts, vocab_size=500)), images, transform, seed=0)
    sampler = Shuffle(train.pids, BATCH, 0)
    return DataLoader(
        train, BATCH, sampler=sampler, num_workers=workers, collate_fn=collate, persistent_workers=workers > 0
    )


def epoch_time(loader: DataLoader[Any]) -> float:
    """Seconds of one whole epoch; the loader's workers are already running."""
    start = time.perf_counter()
    for _ in loader:
        pass
    return time.perf_counter() - start


def check_equal(first: DataLoader[Any], second: DataLoader[Any]) -> int:
    """Compare all batches of both arms; returns how many images were compared.

    Raises:
        AssertionError: if any tensor differs.
    """
    compared = 0
    for a, b in zip(first, second, strict=True):
        assert isinstance(a, Batch)
        assert torch.equal(a.image_B3HW, b.image_B3HW), "cached and decoded batches differ"
        assert torch.equal(a.sample_index_B, b.sample_index_B), "the arms read in different orders"
        compared += len(a)
    return compared


def main() -> int:
    """Run both arms in turn, `--repeats` times; the median time of each arm counts."""
    arguments = parser(str(__doc__).splitlines()[0])
    arguments.add_argument("--images", type=int, default=768, help="photos per epoch")
    arguments.add_argument("--repeats", type=int, default=5, help="epochs of each arm")
    arguments.add_argument("--workers", type=int, default=2, help="loader processes of each arm")
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        annotations = write_photos(Path(folder), options.images)
        files = [record.file for record in annotations.records]
        kilobytes = np.mean([(annotations.image_root / file).stat().st_size for file in files]) / 1000
        start = time.perf_counter()
        cache = build_cache(annotations, SIZE, progress=False)
        build_seconds = time.perf_counter() - start
        arms = {
            "cached": make_loader(annotations, cache, options.workers),
            "decoded": make_loader(annotations, DecodedImages(annotations.image_root, files, SIZE), options.workers),
        }
        compared = check_equal(arms["cached"], arms["decoded"])
        seconds: dict[str, list[float]] = {name: [] for name in arms}
        for _ in range(options.repeats):
            for name, loader in arms.items():
                seconds[name].append(epoch_time(loader))
    rate = {name: options.images / float(np.median(values)) for name, values in seconds.items()}
    ratio = rate["cached"] / rate["decoded"]
    finish(
        {
            "name": "data_loading",
            "environment": environment(options.threads),
            "ratios": {RATIO: round(ratio, 2)},
            "targets": stated("data_loading"),
            "images_per_second": {name: round(value, 1) for name, value in rate.items()},
            "seconds": {name: [round(value, 3) for value in values] for name, values in seconds.items()},
            "build_images_per_second": round(options.images / build_seconds, 1),
            "kilobytes_per_photo": round(float(kilobytes), 1),
            "equal_images_compared": compared,
            "settings": {"photo": PHOTO, "size": SIZE, "batch_size": BATCH, "workers": options.workers},
        },
        options.json,
    )
    return 0 if TARGETS["data_loading"][RATIO].met(ratio) else 1


if __name__ == "__main__":
    sys.exit(main())
