"""The contracts of data sets and caption sources can fail: each is shown one that breaks a promise."""

import json
from dataclasses import replace

import pytest
from PIL import Image

from tbpsbench import testing
from tbpsbench.annotations import write_annotations
from tbpsbench.captions.base import CaptionSource
from tbpsbench.data.base import PersonSearchDataset
from tbpsbench.reading import read_lines
from tbpsbench.registry import CAPTION_SOURCES, DATASETS
from tbpsbench.types import Caption


def subclass(base, **attributes):
    return type("Toy", (base,), attributes)


class Folder(PersonSearchDataset):
    """A file with a line for each image: keeps every promise."""

    name = "Toy"

    def prepare(self, *, splits_file=None, allow_partial=False):
        lines = read_lines(self.root / "list.txt")
        records = [
            replace(record, file=line, captions=(Caption(f"a person in {line}", "query", n, "human", "test", n),))
            for n, (line, record) in enumerate(zip(lines, testing.toy_records(), strict=False))
        ]
        return write_annotations(self.root / "human.jsonl", self.name, "human", self.changed(records))

    def changed(self, records):
        return records


@pytest.fixture
def release(tmp_path):
    """Two images and their list."""
    (tmp_path / "images").mkdir()
    for name in ("a.png", "b.png"):
        Image.new("RGB", (4, 8)).save(tmp_path / "images" / name)
    (tmp_path / "list.txt").write_text("a.png\nb.png\n")
    return tmp_path


def test_sound_data_set_passes(register, release):
    loaded = testing.check_dataset({**register(DATASETS, Folder), "root": str(release)})
    assert [record.file for record in loaded.records] == ["a.png", "b.png"]


def elsewhere(self, **options):
    return Folder.prepare(self, **options).rename(self.root / "other.jsonl")


def counted(self, records):
    self.times = getattr(self, "times", 0) + 1
    return [replace(record, camera=self.times) for record in records]


def renamed(self, **options):
    path = Folder.prepare(self, **options)
    path.write_text(path.read_text().replace('"Toy"', '"Other"'))
    return path


def opened(self, **options):
    (self.root / "list.txt").read_text()
    return Folder.prepare(self, **options)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"prepare": elsewhere}, r"prepare returned .*other.jsonl, expected .*human.jsonl"),
        ({"prepare": renamed}, "annotations are of 'Other', expected the name 'Toy' in it"),
        ({"prepare": opened}, "without a release prepare raised FileNotFoundError.*; expected a DataError that says"),
        ({"changed": counted}, "a second call of prepare wrote another file, expected the same bytes"),
        (
            {"changed": lambda self, records: [replace(record, file=f"no-{record.file}") for record in records]},
            r"2 images cannot be used, e.g. \('no-a.png', 'missing'\), expected all below",
        ),
        (
            {"changed": lambda self, records: [replace(record, captions=()) for record in records]},
            "no caption has the role 'query', expected some to ask with",
        ),
        ({"load": lambda self, captions="human": []}, "load returned list, expected Annotations"),
        ({"population": ""}, "population is empty, expected a name of the people"),
    ],
)
def test_broken_data_set_is_caught(register, release, attributes, message):
    config = register(DATASETS, subclass(Folder, **attributes))
    with pytest.raises(AssertionError, match=message):
        testing.check_dataset({**config, "root": str(release)})


def test_data_set_whose_annotations_contradict_themselves_is_caught(register, release):
    def load(self, captions="human"):
        found = Folder.load(self, captions)
        return replace(found, records=(*found.records, found.records[0]))

    with pytest.raises(AssertionError, match=r"contradict themselves, expected sound ones:\n.*image_id must be 2"):
        testing.check_dataset({**register(DATASETS, subclass(Folder, load=load)), "root": str(release)})


@pytest.fixture
def folder(release):
    """A data set that is ready."""
    dataset = Folder(str(release))
    dataset.prepare()
    return dataset


class Told(CaptionSource):
    """The data set's captions and what the hair looks like: keeps every promise."""

    name, roles = "told", ("query", "hair")

    def load(self, dataset):
        found = dataset.load()
        return replace(found, records=tuple(map(self.changed, found.records)))

    def changed(self, record):
        hair = Caption("dark hair", "hair", record.image_id, "toy", record.split, record.image_id)
        return replace(record, captions=(*record.captions, hair))


def test_sound_caption_source_passes(register, folder):
    assert len(testing.check_caption_source(register(CAPTION_SOURCES, Told), folder).records) == 2


def fewer(self, dataset):
    found = Told.load(self, dataset)
    return replace(found, records=found.records[:1])


def unlike(self, dataset):
    self.times = getattr(self, "times", 0) + 1
    found = Told.load(self, dataset)
    return replace(found, records=tuple(replace(record, camera=self.times) for record in found.records))


def half(self, dataset):
    found = Told.load(self, dataset)
    bare = replace(found.records[1], captions=found.records[1].captions[1:])
    return replace(found, records=(found.records[0], bare))


def one_number(self, record):
    return Told.changed(self, replace(record, captions=tuple(replace(c, caption_id=0) for c in record.captions)))


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"name": ""}, "name is empty, expected the name of the annotation file"),
        ({"roles": ("hair",)}, r"roles is \('hair',\), expected 'query' among them"),
        ({"roles": ("query", "hat")}, r"captions have the roles \['hair', 'query'\], expected \['hat', 'query'\]"),
        ({"load": fewer}, "its 1 images are not the 2 of the data set, expected the same"),
        ({"load": unlike}, "a second load gave other captions, expected equal ones"),
        ({"load": half}, r"1 images have no query, e.g. \['b.png'\], expected one where there are captions"),
        ({"load": lambda self, dataset: dataset}, "load returned Folder, expected Annotations"),
        ({"changed": one_number}, "two queries have one caption_id, expected a number for each"),
    ],
)
def test_broken_caption_source_is_caught(register, folder, attributes, message):
    with pytest.raises(AssertionError, match=message):
        testing.check_caption_source(register(CAPTION_SOURCES, subclass(Told, **attributes)), folder)


def test_data_set_of_a_caption_source_may_be_a_component(register, tmp_path, folder):
    component = {**register(DATASETS, subclass(Folder)), "root": str(tmp_path)}
    testing.check_caption_source({"type": "human"}, component)
    assert json.loads((tmp_path / "human.jsonl").read_text().splitlines()[0])["dataset"] == "Toy"
