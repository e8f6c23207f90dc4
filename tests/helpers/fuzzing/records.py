"""Targets that are records: the JSON read, checked, verified alone and in a group, diagnosed, and made into rows."""

import importlib.util
import io
import json
import shutil
import sys
import zipfile
from contextlib import redirect_stderr, redirect_stdout
from functools import cache

import numpy as np

from fuzzing.target import Target
from fuzzing.texts import ROOT, written
from fuzzing.values import as_json
from tbpsbench.leaderboard.doctor.doctor import doctor
from tbpsbench.leaderboard.verify.group import verify_all
from tbpsbench.leaderboard.verify.record import verify
from tbpsbench.records.evidence import EVIDENCE, read_evidence
from tbpsbench.records.names import record_folder
from tbpsbench.records.read import RECORD, read_record
from tbpsbench.records.schema import schema_problems
from tbpsbench.records.table import print_record

RECORDS = ROOT / "benchmarks" / "records"


@cache
def _folders():
    """The smallest committed record of every data set."""
    found = [min(data.rglob(RECORD), key=lambda path: path.stat().st_size).parent for data in sorted(RECORDS.iterdir())]
    assert found
    return found


def _records():
    return [json.loads((folder / RECORD).read_text(encoding="utf-8")) for folder in _folders()]


def _placed(data, folder):
    """A folder of two records: the odd one, and the one that it was made from."""
    root = folder / "records"
    for name in ("a", "b"):
        if not (root / name).exists():
            shutil.copytree(_folders()[0], root / name)
    written(data, root / "a", RECORD)
    return root


def _schema(data, folder):
    record = read_record(written(data, folder, RECORD))
    if not schema_problems(record):
        record_folder(record)


def _verify(data, folder):
    verify(_placed(data, folder) / "a", data=None).report()


def _group(data, folder):
    verify_all(_placed(data, folder), data=None).report()


def _doctor(data, folder):
    str(doctor(_placed(data, folder)).report())


@cache
def _tool():
    spec = importlib.util.spec_from_file_location("fuzzed_leaderboard", ROOT / "tools" / "leaderboard.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _render(data, folder):
    """As a user runs it: what cannot be shown is refused, or left out and named."""
    arguments = ["leaderboard", "render", str(_placed(data, folder)), "--out", str(folder / "board")]
    old, sys.argv = sys.argv, arguments
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            _tool().main()
    finally:
        sys.argv = old


def _table(data, folder):
    record = read_record(written(data, folder, RECORD))
    if not schema_problems(record):
        from rich.console import Console

        print_record(record, folder / RECORD, Console(file=io.StringIO()))


def _npz(arrays, compress=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compress) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, array)
            archive.writestr(f"{name}.npy", member.getvalue())
    return buffer.getvalue()


def _evidence():
    """Committed ranks, a small one of them not compressed, so that changed bytes reach the headers and the numbers."""
    raw = (_folders()[0] / EVIDENCE).read_bytes()
    with np.load(io.BytesIO(raw)) as arrays:
        whole = {name: arrays[name] for name in arrays.files}
    protocol = next(iter(whole)).rpartition("/")[0]
    own = {name: array for name, array in whole.items() if name.startswith(f"{protocol}/")}
    return [raw, _npz(own, zipfile.ZIP_STORED), _npz(own)]


TARGETS = (
    Target("record-schema", _records, _schema, as_json),
    Target("record-table", _records, _table, as_json),
    Target("record-verify", _records, _verify, as_json),
    Target("record-group", _records, _group, as_json),
    Target("record-doctor", _records, _doctor, as_json),
    Target("record-render", _records, _render, as_json),
    Target("evidence", _evidence, lambda data, folder: read_evidence(written(data, folder, EVIDENCE))),
)
