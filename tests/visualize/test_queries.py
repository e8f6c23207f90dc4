import numpy as np
import pytest

from tbpsbench.annotations import read_annotations
from tbpsbench.data.eval_set import QuerySet
from tbpsbench.data.texts import TextStore
from tbpsbench.data.tokenizers.wordpiece import WordPiece
from tbpsbench.errors import DataError
from tbpsbench.visualize.queries import by_caption, by_identity, pick_queries, told_choice, told_count


@pytest.fixture(scope="module")
def annotations(mini):
    return read_annotations(mini / "tiny-0" / "human.jsonl")


@pytest.fixture(scope="module")
def queries(annotations, tmp_path_factory):
    vocabulary = tmp_path_factory.mktemp("words") / "vocab.txt"
    vocabulary.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a"]) + "\n")
    return QuerySet(annotations, "test", TextStore(WordPiece(str(vocabulary), max_length=8)))


def test_captions_are_found_by_their_number_in_the_order_given(queries, annotations):
    ids = [int(queries.caption_ids[place]) for place in (5, 0, 5)]
    assert by_caption(queries, "test", ids, annotations) == [5, 0]


def test_an_unknown_caption_names_its_split_or_the_nearest(queries, annotations):
    with pytest.raises(
        DataError, match=r"--queries 0: the split 'test' has no query of this caption; it is in .*train"
    ):
        by_caption(queries, "test", [0], annotations)
    last = int(queries.caption_ids.max())
    with pytest.raises(DataError, match=rf"--queries 99999999: .* to {last}; the nearest is {last}$"):
        by_caption(queries, "test", [last, 99999999], annotations)


def test_an_identity_gives_all_its_queries(queries, annotations):
    pid = int(queries.pids[-1])
    found = by_identity(queries, "test", [pid], annotations)
    assert found == np.flatnonzero(queries.pids == pid).tolist()
    elsewhere = next(record.pid for record in annotations.split("train"))
    with pytest.raises(DataError, match=rf"--identities {elsewhere}: .*it is in the split train"):
        by_identity(queries, "test", [pid, elsewhere], annotations)
    with pytest.raises(DataError, match=rf"--identities 12345: .*the nearest is {int(queries.pids.max())}"):
        by_identity(queries, "test", [12345], annotations)


def test_queries_are_picked_by_how_well_they_did():
    first_P = np.array([0, 4, 0, 9, 0, 9, 1, 0])
    assert pick_queries(first_P, 4) == [0, 7, 1, 6]
    assert pick_queries(first_P, 99, "right") == [0, 2, 4, 7]
    assert pick_queries(first_P, 2, "wrong") == [1, 6]
    assert pick_queries(first_P, 3, "worst") == [3, 5, 1]
    assert pick_queries(first_P, 99) == [0, 2, 4, 7, 1, 3, 5, 6]
    assert pick_queries(np.zeros(3, int), 4) == [0, 1, 2]
    assert pick_queries(np.zeros(3, int), 4, "wrong") == []
    drawn = pick_queries(first_P, 4, "random", seed=1)
    assert drawn == pick_queries(first_P, 4, "random", seed=1)
    assert len({tuple(pick_queries(first_P, 4, "random", seed=seed)) for seed in range(5)}) > 1


@pytest.mark.parametrize(
    ("first_P", "rows", "show", "told"),
    [
        ([0, 4, 0, 9], 4, "mixed", "2 right, 2 wrong at rank 1, evenly spread"),
        ([3, 4, 5, 9], 3, "mixed", "3 wrong at rank 1; none is right"),
        ([0, 0], 8, "mixed", "2 right at rank 1; none is wrong"),
        ([0, 4, 0, 9], 1, "mixed", "1 right at rank 1, evenly spread"),
        ([0, 4, 0, 9], 9, "wrong", "2 wrong at rank 1, evenly spread"),
        ([0, 4, 0, 9], 2, "worst", "those whose first match comes last"),
        ([0, 4, 0, 9], 2, "random", "drawn with seed 5"),
    ],
)
def test_what_was_picked_is_told_as_it_is(first_P, rows, show, told):
    first_P = np.array(first_P)
    assert told_choice(first_P, pick_queries(first_P, rows, show, 5), show, 5) == told


def test_one_query_is_one():
    assert [told_count(count) for count in (1, 2, 1234)] == ["1 query", "2 queries", "1,234 queries"]


def test_more_queries_by_number_than_a_sheet_has_rows_are_refused(queries, annotations):
    with pytest.raises(DataError, match="--queries: 101 queries for one sheet, expected at most 100"):
        by_caption(queries, "test", range(101), annotations)
    again = [int(queries.caption_ids[0])] * 500
    assert by_caption(queries, "test", again, annotations) == [0]
