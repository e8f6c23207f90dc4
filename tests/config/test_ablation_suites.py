"""Every ablation of Tables 1, 2 and 3 of the BDAM paper is an entry of a suite, and each of its configs is sound."""

from pathlib import Path

import pytest

from tbpsbench.config.check import check
from tbpsbench.config.load import load_config
from tbpsbench.config.schema import with_defaults
from tbpsbench.leaderboard.suite.read import read_suite

FOLDER = Path("configs/leaderboards")
ROWS = {
    "mini_ablation_bdam": [
        "two-tower-pk-s-6", "bdam-s-6", "bdam-no-cross-attention-s-6", "bdam-no-gate-s-6", "bdam-shallow-s-6",
    ],
    "mini_ablation_fusion": [
        "two-tower-pk-s-6", "mamba-fuser-s-6", "simple-fuser-s-6", "mamba-fuser-no-gate-s-6",
        "mamba-fuser-no-alignment-s-6", "transformer-fuser-s-6",
    ],
    "mini_ablation_losses": [
        "bdam-mamba-s-6", "bdam-mamba-no-infonce-s-6", "bdam-mamba-no-triplet-s-6",
        "bdam-mamba-no-clothing-alignment-s-6", "bdam-mamba-no-hsic-s-6", "bdam-mamba-no-gate-regularization-s-6",
        "bdam-mamba-fixed-weights-s-6", "bdam-mamba-gradnorm-of-paper-s-6", "bdam-mamba-image-s-6",
    ],
}  # fmt: skip


def model(suite, entry):
    values = load_config(FOLDER / f"{suite}.py").values
    chosen = values["entries"][entry]
    config = load_config(FOLDER / chosen["config"], [*values["options"], *chosen.get("options", [])])
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
    assert model("mini_ablation_bdam", "two-tower-pk-s-6")["disentangler"] is None
    assert set(model("mini_ablation_bdam", "two-tower-pk-s-6")["losses"]) == {"itc", "triplet"}
    assert set(model("mini_ablation_bdam", "bdam-s-6")["losses"]) == {"itc", "triplet", "clothing", "hsic", "gate"}
    depths = [model("mini_ablation_bdam", entry)["disentangler"]["depth"] for entry in ("bdam-s-6", "bdam-shallow-s-6")]
    assert depths[0] == 2 * depths[1]


def test_table_2_has_no_bdam_and_infonce_and_triplet_alone():
    for entry in ROWS["mini_ablation_fusion"]:
        found = model("mini_ablation_fusion", entry)
        assert found["disentangler"] is None
        assert set(found["losses"]) == {"itc", "triplet"}


def test_table_3_leaves_out_one_loss_at_a_time():
    whole = set(model("mini_ablation_losses", "bdam-mamba-s-6")["losses"])
    left_out = [
        whole - set(model("mini_ablation_losses", entry)["losses"]) for entry in ROWS["mini_ablation_losses"][1:6]
    ]
    assert left_out == [{"itc"}, {"triplet"}, {"clothing"}, {"hsic"}, {"gate"}]


def test_baselines_of_tables_1_and_2_are_one_run():
    digests = [
        task.wanted()
        for suite in ("mini_ablation_bdam", "mini_ablation_fusion")
        for task in read_suite(FOLDER / f"{suite}.py")
        if (task.entry, task.seed) == ("two-tower-pk-s-6", 0)
    ]
    assert digests[0] == digests[1]
