import zlib

import pytest
from PIL import Image

from tbpsbench.errors import ConfigError, DataError
from tbpsbench.records.read import read_record
from tbpsbench.visualize.paper import label
from tbpsbench.visualize.radar import Axis, radar_figure, read_radar, short

from ..leaderboard.factory import edit, imagine, make_seeds

FLOPS = {"image_flops": 3e6, "text_flops": 1e6}


@pytest.fixture(scope="module")
def imagined(tmp_path_factory):
    return imagine(tmp_path_factory.mktemp("imagined"))


@pytest.fixture
def records(tmp_path, imagined):
    """Make records of one system with these costs; the peak memory grows by a tenth with every seed."""

    def make(name="system", seeds=(0, 1), memory=None, **cost):
        folders = make_seeds(tmp_path / name, imagined, seeds, name=name, suite={"name": "s", "entry": name})
        for number, folder in enumerate(folders):
            held = {place: value * (1 + number / 10) for place, value in (memory or {"host": 2e9}).items()}
            edit(folder, lambda record, held=held: record["cost"].update(FLOPS | cost | {"peak_memory_bytes": held}))
        return folders

    return make


def test_half_of_an_axis_is_twice_the_cost_or_half_the_score():
    cost, gain = Axis("parameters", (2e6, 1e6, 4e6)), Axis("mAP", (20.0, 40.0), "%", cost=False)
    assert cost.scores == (50, 100, 25)
    assert gain.scores == (50, 100)
    assert [cost.at(score) for score in cost.scores] == list(cost.values)
    assert [gain.at(score) for score in gain.scores] == list(gain.values)
    assert Axis("mAP", (0.0, 0.0), "%", cost=False).scores == (0, 0)


def test_true_values_are_short_and_carry_their_unit():
    texts = [short(value) for value in (910464, 99.94e6, 99.96e6, 1.4172e9, 1)]
    assert texts == ["910 k", "99.9 M", "100 M", "1.42 G", "1.00 "]
    assert Axis("memory", (), "B").text(1.4172e9) == "1.42 GB"
    assert Axis("parameters", ()).text(1) == "1.00"
    assert Axis("mAP", (), "%").text(24.84) == "24.8 %"


def test_systems_are_means_over_their_seeds(records):
    small, large = records("small"), records("large", parameters=300, memory={"host": 4e9})
    radar = read_radar([*small, *large])
    assert radar.systems == ("large", "small")
    parameters, flops, memory, accuracy = radar.axes
    assert parameters.values == (300, 100)
    assert flops.values == (4e6, 4e6)
    assert memory.values == pytest.approx((4.2e9, 2.1e9))
    assert memory.scores == pytest.approx((50, 100))
    expected = [read_record(folder)["results"]["standard"]["scores"]["mAP"] for folder in small]
    assert accuracy.values[1] == pytest.approx(sum(expected) / 2)
    assert [axis.cost for axis in radar.axes] == [True, True, True, False]
    assert (memory.name, memory.unit) == ("peak process memory", "B")
    assert "libraries included" in radar.notes[0]


def test_a_folder_of_records_counts_every_record_once(records, tmp_path):
    first, _ = records("small")
    radar = read_radar([tmp_path / "small", first])
    assert [len(row.seeds) for row in radar.rows] == [2]
    with pytest.raises(DataError, match=r"no record.json in it or below"):
        read_radar([tmp_path / "small", (tmp_path / "empty").mkdir() or tmp_path / "empty"])


def test_memory_of_the_gpu_goes_first_and_is_not_mixed_with_the_process(records):
    on_gpu = records("gpu", memory={"host": 5e9, "gpu": 1e9})
    radar = read_radar(on_gpu)
    assert (radar.axes[2].name, radar.axes[2].values) == ("peak GPU memory", (pytest.approx(1.05e9),))
    other = records("cpu", seeds=(0,))
    with pytest.raises(DataError, match=r"cpu-0.*no cost.peak_memory_bytes.gpu, but .*gpu-0.* has it"):
        read_radar([*on_gpu, *other])


@pytest.mark.parametrize("key", ["parameters", "image_flops", "text_flops", "peak_memory_bytes"])
@pytest.mark.parametrize("value", [None, 0, {}])
def test_a_missing_value_names_record_and_key(records, key, value):
    good, bad = records("small")
    value = {"host": value} if key == "peak_memory_bytes" and value == 0 else value
    edit(bad, lambda record: record["cost"].update({key: value}))
    with pytest.raises(DataError, match=rf"{bad}/record.json: no cost.{key}"):
        read_radar([good, bad])


def test_a_protocol_that_was_not_measured_names_the_record_and_those_that_were(records):
    (folder,) = records("small", seeds=(0,))
    with pytest.raises(
        ConfigError,
        match=rf"--protocol standrad: {folder}/record.json has no such results. Did you mean 'standard'\? "
        r"There are: standard$",
    ):
        read_radar([folder], "standrad")
    edit(folder, lambda record: record["results"]["standard"]["scores"].pop("mAP"))
    with pytest.raises(DataError, match=rf"{folder}/record.json: no results.standard.scores.mAP"):
        read_radar([folder])


def test_different_data_and_too_many_systems_are_refused(records):
    (one,) = records("one", seeds=(0,))
    (two,) = records("two", seeds=(0,))
    edit(two, lambda record: record["spec"].update(data="Other"))
    with pytest.raises(DataError, match="different data: MiniPEDES, Other"):
        read_radar([one, two])
    many = [records(f"system-{number}", seeds=(0,))[0] for number in range(8)]
    with pytest.raises(
        DataError, match=r"8 systems, but only 7 can be distinguished. Pick some of: system-0; system-1"
    ):
        read_radar(many)


def test_rows_of_one_name_are_told_apart(records):
    plain, abroad = records("system", seeds=(0, 1))
    edit(abroad, lambda record: record["spec"].update(trained_on="Elsewhere"))
    assert set(read_radar([plain, abroad]).systems) == {"system", "system, trained on Elsewhere"}
    edit(abroad, lambda record: record["spec"].update(trained_on=record["spec"]["data"]))
    edit(abroad, lambda record: record.update(system_sha256="another"))
    own = read_record(plain)["system_sha256"][:8]
    assert set(read_radar([plain, abroad]).systems) == {f"system, {own}", "system, another"}
    edit(abroad, lambda record: record.update(track="gallery-text"))
    assert set(read_radar([plain, abroad]).systems) == {"system, dual-encoder", "system, gallery-text"}


def test_figure_has_a_closed_line_for_every_system_and_a_table_of_true_values(records, drawn):
    radar = read_radar([*records("small"), *records("large", parameters=300)])
    radar_figure(radar, "out.png")
    polar, table = drawn[0].axes
    assert [line.get_label() for line in polar.get_lines()] == ["large", "small"]
    for number, line in enumerate(polar.get_lines()):
        heights = list(line.get_ydata())
        assert heights == [*(axis.scores[number] for axis in radar.axes), radar.axes[0].scores[number]]
    written = " ".join(text.get_text() for text in polar.texts)
    for text in ("parameters\n(less is better)", "mAP\n(more is better)", "peak process memory", "200", "100"):
        assert text in written
    cells = [cell.get_text().get_text() for _, cell in sorted(table.tables[0].get_celld().items())]
    assert "300" in cells
    assert "2.10 GB" in cells
    assert any("±" in cell for cell in cells)


def test_systems_of_any_name_are_drawn_and_told_apart(records, tmp_path):
    names = (
        "$x$",
        r"$\nothing$",
        "[/bold]",
        "first " * 50 + "one",
        "first " * 50 + "two",
        "same" * 99 + "x" + "same" * 99,
    )
    folders = [
        folder for number, name in enumerate(names) for folder in renamed(records(f"s{number}", seeds=(0,)), name)
    ]
    radar = read_radar([*folders, *renamed(records("s9", seeds=(0,)), "same" * 99 + "y" + "same" * 99)])
    assert len({label(system) for system in radar.systems}) == 7
    with Image.open(radar_figure(radar, tmp_path / "out.png")) as image:
        assert image.size == (1920, 888)


def renamed(folders, name):
    """The same records under another name."""
    for folder in folders:
        edit(folder, lambda record: record.update(name=name, system_sha256=f"{zlib.crc32(name.encode()):08x}"))
    return folders
