"""Values that break programs, and how a value with such values in it becomes a file."""

import json


class Raw:
    """Source text that stands in a file as it is: what no value of Python could be written as."""

    def __init__(self, text):
        self.text = text

    def __repr__(self):
        return self.text


TEXTS = (
    "", " ", "\ud800", "a\udfffb", "\0", "a\0b", "a\nb", "\r", "\u2028", "\ufeff", "\x1b[31m", "[/bold]", "[bold",
    "$x$",
    "\\x", "{", "%s", "=1+1", "<script>", "| a | b |", "../../x", "/etc/passwd", "~", "~nobody", "x" * 300, "x" * 5000,
    "word " * 1001, "\U0001f600", "e\u0301", "²", "٣", "NaN", "true", "1e999", "from_data:num_train_ids", "human",
    "train",
    "test", "val-carved", "standard", "clothes-change", "R@1", "R@0", "R@²", "mAP", "MiniPEDES", "tbpsbench::mini/x.py",
    "2026-01-31T12:00:00+00:00", "0" * 64, "ranks.npz",
)  # fmt: skip
NUMBERS = (
    0, 1, -1, 2, 100, 101, 2**31, 2**32, 2**53 + 1, 2**63 - 1, -(2**63), 2**63, 2**64, 10**30, 0.5, -0.5, 1e-320, 1e308,
    -0.0, float("nan"), float("inf"), -float("inf"),
)  # fmt: skip
# What JSON and Python both read.
RAWS = (
    "1" * 5000, "-" + "9" * 400, "0." + "1" * 5000, "1e99999", "[" * 100_000 + "]" * 100_000, "[" * 150 + "]" * 150,
    '{"a":' * 120 + "1" + "}" * 120, '{"a": 1, "a": 2}', "", "01", "[1,", '"\\ud800"', '"\\u0000"', "//", "nul",
)  # fmt: skip
PYTHON = (
    "-True", "--1", "not " * 3000 + "1", "-" * 5000 + "1", "lambda: " * 900 + "0", "0b" + "1" * 20_000,
    "0x" + "f" * 4000,
    "1_0", "1j", "b'x'", "f'{1}'", "...", "x := 1", "dict(a=1, a=2)", "dict(**{})", "dict([])", "{1: 2}", "{1, 2}",
    "a.b",
    "(" * 199 + ")" * 199, "dict(a=" * 40 + "1" + ")" * 40, "[0] * 9", "1 if 1 else 2", "__import__('os')", "'\\N{x}'",
)  # fmt: skip
VALUES = (
    *TEXTS, *NUMBERS, None, True, False, [], {}, [[]], [1, 2], ["a"], ["a", 1], {"a": 1}, {"type": "x"},
    {"type": ["a"]},
    {"type": None}, {"": 1}, {"a.b": {"type": "InfoNCE"}}, [None], [True], [{"type": "RecallAtK"}], [["a", ["b"]]],
    *map(Raw, RAWS),
)  # fmt: skip


def as_json(value):
    """JSON in UTF-8, as wrong as the value is: NaN, surrogates as escapes, raw text where it stands."""
    raws = []

    def keep(item):
        if not isinstance(item, Raw):
            return repr(item)
        raws.append(item.text)
        return f"\x01raw {len(raws) - 1}\x01"

    text = json.dumps(value, default=keep)
    for number, raw in enumerate(raws):
        text = text.replace(f'"\\u0001raw {number}\\u0001"', raw)
    return text.encode()


def as_json_lines(lines):
    """One value per line; what is no list is one line."""
    return b"\n".join(map(as_json, lines if isinstance(lines, list) else [lines])) + b"\n"


def as_python(values):
    """A config file with these names; what is no dict is written as it is."""
    text = "\n".join(f"{key} = {item!r}" for key, item in values.items()) if isinstance(values, dict) else repr(values)
    return (text + "\n").encode("utf-8", "surrogatepass")


def as_text(value):
    """A text as bytes, surrogates included."""
    return (value if isinstance(value, str) else repr(value)).encode("utf-8", "surrogatepass")
