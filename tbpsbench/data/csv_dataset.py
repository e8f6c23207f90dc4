"""Own pictures as a data set: a CSV file with one row per caption, such as a spreadsheet writes.

    file,pid,split,caption,camera
    anna/1.jpg,7,test,a woman in a red coat,2
    anna/1.jpg,7,test,a woman with a black backpack,2
    anna/2.jpg,7,test,,1

Rows of one file are one image with several captions, so that each image enters the gallery once; a row without a
caption is an image that nobody describes.
"""

from __future__ import annotations

import csv
import io
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from tbpsbench.annotations import Annotations, counts, raise_problems, record_problems, write_annotations
from tbpsbench.data.base import PersonSearchDataset
from tbpsbench.errors import DataError
from tbpsbench.files import sha256_bytes, sha256_file
from tbpsbench.locking import exclusive
from tbpsbench.reading import INT64, read_jsonl, read_text, shown
from tbpsbench.registry import DATASETS
from tbpsbench.types import Caption, ImageRecord

NEEDED, OPTIONAL = ("file", "pid", "split", "caption"), ("camera",)
NAME_DIGITS = 12  # hexadecimal, of an identity's number that is made from its name


@dataclass(frozen=True)
class Row:
    """One row: what it says, and the number of its line in the file."""

    line: int
    file: str
    pid: str
    split: str
    caption: str
    camera: int | None


@DATASETS.register()
class CSVDataset(PersonSearchDataset):
    """A CSV file in UTF-8 with a header; the annotations are made from it on first use, and again when it changes.

    Tables call the data set by the file's name, so give every set a name of its own. Identities that are not all whole
    numbers get the numbers that a hash makes of their names.

    Args:
        root: holds the CSV file and the pictures.
        file: name of the CSV file.
        images: folder below `root` that the column `file` is relative to.
        columns: our name -> the file's, for columns that are called otherwise: file, pid, split (train, val or test;
            val-... or test-... for images that a protocol adds), caption, and if there is one camera.
        delimiter: between two values; ";" for spreadsheets of some countries.

    Raises:
        ValueError: if `columns` names something else, `delimiter` is not one character, or `file` has a folder.
    """

    name: ClassVar[str] = "CSV"

    def __init__(
        self,
        root: str,
        file: str,
        images: str = "images",
        columns: dict[str, str] | None = None,
        delimiter: str = ",",
    ) -> None:
        super().__init__(root)
        if unknown := [key for key in columns or {} if key not in (*NEEDED, *OPTIONAL)]:
            raise ValueError(f"columns names {', '.join(map(repr, unknown))}; there are {', '.join(NEEDED + OPTIONAL)}")
        if len(delimiter) != 1 or delimiter in '\r\n"':
            raise ValueError(f"delimiter is {delimiter!r}, expected one character")
        if Path(file).name != file:
            raise ValueError(f"file is {file!r}, expected the name of a file in root")
        self.source, self.images, self.delimiter = self.root / file, images, delimiter
        self.columns = {key: (columns or {}).get(key, key) for key in (*NEEDED, *OPTIONAL)}

    @property
    def title(self) -> str:
        return f"{self.source.stem} ({self.name})"

    @property
    def population(self) -> str:
        """Equal numbers mean one person in files of one name; files of two names are taken for different people."""
        return self.title

    def prepare(
        self, *, splits_file: str | Path | None = None, allow_partial: bool = False, allow_missing: bool = False
    ) -> Path:
        if splits_file is not None or allow_partial or allow_missing:
            raise DataError(
                "a CSV file has its own splits and no official counts, and rows of images that are not there can be "
                "removed: leave out --splits, --allow-partial and --allow-missing"
            )
        path = self.root / "human.jsonl"
        if not self.source.is_file():
            raise DataError(f"{shown(self.source)}: no such file")
        told = self._made_from(path) if path.is_file() else None
        if told is not None and told.get("file") != self.source.name:
            raise DataError(
                f"{path}: was not made from {self.source.name}. A folder holds one data set: move the CSV file and its "
                "pictures to a folder of their own; if the CSV file was renamed, delete human.jsonl."
            )
        source = self._source()
        rows = list(read_rows(self.source, self.columns, self.delimiter))
        raise_problems(self.source, contradictions(rows))
        records = to_records(rows)
        raise_problems(self.source, record_problems(records))
        if self._source() != source:
            raise DataError(f"{shown(self.source)}: was changed while it was read. Start again.")
        made_from = {**source, "counts": counts(records)}
        return write_annotations(path, self.title, "human", records, images=self.images, made_from=made_from)

    def prepared(self, splits_file: str | Path | None = None) -> Annotations | None:
        return self._if_made_from(self._source()) if self.source.is_file() and splits_file is None else None

    def load(self, captions: str = "human") -> Annotations:
        """Read the annotation file of one caption source; "human" is made from the CSV file if it is not up to date.

        Raises:
            DataError: if the CSV file or an annotation file is missing or damaged, or the CSV file is gone and the
                annotation file was made from another one.
        """
        path = self.root / "human.jsonl"
        if path.is_file() and not self.source.is_file():
            self._require_made_from_it(path)
        if captions == "human" and self.source.is_file() and not self._up_to_date():
            with exclusive(self.root / ".csv.lock"):  # the processes of one run all come here
                if not self._up_to_date():
                    self.prepare()
        return super().load(captions)

    def _require_made_from_it(self, path: Path) -> None:
        told = self._made_from(path)
        for key, value in self._reading().items():
            if told is not None and told.get(key) != value:
                raise DataError(
                    f"{shown(self.source)}: no such file; {shown(path)} was made with {key} {told.get(key)!r:.120}, "
                    f"not {value!r:.120}. Correct data.dataset.{key}, or bring the CSV file back."
                )

    def how_to_make(self, captions: str) -> str:
        if captions == "human":
            return f"It is made from {shown(self.source)}, which is not there."
        return super().how_to_make(captions)

    def _up_to_date(self) -> bool:
        path = self.root / "human.jsonl"
        told = self._made_from(path) if path.is_file() else None
        return told is not None and all(told.get(key) == value for key, value in self._source().items())

    def _source(self) -> dict[str, object]:
        """The file and how it is read, as the header of the annotations keeps it."""
        return {**self._reading(), "sha256": sha256_file(self.source)}

    def _reading(self) -> dict[str, object]:
        return {
            "file": self.source.name, "columns": self.columns, "delimiter": self.delimiter, "images": self.images,
        }  # fmt: skip

    @staticmethod
    def _made_from(path: Path) -> Mapping[str, object] | None:
        """What the header says; None if the first line is damaged, so that nothing is known."""
        try:
            _, header = next(read_jsonl(path), (0, None))
        except DataError:
            return None
        if not isinstance(header, dict):
            return None
        made = header.get("made_from")
        return made if isinstance(made, dict) else {}


def read_rows(source: Path, columns: Mapping[str, str], delimiter: str) -> Iterator[Row]:
    """The rows of a CSV file.

    Args:
        source: the file.
        columns: our name -> the file's.
        delimiter: between two values.

    Raises:
        DataError: if it cannot be read, lacks a column, or rows are not sound; names the lines.
    """
    reader = csv.reader(io.StringIO(read_text(source), newline=""), delimiter=delimiter, strict=True)
    rows: list[Row] = []
    problems: list[str] = []
    try:
        header = [name.strip() for name in next(reader, [])]
        place = _places(source, header, columns, delimiter)
        for values in reader:
            if not any(map(str.strip, values)):
                continue  # an empty line
            if len(values) != len(header):
                problems.append(f"line {reader.line_num}: {len(values)} values, the header has {len(header)}")
                continue
            told = {key: values[index].strip() for key, index in place.items()}
            problems += [f"line {reader.line_num}: {key} is empty" for key in ("file", "pid", "split") if not told[key]]
            camera = told.pop("camera", "")
            if camera and not _is_number(camera):
                problems.append(f"line {reader.line_num}: camera is {camera!r:.60}, expected a whole number")
            elif told["file"]:
                told["file"] = posixpath.normpath(told["file"])  # ./a.jpg and a.jpg are one image
                rows.append(Row(reader.line_num, **told, camera=int(camera) if camera else None))
    except csv.Error as error:
        raise DataError(f"{shown(source)}:{reader.line_num}: not valid CSV ({error})") from None
    raise_problems(source, problems)
    if not rows:
        raise DataError(f"{shown(source)}: holds no rows below its header")
    yield from rows


def _places(source: Path, header: list[str], columns: Mapping[str, str], delimiter: str) -> dict[str, int]:
    missing = [columns[key] for key in NEEDED if columns[key] not in header]
    if missing:
        raise DataError(
            f"{shown(source)}:1: no column {', '.join(map(repr, missing))}. The header has: "
            f"{', '.join(map(repr, header[:12])) or 'nothing'}. Name the columns, columns=dict(file='...', ...), or "
            f"what separates them: delimiter is {delimiter!r}."
        )
    if twice := sorted({name for name in columns.values() if header.count(name) > 1}):
        raise DataError(f"{shown(source)}:1: the column {twice[0]!r} is there twice")
    return {key: header.index(name) for key, name in columns.items() if name in header}


def contradictions(rows: list[Row]) -> list[str]:
    """Rows of one image that differ in what an image has once."""
    first: dict[str, Row] = {}
    problems = []
    for row in rows:
        known = first.setdefault(row.file, row)
        for key in ("pid", "split", "camera"):
            one, other = getattr(known, key), getattr(row, key)
            if one != other:
                problems.append(
                    f"line {row.line}: {row.file!r:.80} has {key} {other!r:.40}, in line {known.line} {one!r:.40}"
                )
    return problems


def to_records(rows: list[Row]) -> list[ImageRecord]:
    """One record per image, in the order of first appearance, with the captions of all its rows."""
    number = _numbers(rows)
    images: dict[str, list[Row]] = {}
    for row in rows:
        images.setdefault(row.file, []).append(row)
    records: list[ImageRecord] = []
    caption_id = 0
    for image_id, (file, own) in enumerate(images.items()):
        texts = [row.caption for row in own if row.caption]
        captions = tuple(
            Caption(text, "query", image_id, "human", own[0].split, caption_id + position)
            for position, text in enumerate(texts)
        )
        caption_id += len(texts)
        pid, camera = number[own[0].pid], own[0].camera
        records.append(ImageRecord(image_id, file, pid, own[0].split, captions, camera=camera))
    return records


def _numbers(rows: list[Row]) -> dict[str, int]:
    """The identities' own numbers if all are numbers; else such as their names alone decide.

    So the leak guard knows a person again in another file, whatever the order of its rows.
    """
    names = list(dict.fromkeys(row.pid for row in rows))
    if all(map(_is_number, names)):
        return {name: int(name) for name in names}
    number = {name: int(sha256_bytes(name.encode())[:NAME_DIGITS], 16) for name in names}
    if len({*number.values()}) < len(number):
        raise DataError("two identities have names of one hash: rename one of them")
    return number


def _is_number(text: str) -> bool:
    """Whether a text is a whole number of 64 bits in its only spelling: 007 is another identity than 7."""
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) < 20 and str(int(text)) == text and int(text) in INT64
