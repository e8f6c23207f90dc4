"""Inputs that once broke a tool, each in a file or a folder of tests/data/cases, or of what TBPSBENCH_CASES names.

A case must end in a documented error or in a report, soon and in little memory; README.md beside them says what each
folder holds. Names and numbers of the cases are not known here: other cases of the same kinds will be tried.
"""

import ast
import os
import resource
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from tbpsbench.errors import TBPSError

FOLDER = Path(os.environ.get("TBPSBENCH_CASES") or Path(__file__).parents[1] / "data" / "cases").resolve()
SECONDS, BYTES = 5, 1 << 30


def each_case(*families):
    """Run a test once per case of these folders, as its argument `case`; the test's id names folder and case."""
    found = [path for family in families for path in sorted((FOLDER / family).glob("*"))]
    if not found:
        found = [FOLDER / family / "*" for family in families]  # a test on it fails: the file is not there
    return pytest.mark.parametrize("case", found, ids=[f"{path.parent.name}/{path.name}" for path in found])


def written(case):
    """The Python value whose repr a case holds."""
    return ast.literal_eval(case.read_text(encoding="utf-8"))


@contextmanager
def within_limits():
    """The time and memory that any input may take, however odd it is."""
    started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    took, grown = time.monotonic() - started, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert took < SECONDS, f"took {took:.1f} s"
    assert grown < BYTES, f"took {grown / BYTES:.1f} GiB"


def refusal(call, *arguments, **named):
    """The documented error that a call ends in; None where it is content. Any other exception fails the test.

    The message must be one that a terminal can print.
    """
    with within_limits():
        try:
            call(*arguments, **named)
        except TBPSError as error:
            str(error).encode("utf-8")
            return error
    return None
