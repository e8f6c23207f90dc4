"""Tables 1 to 3 of BDAM on the licensed sets; needs data, weights, a GPU, and descriptions made by tools/caption.py.

The rows are those of the suites for MiniPEDES (mini_ablation_*.py): Table 1 without a fuser, Table 2 without BDAM, Table 3
with both. `configs/captions/dual_*` write the descriptions; who has none starts with official.py.
"""

title = "BDAM: Tables 1 to 3 on CUHK-PEDES, ICFG-PEDES, RSTPReid"
entries = {
    "bdam-baseline": dict(
        config="../bdam_mamba/bdam-mamba_vit-b16-bert_1xb64-60e_{data}.py",
        options=[
            "model.disentangler=None",
            "model.fuser=None",
            "model.heads.global.image=identity",
            "model.heads.global.project=both",
            "model.losses.clothing=None",
            "model.losses.hsic=None",
            "model.losses.gate=None",
            "evaluation.gallery_texts=None",
        ],
    ),
    "bdam": dict(
        config="../bdam_mamba/bdam-mamba_vit-b16-bert_1xb64-60e_{data}.py",
        options=[
            "model.fuser=None",
            "model.heads.global.image=identity",
            "model.heads.global.project=both",
            "evaluation.gallery_texts=None",
        ],
    ),
    "bdam-no-cross-attention": dict(
        config="../bdam_mamba/bdam-mamba_vit-b16-bert_1xb64-60e_{data}.py",
        options=[
            "model.disentangler.cross_attention=False",
            "model.fuser=None",
            "model.heads.global.image=identity",
            "model.heads.global.project=both",
            "evaluation.gallery_texts=None",
        ],
    ),
    "bdam-no-gate": dict(
        config="../bdam_mamba/bdam-mamba_vit-b16-bert_1xb64-60e_{data}.py",
        options=[
            "model.disentangler.gate=False",
            "model.losses.gate=None",
            "model.fuser=None",
            "model.heads.global.image=identity",
            "model.heads.global.project=both",
            "evaluation.gallery_texts=None",
        ],
    ),
    "bdam-shallow": dict(
        config="../bdam_mamba/bdam-mamba_vit-b16-bert_1xb64-60e_{data}.py",
        options=[
            "model.disentangler.depth=3",
            "model.fuser=None",
            "model.heads.global.image=identity",
            "model.heads.global.project=both",
            "evaluation.gallery_texts=None",
        ],
    ),
    "mamba-fuser": dict(
        config="../bdam_mamba/bdam-mamba_vit-b16-bert_1xb64-60e_{data}.py",
        options=[
            "model.disentangler=None",
            "model.losses.clothing=None",
            "model.losses.hsic=None",
            "model.losses.gate=None",
        ],
    ),
    "simple-fuser": dict(
        config="../bdam_mamba/bdam-mamba_vit-b16-bert_1xb64-60e_{data}.py",
        options=[
            "model.fuser.type=SimpleFuser",
            "model.disentangler=None",
            "model.losses.clothing=None",
            "model.losses.hsic=None",
            "model.losses.gate=None",
        ],
    ),
    "transformer-fuser": dict(
        config="../bdam_mamba/bdam-mamba_vit-b16-bert_1xb64-60e_{data}.py",
        options=[
            "model.fuser.type=TransformerFuser",
            "model.disentangler=None",
            "model.losses.clothing=None",
            "model.losses.hsic=None",
            "model.losses.gate=None",
        ],
    ),
    "mamba-fuser-no-gate": dict(
        config="../bdam_mamba/bdam-mamba_vit-b16-bert_1xb64-60e_{data}.py",
        options=[
            "model.fuser.gate=False",
            "model.disentangler=None",
            "model.losses.clothing=None",
            "model.losses.hsic=None",
            "model.losses.gate=None",
        ],
    ),
    "mamba-fuser-no-alignment": dict(
        config="../bdam_mamba/bdam-mamba_vit-b16-bert_1xb64-60e_{data}.py",
        options=[
            "model.fuser.alignment=False",
            "model.disentangler=None",
            "model.losses.clothing=None",
            "model.losses.hsic=None",
            "model.losses.gate=None",
        ],
    ),
    "bdam-mamba": dict(
        config="../bdam_mamba/bdam-mamba_vit-b16-bert_1xb64-60e_{data}.py",
        options=[],
    ),
    "bdam-mamba-no-infonce": dict(
        config="../bdam_mamba/bdam-mamba_vit-b16-bert_1xb64-60e_{data}.py",
        options=["model.losses.itc=None"],
    ),
    "bdam-mamba-no-triplet": dict(
        config="../bdam_mamba/bdam-mamba_vit-b16-bert_1xb64-60e_{data}.py",
        options=["model.losses.triplet=None"],
    ),
    "bdam-mamba-no-clothing-alignment": dict(
        config="../bdam_mamba/bdam-mamba_vit-b16-bert_1xb64-60e_{data}.py",
        options=["model.losses.clothing=None"],
    ),
    "bdam-mamba-no-hsic": dict(
        config="../bdam_mamba/bdam-mamba_vit-b16-bert_1xb64-60e_{data}.py",
        options=["model.losses.hsic=None"],
    ),
    "bdam-mamba-no-gate-regularization": dict(
        config="../bdam_mamba/bdam-mamba_vit-b16-bert_1xb64-60e_{data}.py",
        options=["model.losses.gate=None"],
    ),
    "bdam-mamba-image": dict(
        config="../bdam_mamba/bdam-mamba_vit-b16-bert_1xb64-60e_{data}.py",
        options=["model.fuser.text=None", "evaluation.gallery_texts=None"],
    ),
}
datasets = {"cuhk-pedes": [], "icfg-pedes": [], "rstp-reid": []}
seeds = (0, 1, 2)
