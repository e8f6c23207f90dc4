"""Export a trained system to ONNX, for programs without tbpsbench or torch.

    python tools/export.py work_dirs/demo/best.pth --out my-export
    python tools/export.py work_dirs/demo/best.pth --out my-export --precision float32 int8 --overwrite

Before anything is written, every precision is compared with the system on a split of the data: the cosine of each
embedding with the system's own, and R@1. The folder holds two graphs (captions, pictures), tokenizer and preprocessing
in the forms of Hugging Face, and a card; tools/index.py, search.py, chat.py and test.py take it like a checkpoint.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tbpsbench.cli import add_checkpoint_arguments, run_tool
from tbpsbench.reading import given_path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_checkpoint_arguments(parser)
    parser.add_argument("--out", metavar="FOLDER", type=given_path, required=True, help="the folder to write")
    parser.add_argument("--precision", nargs="+", default=["float32"], metavar="NAME",
                        help="float32 (default), float16, int8; several are several pairs of graphs")  # fmt: skip
    parser.add_argument("--split", default="val", help="the split to compare on (default: val)")
    parser.add_argument("--max-drop", type=_points, metavar="POINTS",
                        help="points of R@1 that float16 and int8 may lose (default: 0.5 and 2)")  # fmt: skip
    parser.add_argument("--overwrite", action="store_true", help="replace an exported system that is there")
    args = parser.parse_args()
    from tbpsbench.export.folder import export, require_place
    from tbpsbench.export.opening import open_for_export

    require_place(args.out, args.precision, overwrite=args.overwrite)
    opened, training, note = open_for_export(args.checkpoint, args.config, args.cfg_options)
    print(*opened.notes, *note, sep="\n", end="\n" * bool(opened.notes or note))
    found = export(
        opened.system, args.out, opened.data, opened.settings.evaluation, split=args.split, precisions=args.precision,
        max_drop=args.max_drop, training=training, overwrite=args.overwrite,
    )  # fmt: skip
    print(*(one.line() for one in found.values()), sep="\n")
    size = sum(path.stat().st_size for path in Path(args.out).rglob("*") if path.is_file())
    print(f"wrote {args.out}: {size / 1e6:.1f} MB. README.md in it says how to run it.")


def _points(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 100:
        raise argparse.ArgumentTypeError(f"{text}: expected points of R@1, a number from 0 to 100")
    return value


if __name__ == "__main__":
    run_tool(main)
