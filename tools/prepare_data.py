"""Turn a data set as its owners ship it into our annotation file, and check that it is whole.

    python tools/prepare_data.py CUHKPEDES data/CUHK-PEDES --verify
    python tools/prepare_data.py CSVDataset data/mine --dataset-options file=my-photos.csv --verify

Exit codes: 0 done and sound, 2 something is wrong with the data (listed), 1 a file could not be written.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tbpsbench.annotations import read_annotations
from tbpsbench.cli import run_tool
from tbpsbench.config.literal import parse_value
from tbpsbench.data.verify import verify
from tbpsbench.errors import ConfigError
from tbpsbench.files import write_json
from tbpsbench.registry import DATASETS


def main() -> int:
    """Parse the arguments, prepare, verify, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, epilog=f"DATASET: {known()}"
    )
    parser.add_argument("dataset", metavar="DATASET", help="name of the data set")
    parser.add_argument("root", metavar="ROOT", help="its folder; the annotation file is written there")
    parser.add_argument(
        "--dataset-options",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="arguments of the data set besides its folder, as a config would give them, e.g. file=my-photos.csv",
    )
    parser.add_argument("--splits", metavar="FILE", help="JSON {image path or id: split}, for releases without splits")
    parser.add_argument("--allow-partial", action="store_true", help="accept counts that are not the official ones")
    parser.add_argument("--verify", action="store_true", help="decode every image and look for duplicates")
    parser.add_argument("--report", metavar="FILE", help="where --verify lists everything (ROOT/verify.json)")
    arguments = parser.parse_args()

    component = {"type": class_name(arguments.dataset), **options(arguments.dataset_options), "root": arguments.root}
    dataset = DATASETS.build(component, "DATASET")
    path = dataset.prepare(splits_file=arguments.splits, allow_partial=arguments.allow_partial)
    print(f"wrote {path}")
    if not arguments.verify:
        return 0
    found = verify(read_annotations(path), dataset.expected)
    report = Path(arguments.report or dataset.root / "verify.json")
    write_json(report, found.to_json())
    print(f"{found.summary()}\n  every file: {report}")
    return 0 if found.ok else 2


def options(given: Sequence[str]) -> dict[str, Any]:
    """Arguments of a data set from KEY=VALUE.

    Raises:
        ConfigError: if one has another form.
    """
    pairs = [text.partition("=") for text in given]
    if wrong := [text for text, (key, equals, _) in zip(given, pairs, strict=True) if not key or not equals]:
        raise ConfigError(f"--dataset-options: write KEY=VALUE, got {wrong[0]!r}")
    return {key: parse_value(value) for key, _, value in pairs}


def known() -> str:
    """Names of all data sets."""
    return ", ".join(DATASETS.names())


def class_name(text: str) -> str:
    """The registered name that is meant by 'CUHK-PEDES', 'cuhk_pedes', ...; the text itself if there is none."""
    plain = {name.lower(): name for name in DATASETS.names()}
    return plain.get("".join(filter(str.isalnum, text)).lower(), text)


if __name__ == "__main__":
    run_tool(main)
