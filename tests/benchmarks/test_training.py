"""The benchmark of the training step runs and checks itself, with towers of one block; no time is judged here."""

from benchmark_runs import benchmark


def test_both_arms_have_equal_losses_in_every_case():
    result = benchmark("training", "--tiny", "--batch", 4, "--steps", 2)
    assert result["tiny"] is True
    assert set(result["ratios"]) == set(result["cases"]) == {"released", "paper", "padding unread"}
    for case in result["cases"].values():
        assert set(case["losses"]) == {"sdm", "id", "mlm"}
        assert all(10 < tokens <= 77 for tokens in case["longest_caption_tokens"])
        assert case["ours_images_per_s"] > 0
