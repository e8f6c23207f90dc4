"""The card beside an exported system: what it is, how near it is, and how other programs run it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from tbpsbench import __version__
from tbpsbench.export.hugging_face import IMAGES, TOKENIZER
from tbpsbench.export.parity import Parity
from tbpsbench.model.exported import graph_file
from tbpsbench.system import System
from tbpsbench.system_card import front

TEXT = """# {name}, exported

A text-based person search system as ONNX graphs, written by tbpsbench {version}: one graph embeds captions, one
pictures of persons; the dot product of two embeddings is their similarity.

| | |
| --- | --- |
{rows}

## How near it is

Compared with the system that it was made of, before this folder was written, on {data}, split {split}
({queries} captions, {gallery} images):

| precision | files | {heads} | least cosine of a caption | of an image |
| --- | --- | {rule} | --- | --- |
{parity}

## With tbpsbench

```python
from tbpsbench import load_system

system = load_system("PATH/TO/THIS/FOLDER")
index = system.encode_images(["a.jpg", "b.jpg"])
best = system.rank("a woman in a red coat with a black backpack", index, k=2)
```

It needs `pip install 'tbpsbench[onnx]'`. The tools `test.py`, `index.py`, `search.py` and `chat.py` take the folder in
place of a checkpoint.{others}

## Without tbpsbench

{without}

For research on data whose subjects agreed, or for which you hold a licence. A ranking is not an identification: even
the best systems often put another person first. The training data's licence may restrict how these weights may be used
and passed on.
"""
PICTURES = """- Pictures: upright, RGB, resized to {height} x {width} pixels (height x width) with Pillow's {filter}
  filter, not cut, then (pixel / 255 - mean) / std; `preprocessor_config.json` has the numbers. A person is not square:
  a program that crops the centre gives other embeddings."""
CAPTIONS = "- Captions: `tokenizer.json`; {tokens}."
GRAPHS = """- `{image}`: `pixel_values` (B, 3, {height}, {width}) float32 to `image_embeds` (B, {dim}).
- `{text}`: `input_ids` and `attention_mask` {shape} int64 to `text_embeds` (B, {dim}).
- Embeddings have length one."""


def card(
    system: System,
    length: int | None,
    found: Mapping[str, Parity],
    bytes_of: Mapping[str, int],
    files: Collection[str],
    notes: Sequence[str],
) -> str:
    """The card of an exported system, in Markdown.

    Args:
        system: that was exported.
        length: tokens that the text graph takes; None for any number.
        found: precision -> how near it is.
        bytes_of: precision -> bytes of both graphs.
        files: names of what lies beside the graphs.
        notes: what cannot be said in those files, as sentences.
    """
    dim = system.model.joint_dim
    trained = system.trained_on
    rows = {
        "trained on": "not known" if trained is None else trained.name,
        "embedding": f"{dim} numbers",
        "images": f"{system.preprocess.size[0]} x {system.preprocess.size[1]} pixels (height x width)",
        "tokenizer": f"{system.config['data']['tokenizer']['type']}, {system.tokenizer.max_length} tokens",
        "made of": f"`{system.fingerprint}`",
    }
    first = next(iter(found.values()))
    parity = [
        f"| {precision} | {bytes_of[precision] / 1e6:.1f} MB | "
        + " | ".join(f"{one.before[name]:.2f} -> {one.after[name]:.2f}" for name in one.before)
        + f" | {one.text_least:.6f} | {one.image_least:.6f} |"
        for precision, one in found.items()
    ]
    main = next(iter(found))
    named = {
        "height": system.preprocess.size[0],
        "width": system.preprocess.size[1],
        "filter": system.preprocess.interpolation,
        "dim": dim,
        "shape": "(B, T)" if length is None else f"(B, {length})",
        "text": graph_file("text", main),
        "image": graph_file("image", main),
        "tokens": f"at most {system.tokenizer.max_length} tokens, the last one kept"
        + ("" if length is None else f", padded to {length} with the id {system.tokenizer.pad_id}"),
    }
    lines = [text for name, text in ((IMAGES, PICTURES), (TOKENIZER, CAPTIONS)) if name in files]
    without = "\n".join([*lines, GRAPHS]).format(**named)
    more = [f"`{graph_file('text', precision)}`" for precision in found if precision != main]
    others = f" Another precision is named by one of its graphs: {' or '.join(more)}." if more else ""
    return front("onnx", "transformers.js") + TEXT.format(
        name=system.name,
        version=__version__,
        rows="\n".join(f"| {key} | {value} |" for key, value in rows.items()),
        data=first.data,
        split=first.split,
        queries=f"{first.queries:,}",
        gallery=f"{first.gallery:,}",
        heads=" | ".join(first.before),
        rule=" | ".join("---" for _ in first.before),
        parity="\n".join(parity),
        others=others,
        without="\n".join([without, *(f"- {note}" for note in notes)]),
    )
