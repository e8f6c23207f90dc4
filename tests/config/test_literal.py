"""Configs that no program should fall over: what is not data, what is no number of ours, and nests of files."""

import pytest
from cases import refusal, within_limits

from tbpsbench.config.check import check
from tbpsbench.config.literal import parse_value
from tbpsbench.config.load import Config, load_config
from tbpsbench.errors import ConfigError

DEMO = "configs/mini/two-tower_mini-pedes.py"


def config(folder, text, name="a.py"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed = -True", "'-True' is not data"),
        ("seed = --1", "is not data"),
        ("seed = -'a'", "is not data"),
        ("seed = ...", "is not data"),
        ("seed = 1j", "is not data"),
        ("name = b'x'", "is not data"),
        ("name = f'{1}'", "is not data"),
        ("hooks = dict(**{})", "is not data"),
        ("hooks = {1: 2}", "keys of a dict in a config are strings"),
        ("seed = 0b" + "1" * 20_000, "a number of 20000 bits does not fit into 64"),
        ("seed = " + "1" * 5000, "does not fit into 64 bits"),
        ("seed = 1e999", "a number is too large"),
        ("name = '\\ud800'", r"the lone surrogate U\+D800"),
        ("hooks = {'\\0': 1}", "a NUL character"),
        ("hooks = dict(a=1, a=2)", "the key 'a' is set twice"),
        ("hooks = {'b': 1, 'b': 2}", "the key 'b' is set twice"),
        ("seed = 1\nseed = 2", "seed is set twice"),
        ("hooks = " + "[" * 60 + "]" * 60, "nested deeper than 30 levels"),
        ("seed = " + "not " * 3000 + "1", "not a config: nested without end|is not data"),
        ("seed = " + "-" * 5000 + "1", "not a config: nested without end|is not data"),
        ("seed = " + "(" * 100_000, "not valid Python"),
        (b"name = '\xff'", "a.py:1: not a text file in UTF-8"),
        (b"name = 'a\0'", "a.py:1: holds a NUL"),
        ("#" * 300_000, "has 300000 bytes, more than"),
    ],
)
def test_what_no_config_holds_is_refused_with_its_line(tmp_path, text, message):
    error = refusal(load_config, config(tmp_path, text))
    assert isinstance(error, ConfigError)
    with pytest.raises(ConfigError, match=message):
        raise error


def test_an_override_that_is_no_data_is_text_and_one_that_no_config_holds_is_refused():
    assert parse_value("lambda: 0") == "lambda: 0"
    assert parse_value("--1") == "--1"
    assert parse_value("-" * 5000) == "-" * 5000
    assert parse_value("/data/CUHK-PEDES") == "/data/CUHK-PEDES"
    for text in ("0x" + "f" * 4000, "1" * 5000, "dict(a=1, a=2)", "[" * 50 + "]" * 50, "'\\ud800'", "a\udcff"):
        assert isinstance(refusal(parse_value, text), ConfigError), text[:20]


def test_a_fan_out_of_bases_is_read_once_each_and_a_long_one_is_refused(tmp_path):
    for number in range(40):
        config(
            tmp_path, f"_base_ = ['{number + 1}.py', '{number + 1}.py']\nhooks = dict(a{number}=None)", f"{number}.py"
        )
    config(tmp_path, "seed = 1", "40.py")
    with within_limits():
        assert len(load_config(tmp_path / "0.py").values["hooks"]) == 40
    for number in range(40, 300):
        config(tmp_path, f"_base_ = '{number + 1}.py'", f"{number}.py")
    config(tmp_path, "seed = 1", "300.py")
    assert "more than 100 files" in str(refusal(load_config, tmp_path / "0.py"))


def test_links_that_lead_back_end_in_an_error(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "self.py").symlink_to(tmp_path / "self.py")
    (tmp_path / "again.py").symlink_to(tmp_path / "b.py")
    for base in ("loop/a.py", "loop/loop/loop/a.py", "b.py"):
        config(tmp_path, f"_base_ = '{base}'")
        config(tmp_path, "_base_ = 'again.py'", "b.py")
        assert "leads back to itself" in str(refusal(load_config, tmp_path / "a.py"))
    assert isinstance(refusal(load_config, tmp_path / "self.py"), ConfigError)
    config(tmp_path, "_base_ = 'self.py'")
    assert isinstance(refusal(load_config, tmp_path / "a.py"), ConfigError)


def test_two_folders_that_are_one_do_not_multiply_the_files(tmp_path):
    (tmp_path / "l").symlink_to(tmp_path)
    (tmp_path / "r").symlink_to(tmp_path)
    for number in range(30):
        config(tmp_path, f"_base_ = ['l/{number + 1}.py', 'r/{number + 1}.py']", f"{number}.py")
    config(tmp_path, "seed = 1", "30.py")
    assert "more than 100 files" in str(refusal(load_config, tmp_path / "0.py"))


def test_many_values_are_merged_in_little_time(tmp_path):
    config(tmp_path, "hooks = dict(\n" + "".join(f"a{number}=1,\n" for number in range(20_000)) + ")")
    with within_limits():
        assert len(load_config(tmp_path / "a.py").origins) == 20_001


@pytest.mark.parametrize(
    ("override", "place"),
    [
        ("model.losses.tse.type=['a']", "model.losses.tse"),
        ("evaluation.type=x", "evaluation.type"),
        ("runtime.type=RuntimeSection", "runtime.type"),
        ("schedule.milestones=('a',)", "schedule.milestones"),
        ("evaluation.protocols=(1, [2])", "evaluation.protocols"),
        ("model.heads={'a.b': dict(type='GlobalHead')}", "model.heads.a.b"),
        ("model.heads={'keys': dict(type='GlobalHead')}", "model.heads.keys"),
        ("optimizer.lr=True", "optimizer.lr"),
        ("seed=True", "seed"),
    ],
)
def test_values_that_would_break_what_comes_after_are_problems_of_their_place(override, place):
    assert place in [problem.path for problem in check(load_config(DEMO, [override]))]


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 300, 3, None])
def test_a_name_must_be_one_that_tables_and_folders_can_show(name):
    values = {**load_config(DEMO).values, "name": name}
    assert [problem.path for problem in check(Config(None, values))] == ["name"]


@pytest.mark.parametrize("key", ["data.transforms.²", "data.transforms." + "1" * 5000, "data.size.0", "\ud800", "a..b"])
def test_places_that_do_not_exist_are_refused(key):
    assert isinstance(refusal(load_config, DEMO, [f"{key}=1"]), ConfigError)


def test_problems_of_endless_values_stay_readable(tmp_path):
    from tbpsbench.config.check import report

    found = load_config(DEMO, ["model.losses.itc.type=" + "x" * 50_000])
    assert len(report(found, check(found))) < 5000
