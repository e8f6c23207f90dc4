import json
from pathlib import Path

import pytest

from tbpsbench.annotations import counts, record_problems
from tbpsbench.data.carving import carved_sha256, is_carved
from tbpsbench.data.icfg_pedes import ICFGPEDES
from tbpsbench.data.texts import records_of
from tbpsbench.errors import DataError


@pytest.fixture
def root(tmp_path):
    """60 training and 5 test identities."""
    made = [
        {"id": pid, "file_path": f"{pid}.jpg", "captions": [f"person {pid}"], "split": "train" if pid < 60 else "test"}
        for pid in range(65)
    ]
    (tmp_path / "ICFG-PEDES.json").write_text(json.dumps(made))
    ICFGPEDES(root=str(tmp_path)).prepare(allow_partial=True)
    return str(tmp_path)


def test_official_splits_stay_unless_asked(root):
    assert ICFGPEDES(root=root).load().splits() == ["train", "test"]


def test_carved_identities_leave_training_and_test_is_untouched(root):
    before, after = ICFGPEDES(root=root).load(), ICFGPEDES(root=root, val_carve=True).load()
    carved = {record.pid for record in after.split("val-carved")}
    assert carved == {pid for pid in range(60) if is_carved(pid)} != set()
    assert {record.pid for record in after.split("train")} == set(range(60)) - carved
    assert after.split("test") == before.split("test")
    assert {caption.split for record in after.split("val-carved") for caption in record.captions} == {"val-carved"}
    assert record_problems(after.records) == []


def test_header_lists_the_carved_identities_by_hash(root):
    found = ICFGPEDES(root=root, val_carve=True).load()
    note = found.header["notes"]["val-carved"]
    assert note["sha256"] == carved_sha256(record.pid for record in found.split("val-carved"))
    assert found.header["counts"] == counts(found.records)


def test_the_carve_of_the_official_identities_is_fixed():
    pids = [pid for pid in range(3102) if is_carved(pid)]
    assert len(pids) == 169
    assert carved_sha256(pids) == "b23d3540a27e37696b7956670df7eaf272a5c20ec2beee7e42022f064989ff7a"


def test_asking_for_validation_without_the_carve_names_it(root):
    with pytest.raises(DataError, match=r"val_carve=True creates 'val-carved'.*evaluation\.selection='last'"):
        records_of(ICFGPEDES(root=root).load(), "val")


def test_a_carve_that_moved_nobody_is_told_as_such(root):
    path = Path(root) / "ICFG-PEDES.json"
    items = [item for item in json.loads(path.read_text()) if not (item["split"] == "train" and is_carved(item["id"]))]
    path.write_text(json.dumps(items[-8:]))
    ICFGPEDES(root=root).prepare(allow_partial=True)
    with pytest.raises(DataError, match=r"moved no identity: .*, and 3 are too few.*selection='last'") as error:
        records_of(ICFGPEDES(root=root, val_carve=True).load(), "val-carved")
    assert "val_carve=True" not in str(error.value)
