"""Turn a data set as its owners ship it into our annotation file, and check that it is whole.

    python tools/prepare_data.py CUHKPEDES data/CUHK-PEDES --verify
    python tools/prepare_data.py CSVDataset data/mine --dataset-options file=my-photos.csv --verify

Exit codes: 0 done and sound, 2 something is wrong with the data (listed), 1 a file could not be written. What
--allow-partial and --allow-missing accept is not wrong.
"""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Sequence
from typing import Any

from tbpsbench.annotations import read_annotations
from tbpsbench.cli import run_tool
from tbpsbench.config.literal import parse_value
from tbpsbench.data.verify import verify
from tbpsbench.errors import ConfigError, DataError, StorageError
from tbpsbench.files import require_file, write_json
from tbpsbench.reading import given_path
from tbpsbench.registry import DATASETS


def main() -> int:
    """Parse the arguments, prepare, verify, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, epilog=f"DATASET: {known()}"
    )
    parser.add_argument("dataset", metavar="DATASET", help="name of the data set")
    parser.add_argument(
        "root", metavar="ROOT", type=given_path, help="its folder; the annotation file is written there"
    )
    parser.add_argument(
        "--dataset-options",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="arguments of the data set besides its folder, as a config would give them, e.g. file=my-photos.csv",
    )
    parser.add_argument(
        "--splits", metavar="FILE", type=given_path, help="JSON {image path or id: split}, for releases without splits"
    )
    parser.add_argument("--allow-partial", action="store_true", help="accept counts that are not the official ones")
    parser.add_argument(
        "--allow-missing", action="store_true", help="leave out images that are not there; every result will say so"
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help="decode every image and look for duplicates; an annotation file that was made from the release as it is "
        "now is read, not written again (with --allow-missing it is)",
    )
    parser.add_argument(
        "--report", metavar="FILE", type=given_path, help="where --verify lists everything (ROOT/verify.json)"
    )
    arguments = parser.parse_args()

    name, root = class_name(arguments.dataset), str(arguments.root)
    dataset = DATASETS.build({"type": name, **options(arguments.dataset_options), "root": root}, "DATASET")
    missing = {"allow_missing": True} if arguments.allow_missing else {}
    if missing and "allow_missing" not in inspect.signature(dataset.prepare).parameters:
        raise DataError(f"{name}: its reader cannot leave images out. Leave out --allow-missing.")
    annotations = dataset.prepared(arguments.splits) if arguments.verify and not missing else None
    if annotations is not None:
        print(f"{annotations.path}: made from what is there, not written again")
    else:
        path = dataset.prepare(splits_file=arguments.splits, allow_partial=arguments.allow_partial, **missing)
        annotations = read_annotations(path)
        print(f"wrote {path}")
    if annotations.header.get("notes", {}).get("missing_images"):
        print(
            f"left out {annotations.header['notes']['missing_images']} images that are not in {annotations.image_root}"
        )
    if not arguments.verify:
        return 0
    report = arguments.report or dataset.root / "verify.json"
    try:
        require_file(report)
    except StorageError as error:
        raise StorageError(f"{error}. --report FILE puts the report elsewhere") from error
    found = verify(annotations, dataset.expected)
    print(found.summary())
    write_json(report, found.to_json())
    print(f"  every file: {report}")
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
