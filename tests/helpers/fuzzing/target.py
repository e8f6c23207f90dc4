"""What is fuzzed: examples, how they become a file, and the tool that reads it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Target:
    """One reader.

    Attributes:
        name: of the target, and of its folder in the corpus.
        examples: valid inputs: nested data, or bytes.
        use: reads the bytes of one input; gets an empty or used folder for files.
        encode: nested data -> bytes.
        odd: what is put into places besides the odd values of every target.
    """

    name: str
    examples: Callable[[], list[Any]]
    use: Callable[[bytes, Path], object]
    encode: Callable[[Any], bytes] = bytes
    odd: tuple[Any, ...] = ()
