"""CTGI's training with RDE on MiniPEDES: MTG captions alone, in small towers of 64 text positions.

`tools/caption.py` makes the captions (docs/captions.md); evaluation asks with the data set's own.
"""

_base_ = ["../_base_/data/mini-pedes.py", "../_base_/systems/two-tower_tiny.py"]
plugins = ["rde"]
data = dict(captions="mtg", text_noise=0.2)
model = dict(
    heads=dict(
        _delete_=True,
        bge=dict(type="GlobalHead", embed_dim=128),
        tse=dict(type="TSE", dim=128, text_length=64, asking="first", train_bn="normal", padding="ignored"),
    ),
    losses=dict(
        _delete_=True,
        bge=dict(type="TAL", anchor="heads.bge.image", positive="heads.bge.text", temperature=0.05, margin=0.2),
        tse=dict(type="TAL", anchor="heads.tse.image", positive="heads.tse.text", temperature=0.05, margin=0.2),
    ),
)
# Losses of a model that has learnt nothing yet tell clean from noisy pairs no better than a coin.
hooks = dict(ccd=dict(type="CCD", losses=["bge", "tse"], first_epoch=3))
schedule = dict(max_epochs=4, warmup_epochs=1)
