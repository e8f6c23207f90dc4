"""CTGI's training with RDE on MiniPEDES: MTG captions alone, in small towers of 248 text positions.

They are learnt from scratch, so there is nothing to stretch. 64 positions, as in the other configs of MiniPEDES, would cut
the end off the longer MTG captions.
"""

_base_ = ["../_base_/data/mini-pedes.py", "../_base_/systems/two-tower_tiny.py"]
plugins = ["rde"]
data = dict(captions="mtg", tokenizer=dict(max_length=248), text_noise=0.2)
model = dict(
    text_encoder=dict(
        arch=dict(
            hidden_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=256,
            max_position_embeddings=248,
        )
    ),
    heads=dict(
        _delete_=True,
        bge=dict(type="GlobalHead", embed_dim=128),
        tse=dict(type="TSE", dim=128, text_length=248, asking="first", train_bn="normal", padding="ignored"),
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
