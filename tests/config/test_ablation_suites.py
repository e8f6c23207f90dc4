"""Every ablation of paper 000's tables 1, 2 and 3 is an entry of a suite, and each of its configs is sound."""

from pathlib import Path

import pytest

from tbpsbench.config.check import check
from tbpsbench.config.load import load_config
from tbpsbench.config.schema import with_defaults

FOLDER = Path("configs/leaderboards")
ROWS = {
    "mini_ablation_bdam": [
        "baseline", "bdam", "bdam-without-cross-attention", "bdam-without-gate", "bdam-shallow",
    ],
    "mini_ablation_fusion": [
        "baseline", "fusion", "fusion-without-mamba", "fusion-without-gate", "fusion-without-alignment",
        "fusion-transformer",
    ],
    "mini_ablation_losses": [
        "bdam-mamba", "without-infonce", "without-triplet", "without-clothing-alignment", "without-decoupling",
        "without-gate-regularization",
    ],
}  # fmt: skip


def model(suite, entry):
    values = load_config(FOLDER / f"{suite}.py").values
    chosen = values["entries"][entry]
    config = load_config(FOLDER / chosen["config"], [*values["options"], *chosen["options"]])
    assert [str(problem) for problem in check(config)] == []
    return with_defaults(config.values)["model"]


@pytest.mark.parametrize("suite", ROWS)
def test_suite_has_the_rows_of_its_table(suite):
    assert list(load_config(FOLDER / f"{suite}.py").values["entries"]) == ROWS[suite]


@pytest.mark.parametrize(("suite", "entry"), [(suite, entry) for suite, entries in ROWS.items() for entry in entries])
def test_config_of_each_row_is_sound(suite, entry):
    assert model(suite, entry)["heads"]


def test_table_1_has_no_fuser_and_its_baseline_pools_the_patches():
    for entry in ROWS["mini_ablation_bdam"]:
        assert model("mini_ablation_bdam", entry)["fuser"] is None
    assert model("mini_ablation_bdam", "baseline")["disentangler"] is None
    assert set(model("mini_ablation_bdam", "baseline")["losses"]) == {"itc", "triplet"}
    assert set(model("mini_ablation_bdam", "bdam")["losses"]) == {"itc", "triplet", "clothing", "hsic", "gate"}
    depths = [model("mini_ablation_bdam", entry)["disentangler"]["depth"] for entry in ("bdam", "bdam-shallow")]
    assert depths[0] == 2 * depths[1]


def test_table_2_has_no_bdam_and_infonce_and_triplet_alone():
    for entry in ROWS["mini_ablation_fusion"]:
        found = model("mini_ablation_fusion", entry)
        assert found["disentangler"] is None
        assert set(found["losses"]) == {"itc", "triplet"}


def test_table_3_leaves_out_one_loss_at_a_time():
    whole = set(model("mini_ablation_losses", "bdam-mamba")["losses"])
    left_out = [
        whole - set(model("mini_ablation_losses", entry)["losses"]) for entry in ROWS["mini_ablation_losses"][1:]
    ]
    assert left_out == [{"itc"}, {"triplet"}, {"clothing"}, {"hsic"}, {"gate"}]


def test_baselines_of_tables_1_and_2_are_one_system():
    one, two = model("mini_ablation_bdam", "baseline"), model("mini_ablation_fusion", "baseline")
    assert one == two
