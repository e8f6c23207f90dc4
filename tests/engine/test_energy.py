import pytest

from tbpsbench.engine.energy import EnergyMeter


def zone(root, name, used, limit=1_000_000_000):
    folder = root / name
    folder.mkdir(exist_ok=True)
    (folder / "energy_uj").write_text(f"{used}\n")
    (folder / "max_energy_range_uj").write_text(f"{limit}\n")


def test_packages_are_added_and_their_parts_are_not_counted_twice(tmp_path):
    zone(tmp_path, "intel-rapl:0", 5_000_000)
    zone(tmp_path, "intel-rapl:1", 1_000_000)
    zone(tmp_path, "intel-rapl:0:0", 1_000_000)
    meter = EnergyMeter(tmp_path)
    zone(tmp_path, "intel-rapl:0", 8_000_000)
    zone(tmp_path, "intel-rapl:1", 1_500_000)
    zone(tmp_path, "intel-rapl:0:0", 900_000_000)
    assert meter.joules() == pytest.approx(3.5)


def test_a_counter_that_wraps_goes_on_counting(tmp_path):
    zone(tmp_path, "intel-rapl:0", 999_000_000)
    meter = EnergyMeter(tmp_path)
    zone(tmp_path, "intel-rapl:0", 2_000_000)
    assert meter.joules() == pytest.approx(3.0)


def test_nothing_to_read_is_said_instead_of_zero(tmp_path):
    assert EnergyMeter(tmp_path / "none").joules() is None
    (tmp_path / "intel-rapl:0").mkdir()
    assert EnergyMeter(tmp_path).joules() is None
