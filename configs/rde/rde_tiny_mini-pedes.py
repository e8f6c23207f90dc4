"""RDE on two small towers, from scratch on MiniPEDES: about a minute on two cores.

data.noise=0.2 shuffles a fifth of the captions. Temperature and margin are wider than the published 0.015 and 0.1, which
suit the sharp similarities of a pretrained CLIP.
"""

_base_ = ["../_base_/data/mini-pedes.py", "../_base_/systems/two-tower_tiny.py"]
plugins = ["rde"]
data = dict(text_noise=0.2)
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
