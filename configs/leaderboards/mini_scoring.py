"""Late interaction and re-ranking on MiniPEDES, in the budget of mini.py: token vectors in the place of the global one,
and every re-ranker on three systems that were trained with an ITM loss beside their own."""

title = "MiniPEDES, scoring"
rerank = {
    "k-reciprocal": dict(type="KReciprocal"),
    "inverted-softmax": dict(type="InvertedSoftmax"),
    "query-expansion": dict(type="QueryExpansion"),
    "image-text-matching": dict(type="ImageTextMatching"),
}
entries = {
    "token-head-m": dict(
        config="../mini/two-tower_mini-pedes.py",
        options=[
            "model.heads={'global': None, 'tokens': dict(type='TokenHead', embed_dim=128)}",
            "model.losses.itc=dict(type='MaxSim', temperature=0.05, positives='identity')",
        ],
    ),
    "two-tower-m-itm": dict(
        config="../mini/two-tower_mini-pedes.py",
        options=["model.losses.itm=dict(type='ITM', dim=128)"],
        rerank=["k-reciprocal", "inverted-softmax", "query-expansion", "image-text-matching"],
    ),
    "irra-itm": dict(
        config="../irra/irra_tiny_mini-pedes.py",
        options=["model.losses.itm=dict(type='ITM', dim=128)"],
        rerank=["k-reciprocal", "inverted-softmax", "query-expansion", "image-text-matching"],
    ),
    "rde-itm": dict(
        config="../rde/rde_tiny_mini-pedes.py",
        options=[
            "model.losses.itm=dict(type='ITM', dim=128, image_vector='heads.bge.image', text_vector='heads.bge.text')"
        ],
        rerank=["k-reciprocal", "inverted-softmax", "query-expansion", "image-text-matching"],
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
