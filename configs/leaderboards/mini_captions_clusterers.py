"""Table 4 of the BDAM paper on MiniPEDES: the descriptions that the disentangler learns from, written in styles found by
different clusterers. The model that writes them is simulated and takes 10 % of what it sees for something else."""

title = "Table 4 of BDAM on MiniPEDES: how styles are found"
entries = {
    "bdam-mamba-no-styles-s-6": dict(
        config="../bdam_mamba/bdam-mamba-s_tiny_mini-pedes.py", options=["data.descriptions=dual-none-wrong10"]
    ),
    "bdam-mamba-random-s-6": dict(
        config="../bdam_mamba/bdam-mamba-s_tiny_mini-pedes.py", options=["data.descriptions=dual-random-wrong10"]
    ),
    "bdam-mamba-kmeans-s-6": dict(
        config="../bdam_mamba/bdam-mamba-s_tiny_mini-pedes.py", options=["data.descriptions=dual-kmeans-wrong10"]
    ),
    "bdam-mamba-gmm-s-6": dict(
        config="../bdam_mamba/bdam-mamba-s_tiny_mini-pedes.py", options=["data.descriptions=dual-gmm-wrong10"]
    ),
    "bdam-mamba-agglomerative-s-6": dict(
        config="../bdam_mamba/bdam-mamba-s_tiny_mini-pedes.py", options=["data.descriptions=dual-agglomerative-wrong10"]
    ),
    "bdam-mamba-dbscan-s-6": dict(
        config="../bdam_mamba/bdam-mamba-s_tiny_mini-pedes.py", options=["data.descriptions=dual-wrong10"]
    ),
    "bdam-mamba-hdbscan-s-6": dict(
        config="../bdam_mamba/bdam-mamba-s_tiny_mini-pedes.py", options=["data.descriptions=dual-hdbscan-wrong10"]
    ),
    "bdam-mamba-prototypes-s-6": dict(
        config="../bdam_mamba/bdam-mamba-s_tiny_mini-pedes.py", options=["data.descriptions=dual-prototypes-wrong10"]
    ),
}
datasets = {"mini-pedes": []}
seeds = (0, 1, 2)
options = [
    "schedule.max_epochs=6",
    "schedule.warmup_epochs=1",
    "evaluation.interval=3",
    "runtime.threads=1",
    "data.num_workers=0",
]
