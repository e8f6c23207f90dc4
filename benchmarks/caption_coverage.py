"""How much of what MiniPEDES' images show do captions say, and how much of what they say is true?

    python benchmarks/caption_coverage.py [--json] [--root data/MiniPEDES] [--wrong 0 10 20 40]

Training captions by people (that is, by MiniPEDES' simulated annotators), and those that a simulated model writes:
MTG's static caption, the whole of MTG, captions in clustered styles and pairs of descriptions. MiniPEDES stores what
is visible in each image, so that the words can be held against it. No time is measured.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from _common import environment, finish, parser

from tbpsbench.captions.file import File
from tbpsbench.captions.measure import cover, texts_of
from tbpsbench.data.mini_pedes import MiniPEDES

SOURCES = ("static", "mtg", "styled", "dual")
# A real model is wrong now and then: the rate that the tables of the docs use.
USUAL = 10


def main() -> None:
    """Make the caption files that are missing, and read them."""
    arguments = parser(__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--root", default="data/MiniPEDES")
    arguments.add_argument("--size", default="default", help="of MiniPEDES")
    arguments.add_argument("--sources", nargs="*", default=SOURCES)
    arguments.add_argument(
        "--wrong", nargs="*", type=int, default=(0, USUAL, 20, 40), help="percent, for static and mtg"
    )
    options = arguments.parse_args()
    dataset = MiniPEDES(options.root, options.size)
    human = dataset.load()
    images = human.split("train")
    names = ["human"]
    for source in options.sources:
        rates = options.wrong if source in ("static", "mtg") else [USUAL]
        names += [f"{source}-wrong{rate}" for rate in rates]
    found: dict[str, Any] = {}
    for name in names:
        file = human if name == "human" else File(name).load(dataset)
        row = cover(texts_of(file, human, images))
        found[name] = {**asdict(row), "precision": row.precision, "recall": row.recall}
    usual = f"-wrong{USUAL}"
    ratios = {
        f"mtg_true_vs_{other.removesuffix(usual)}": found[f"mtg{usual}"]["true"] / found[other]["true"]
        for other in ("human", f"static{usual}")
        if f"mtg{usual}" in found and other in found
    }
    size = {"images": len(images), "data": options.size}
    finish(
        {"name": "caption_coverage", "size": size, "ratios": ratios, "found": found, "environment": environment(1)},
        options.json,
    )


if __name__ == "__main__":
    main()
