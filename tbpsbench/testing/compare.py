"""What all contracts share: comparisons whose messages say what was expected."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from tbpsbench.types import Tokens

# Named values of one row each; None where there is none.
Rows = Mapping[str, Tensor | None]


def assert_close(found: Tensor, expected: Tensor, message: str, *, rtol: float = 1e-4, atol: float = 1e-5) -> None:
    """Equal shapes and, up to rounding, equal values; otherwise `message` and how far apart they are."""
    torch.testing.assert_close(found, expected, rtol=rtol, atol=atol, msg=lambda said: f"{message}\n{said}")


def assert_rows_alone(together: Rows, alone: Callable[[slice], Rows], what: str) -> None:
    """Every row of a batch is the same without the others, or what a query scores would depend on the gallery.

    Args:
        together: what the whole batch gave.
        alone: what a batch of these rows gives.
        what: what gave it, for the message.
    """
    count = max(len(value) for value in together.values() if value is not None)
    for row in range(count):
        found = alone(slice(row, row + 1))
        for name, value in together.items():
            if value is None:
                continue
            single = found.get(name)
            assert single is not None, f"{name} is missing in a batch of one row, expected it as in any other batch"
            assert_close(
                single, value[row : row + 1],
                f"{name} of row {row} depends on the other rows of its batch, expected the same for the row by itself: "
                f"scores would depend on the gallery. In evaluation {what} keeps its rows apart.",
            )  # fmt: skip


def assert_trimmed(together: Rows, tokens: Tokens, alone: Callable[[Tokens], Rows]) -> None:
    """Texts without their padding give what they give with it.

    Args:
        together: what the whole batch gave: a vector of each text, or one of each token, of which the real ones count.
        tokens: the batch.
        alone: what one text gives.
    """
    for row in range(len(tokens.ids)):
        one = Tokens(tokens.ids[row : row + 1], tokens.mask[row : row + 1]).cut()
        found = alone(one)
        for name, value in together.items():
            single = found[name]
            if value is None or single is None:
                continue
            expected = value[row : row + 1] if value.ndim == 2 else value[row : row + 1, : one.ids.shape[1]]
            assert_close(
                single, expected,
                f"{name} of row {row} changes with the padding, expected the same for a text cut to its length",
            )  # fmt: skip


def check_state(one: nn.Module, other: nn.Module) -> None:
    """What one instance saves another takes, strictly."""
    saved, taken = one.state_dict(), other.state_dict()
    assert saved.keys() == taken.keys(), (
        f"two instances of one config save different entries ({sorted(saved.keys() ^ taken.keys())}), expected equal "
        "ones: make parameters and buffers in __init__, or a checkpoint cannot be loaded"
    )
    other.load_state_dict(saved, strict=True)
    for key, value in one.state_dict().items():
        assert isinstance(value, Tensor), (
            f"{key} is a {type(value).__name__}, expected a tensor: checkpoints hold no other"
        )
        assert torch.equal(value, other.state_dict()[key]), f"{key} did not survive saving and loading, expected it to"
