"""Records and suites with values changed to something odd, drawn from a seed: what a hostile file may hold."""

import copy
import json

DEEP = json.loads("[" * 90 + "]" * 90)
ODD = [
    None, True, False, 0, -1, 1, 0.5, 10**18 + 1, -(2**63), 2**63 - 1, 10**25, 1e300, -1e300, 5e-324,
    float("nan"), float("inf"), float("-inf"),
    "", " ", "0", "=1+1", "\r=1+1", "\uff1d1+1", "[/bold]", "$x$", "\\x", "a|b", "<script>", "x" * 300, "\ud800", "\0",
    "\u202e", "é\u2028", "../../etc/passwd", "val", "test",
    [], [[]], [None], [1, 2, 3], ["a"], [{}], [{"epoch": None}], DEEP, list(range(2000)),
    {}, {"a": 1}, {"": None}, {"\ud800": 1}, {"type": "MiniPEDES"}, {"type": []}, {"epoch": "x"},
    {str(n): n for n in range(2000)},
]  # fmt: skip
KEYS = [
    "=cmd",
    "[/bold]",
    "\ud800",
    "x" * 300,
    "",
    "R@1",
    "R@²",
    "²",
    "1",
    "__proto__",
    "type",
    "seeds",
    "\r",
    "\u202e",
]


def places(value, path=()):
    """Every place within nested data, the outermost first."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def mutated(record, chance):
    """A record as JSON text, with one to three places changed, removed or added to."""
    return json.dumps(changed(record, chance))


def changed(record, chance):
    """A copy of nested data with one to three places changed, removed or added to."""
    record = copy.deepcopy(record)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        top = chance.choice(list(record))  # each part of a record as often as its config, which has most places
        path = chance.choice(list(places(record[top], (top,))))
        at = record
        for key in path[:-1]:
            at = at[key]
        odd = copy.deepcopy(chance.choice(ODD))
        match chance.randrange(8):
            case 0:
                del at[path[-1]]
            case 1 if isinstance(at, dict):
                at[chance.choice(KEYS)] = odd
            case 2 if isinstance(at, list):
                at.append(odd)
            case 3:
                at[path[-1]] = [at[path[-1]]]
            case _:
                at[path[-1]] = odd
    return record
