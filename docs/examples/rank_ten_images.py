"""Rank ten images by how well they fit a sentence.

    python docs/examples/rank_ten_images.py work_dirs/demo/best.pth data/MiniPEDES/default-0/images "a man in red"

The checkpoint is all that is needed: it holds its tokenizer and knows how it wants to see a picture.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tbpsbench import load_system


def main(checkpoint: str, folder: str, sentence: str) -> None:
    """Print the first ten images of a folder, the best one first."""
    system = load_system(checkpoint)
    photos = sorted(path for path in Path(folder).iterdir() if path.suffix in (".png", ".jpg", ".jpeg"))[:10]
    index = system.encode_images(photos)
    best = system.rank(sentence, index, k=10)
    for position, score in zip(best.order[0], best.scores[0], strict=True):
        print(f"{score:.3f}  {photos[position]}")


if __name__ == "__main__":
    main(*sys.argv[1:4])
