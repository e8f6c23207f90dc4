"""Makes inputs, hands them to the tool, and counts what becomes of them."""

import hashlib
import os
import random
import re
import resource
import signal
import traceback
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fuzzing.change import BYTE_OPERATIONS, OPERATIONS, changed, changed_bytes, places
from fuzzing.values import NUMBERS, TEXTS, VALUES
from tbpsbench.errors import TBPSError

SECONDS, BYTES = 5, 1 << 30  # processor seconds and memory that any input may take
MAX_KEPT = 16_384  # bytes of an input that is kept
ODD_BYTES = (
    *(text.encode("utf-8", "surrogatepass") for text in TEXTS if len(text) < 400), *(repr(n).encode() for n in NUMBERS),
    b"\xff", b"\xff\xff\xff\xff", b"\x80", b"\0" * 8, b"[" * 500, b"{", b"}", b'"', b"\\ud800", b"\\u0000", b"\n",
    b",", b"1" * 5000,
)  # fmt: skip


class TooSlowError(BaseException):  # no Exception, so that no reader can catch it
    """An input took more processor time than any may."""


@dataclass
class Tally:
    """What became of the inputs of one target.

    Attributes:
        inputs, refused, accepted, failed: how many; a refusal is one of tbpsbench.errors.
        failures: where it failed -> (input, traceback); one for each place.
        found: a message without its details -> the smallest input that led to it.
    """

    inputs: int = 0
    refused: int = 0
    accepted: int = 0
    failed: int = 0
    failures: dict = field(default_factory=dict)
    found: dict = field(default_factory=dict)

    def add(self, other):
        """Count what another tally counted, too."""
        for name in ("inputs", "refused", "accepted", "failed"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.failures = {**other.failures, **self.failures}
        self.found = {**other.found, **self.found}


@contextmanager
def limited():
    """Raise TooSlowError inside after SECONDS of this process' time, or say afterwards that memory grew too much."""

    def stop(*_):
        raise TooSlowError(f"more than {SECONDS} s")

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    old = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, old)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    if grown > BYTES:
        raise MemoryError(f"{grown >> 20} MiB")


def run_one(target, data, folder, tally):
    """Hand one input over and count it; returns the failure's place and traceback, or None."""
    tally.inputs += 1
    refusal = None
    try:
        with limited():
            try:
                target.use(data, folder)
            except TBPSError as error:
                refusal = str(error)
                refusal.encode("utf-8")  # one that no terminal can print is a failure
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # whatever else comes out of a tool is what we are looking for
        tally.failed += 1
        place = _place(error)
        known = tally.failures.get(place)
        if known is None or len(data) < len(known[0]):
            tally.failures[place] = (data, "".join(traceback.format_exception(error))[-3000:])
        return place
    if refusal is None:
        tally.accepted += 1
        return None
    tally.refused += 1
    kind = re.sub(r"'[^']*'|\"[^\"]*\"|/\S+|\d+", "*", refusal)[:160]
    if len(data) <= min(MAX_KEPT, len(tally.found.get(kind, b"." * MAX_KEPT))):
        tally.found[kind] = data
    return None


def _place(error):
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if f"{os.sep}tbpsbench{os.sep}" in frame.filename]
    frame = (ours or frames)[-1]
    return f"{type(error).__name__} in {Path(frame.filename).name}:{frame.lineno}"


class Maker:
    """Draws inputs of a target: one to three changes of an example, at places or in its bytes.

    Args:
        target: whose examples are changed.
        kept: inputs of earlier runs, changed byte by byte as well.
    """

    def __init__(self, target, kept=()):
        self.target, self.examples = target, target.examples()
        self.places = [places(value) if not isinstance(value, bytes) else [] for value in self.examples]
        self.encoded = [value if isinstance(value, bytes) else target.encode(value) for value in self.examples]
        self.kept = [data for data in kept if len(data) <= MAX_KEPT]
        self.odd = (*VALUES, *target.odd * (1 + len(VALUES) // max(len(target.odd), 1)))

    def nested(self, which, steps):
        """An example with changes at places; `steps` are (place, operation, odd value, other place) by number."""
        which %= len(self.examples)
        value, found = self.examples[which], self.places[which]
        if not found:
            return self.encoded[which]
        for place, operation, odd, other in steps:
            name = OPERATIONS[operation % len(OPERATIONS)]
            value = changed(value, found[place % len(found)], name, odd, found[other % len(found)])
        try:
            return self.target.encode(value)
        except (ValueError, TypeError, RecursionError, OverflowError):  # the change made nothing that could be a file
            return self.encoded[which]

    def raw(self, which, steps):
        """An example or kept input with changed bytes; `steps` are (operation, start, length, odd bytes) by number."""
        pool = [*self.encoded, *self.kept]
        data = pool[which % len(pool)]
        for operation, start, length, odd in steps:
            name = BYTE_OPERATIONS[operation % len(BYTE_OPERATIONS)]
            data = changed_bytes(data, name, start, length, odd, pool[length % len(pool)])
        return data

    def draw(self, rng):
        """The next input."""
        changes = range(rng.choice((1, 1, 1, 2, 3)))

        def number():
            return rng.getrandbits(30)

        if any(self.places) and rng.random() < 0.75:
            return self.nested(number(), [(number(), number(), rng.choice(self.odd), number()) for _ in changes])
        lengths = (1, 2, 4, 16, 200, 2**16, 2**31 - 1)
        return self.raw(number(), [(number(), number(), rng.choice(lengths), rng.choice(ODD_BYTES)) for _ in changes])


def kept_inputs(corpus, name):
    """Inputs of a target in the corpus, in a fixed order."""
    return [path.read_bytes() for path in sorted((Path(corpus) / name).glob("*"))]


def keep(corpus, name, data):
    """Put an input into the corpus, called by its hash; returns its path."""
    path = Path(corpus) / name / hashlib.sha256(data).hexdigest()[:16]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def seeded(*parts):
    """A generator for whatever these parts name."""
    return random.Random(":".join(map(str, parts)))
