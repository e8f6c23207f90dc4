"""Systems on the three official data sets, and each trained model on the two others; needs data, weights and a GPU."""

title = "CUHK-PEDES, ICFG-PEDES, RSTPReid"
entries = {
    "two-tower-vit-b16-bert": dict(config="../two_tower/two-tower_vit-b16-bert_1xb64-60e_{data}.py"),
    "clip": dict(config="../clip/clip_clip-vit-b16_1xb64-60e_{data}.py"),
    "tbps-clip": dict(config="../tbps_clip/tbps-clip_clip-vit-b16_4xb80-5e_{data}.py"),
    "irra": dict(config="../irra/irra_clip-vit-b16_1xb64-60e_{data}.py"),
    "rde": dict(config="../rde/rde_clip-vit-b16_1xb64-60e_{data}.py"),
}
datasets = {"cuhk-pedes": [], "icfg-pedes": [], "rstp-reid": []}
seeds = (0, 1, 2)
transfer = {
    "cuhk-pedes": ["data.dataset=dict(type='CUHKPEDES')"],
    "icfg-pedes": ["data.dataset=dict(type='ICFGPEDES')"],
    "rstp-reid": ["data.dataset=dict(type='RSTPReid')"],
}
