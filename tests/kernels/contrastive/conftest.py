"""Every form of the family; the larger ones made to run on few pairs."""

import pytest
from kernel_cases import use_backend

from tbpsbench.kernels.contrastive import chunks, functions


@pytest.fixture
def form(request, monkeypatch, poisoned):
    """Run a test in one form: "torch" in chunks of a few rows, Triton's kernels for small batches or for large ones.

    With "wide" behind it, in tiles that take the interpreter less time; with "pointers", without descriptors; with
    "once", in one pass for both directions.
    """
    return use_form(request.param, monkeypatch)


def use_form(name, monkeypatch):
    backend = name.split()[0]
    use_backend(backend, monkeypatch)
    monkeypatch.setattr(functions, "CROSSOVER", dict.fromkeys(functions.CROSSOVER, 0))
    monkeypatch.setattr(chunks, "CHUNK", 1)
    monkeypatch.setattr(chunks, "FEWEST_ROWS", 5)
    if name.endswith("small wide"):
        from tbpsbench.kernels.contrastive import tiles, triton

        monkeypatch.setattr(triton, "statistics_tile", lambda *_: tiles.Tile(64, 64, 64, 4, 2))
        monkeypatch.setattr(triton, "gradient_tile", lambda *_: tiles.Tile(64, 64, 64, 4, 2, 64))
    if name.startswith("triton large"):
        from tbpsbench.kernels.contrastive import tiles, triton, triton_blocks, triton_call, triton_passes

        tile = tiles.Tile(*((64, 64, 64) if name.endswith("wide") else (16, 16, 16)), 4, 2)
        for half in (True, False):
            monkeypatch.setitem(tiles.SMALL_ROWS, half, 0)
        for module in (triton_passes, triton_blocks):
            monkeypatch.setattr(module, "PROGRAMS", 6)
        monkeypatch.setattr(triton_blocks, "STRIP_BYTES", 0)
        monkeypatch.setattr(triton_blocks, "FEWEST", 16)
        monkeypatch.setattr(triton_blocks, "USUAL", triton_blocks.Sizes(rows=32, bytes=2 * 32 * 32, whole=0))
        monkeypatch.setattr(triton, "statistics_tile", lambda *_: tile)
        monkeypatch.setattr(triton_blocks, "gradient_tile", lambda *_: tile)
        once = "once" in name
        way = tiles.Way(once, once, 4 if once else 2)
        monkeypatch.setattr(triton_passes, "way_of_statistics", lambda *_: way)
        # Two or three blocks of rows at a time.
        monkeypatch.setattr(triton_passes, "BAND_BYTES", 3000)
        if "pointers" in name:
            # Rows of no matrix begin where copies in bulk need them to.
            monkeypatch.setattr(triton_call, "BULK_BYTES", 1 << 60)
    return backend
