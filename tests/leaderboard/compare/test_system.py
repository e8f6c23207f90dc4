"""Which records a name stands for, as `leaderboard.py compare A B` looks them up."""

import shutil

import pytest

from tbpsbench.errors import DataError
from tbpsbench.leaderboard.compare.system import find_system

from ..factory import edit, imagine, make


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """One system with one record."""
    root = tmp_path_factory.mktemp("shelf")
    make(root / "run", imagine(root / "data", identities=3), name="u-a")
    shutil.copytree(root / "run" / "record", root / "records" / "first")
    return root / "records"


@pytest.fixture
def records(shelf, tmp_path):
    return shutil.copytree(shelf, tmp_path / "records")


def put(records, folder, data, trained_on="unknown"):
    """A copy of the record that says that it is of other data, or that its model was trained on them."""
    if not (records / folder).exists():
        shutil.copytree(records / "first", records / folder)
    edit(records / folder, lambda record: record["spec"].update(data=data, trained_on=trained_on))


@pytest.mark.parametrize("trained_on", ["unknown", "CUHK-PEDES and the web", "MiniPEDES"])
def test_the_only_data_set_is_meant_whatever_the_training_data_are_called(records, trained_on):
    put(records, "first", "MiniPEDES", trained_on)
    assert find_system("u-a", records) == [records / "first"]
    assert find_system("u-a", records, "MiniPEDES") == [records / "first"]


def test_of_several_the_one_that_it_was_trained_on_is_meant(records):
    put(records, "first", "MiniPEDES", "MiniPEDES")
    put(records, "second", "Other", "MiniPEDES")
    assert find_system("u-a", records) == [records / "first"]
    assert find_system("u-a", records, "Other") == [records / "second"]


def test_where_nothing_chooses_among_several_data_is_asked_for(records):
    put(records, "first", "MiniPEDES")
    put(records, "second", "Other")
    with pytest.raises(DataError, match=r"records of 'u-a' on 2 data sets\. Name the data with --data: MiniPEDES, Oth"):
        find_system("u-a", records)
    assert find_system("u-a", records, "Other") == [records / "second"]


def test_a_name_that_is_there_is_not_suggested(records):
    with pytest.raises(DataError, match=r"no record of 'u-a' on 'Mini'\. Name the data with --data: MiniPEDES$"):
        find_system("u-a", records, "Mini")
    with pytest.raises(DataError, match=r"no record of 'u-b'\. Did you mean 'u-a'\? There are: u-a on MiniPEDES"):
        find_system("u-b", records)
