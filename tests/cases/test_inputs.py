"""Every odd input that a user or a stranger can hand over ends in a documented error, or is taken as it is meant."""

import json

import pytest
from cases import each_case, refusal, written

from tbpsbench.annotations import read_annotations, write_annotations
from tbpsbench.config.check import require_valid
from tbpsbench.config.dump import render
from tbpsbench.config.flat import explain, fingerprint
from tbpsbench.config.literal import parse_value
from tbpsbench.config.load import load_config
from tbpsbench.config.settings import Settings
from tbpsbench.data.cuhk_pedes import CUHKPEDES
from tbpsbench.data.images import DecodedImages
from tbpsbench.errors import CheckpointError, ConfigError, DataError

DEMO = "configs/mini/two-tower_mini-pedes.py"


def text_of(case):
    """What a case of text stands for: such cases hold the text as JSON, since some of it no file could hold."""
    raw = case.read_text(encoding="utf-8")
    try:
        return json.loads(raw)
    except json.JSONDecodeError:
        return written(case)


def use_config(path, folder, overrides=()):
    """All that the tools do with a config before they read data: check, explain, fingerprint, write, read again."""
    config = load_config(path, overrides)
    require_valid(config)
    explain(config)
    values = Settings.of(config.values).values()
    again = folder / "again.py"
    again.write_text(render(values), encoding="utf-8")
    assert fingerprint(load_config(again).values) == fingerprint(values)


def require(error, kind):
    assert error is None or isinstance(error, kind), error


@each_case("config-text", "config-values")
def test_config_files(case, tmp_path):
    text = text_of(case)
    path = tmp_path / "odd.py"
    path.write_bytes(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else render(text).encode())
    require(refusal(use_config, path, tmp_path), ConfigError)


@each_case("config-override")
def test_overrides(case, tmp_path):
    require(refusal(use_config, DEMO, tmp_path, text_of(case)), ConfigError)


@each_case("config-parse_value")
def test_values_of_overrides(case):
    require(refusal(parse_value, text_of(case)), ConfigError)


@each_case("annotations-bytes", "annotations-roundtrip")
def test_annotation_files_that_are_read_can_be_written_and_read_again(case, tmp_path):
    def there_and_back():
        found = read_annotations(case)
        path = write_annotations(
            tmp_path / "again.jsonl",
            found.dataset,
            found.source,
            found.records,
            images=found.header["images"],
            made_from=found.header.get("made_from"),
            notes=found.header.get("notes"),
        )
        assert read_annotations(path).records == found.records

    require(refusal(there_and_back), DataError)


@each_case("official-bytes", "official-json")
def test_releases(case, tmp_path):
    (tmp_path / "reid_raw.json").write_bytes(case.read_bytes())
    error = refusal(CUHKPEDES(str(tmp_path)).prepare, allow_partial=True)
    require(error, DataError)
    assert (error is None) == (tmp_path / "human.jsonl").exists()


@each_case("images")
def test_images(case):
    images = DecodedImages(case.parent, [case.name], (16, 8))
    error = refusal(images.__getitem__, 0)
    require(error, DataError)
    assert error is None or case.name in str(error)


@pytest.mark.parametrize("text", ["\x00", "a\ud800", "x" * 5000, "~nobody-of-this-name/x"])
def test_names_that_no_file_can_have_are_refused_wherever_a_path_is_given(text, tmp_path):
    from tbpsbench.engine.workdir import WorkDir
    from tbpsbench.weights.files import read_state_dict

    assert isinstance(refusal(load_config, text), DataError | ConfigError)
    assert isinstance(refusal(CUHKPEDES, text), DataError)
    assert isinstance(refusal(WorkDir, text), DataError)
    assert isinstance(refusal(read_state_dict, text), CheckpointError)
