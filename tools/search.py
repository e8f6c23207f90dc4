"""Search an index of tools/index.py by a description, and print or draw the best pictures.

    python tools/search.py my-index "a woman in a red coat with a black backpack" --top 5 --sheet found.png

A similarity is no evidence of who somebody is.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from tbpsbench.cli import run_tool
from tbpsbench.errors import DataError
from tbpsbench.reading import given_path, shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index", metavar="INDEX", type=given_path, help="the index's folder")
    parser.add_argument("texts", metavar="TEXT", nargs="+", help="a description; several are several searches")
    parser.add_argument("--top", metavar="K", type=int, default=10, help="pictures for each (default: 10)")
    parser.add_argument("--sheet", metavar="PNG", type=given_path, help="draw them")
    parser.add_argument("--json", action="store_true", help="print one JSON object for each text, and nothing else")
    parser.add_argument("--checkpoint", type=given_path, help="the index's system, where it is not where it was")
    parser.add_argument("--device", help="where the model computes, e.g. cpu (default: the GPU where there is one)")
    args = parser.parse_args()
    from tbpsbench.retrieval.gallery import Gallery
    from tbpsbench.visualize.hits import Row, Shown, hits_sheet

    with Gallery.open(args.index, args.checkpoint, device=args.device) as gallery:
        found = gallery.search(args.texts, k=args.top)
        for text, hits in zip(args.texts, found, strict=True):
            files = [gallery.item(hit.item).file for hit in hits]
            if unread := gallery.system.tokenizer.unread(text):
                print(f"warning: the text is too long to be read whole; left out: {unread!r:.200}", file=sys.stderr)
            if args.json:
                told = [{"rank": h.rank, "score": h.score, "file": f} for h, f in zip(hits, files, strict=True)]
                print(_as_json({"text": text, "hits": told}))
                continue
            print(f"{text}   ({len(gallery)} pictures, by {gallery.system.name})")
            print(*(f"{h.rank:5d}  {h.score:7.4f}  {shown(f)}" for h, f in zip(hits, files, strict=True)), sep="\n")
        if args.sheet:

            def picture(item: int, lines: tuple[str, ...]) -> Shown:
                try:
                    return Shown(gallery.picture(item), lines)
                except DataError:
                    return Shown(None, (lines[0], "the file is gone or damaged"))

            rows = [
                Row(text, [picture(h.item, (f"{h.rank}.  {h.score:.3f}", gallery.item(h.item).file)) for h in hits])
                for text, hits in zip(args.texts, found, strict=True)
            ]
            hits_sheet(f"{gallery.system.name}: the best of {len(gallery)} pictures", rows, args.sheet)
            if not args.json:
                print(f"drawn to {args.sheet}")


def _as_json(value: Any) -> str:
    """One line; in ASCII where a file's name is not UTF-8, which is then as Python keeps it: \\udce9 for a byte E9."""
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value)
    return text


if __name__ == "__main__":
    run_tool(main)
