"""CTGI's training with IRRA on MiniPEDES: MTG captions alone, in small towers of 248 text positions.

They are learnt from scratch, so there is nothing to stretch. 64 positions, as in the other configs of MiniPEDES, would cut
the end off the longer MTG captions.
"""

_base_ = ["../_base_/data/mini-pedes.py", "../_base_/systems/two-tower_tiny.py"]
plugins = ["irra"]
data = dict(captions="mtg", tokenizer=dict(max_length=248), masked_tokens=True)
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
    losses=dict(
        _delete_=True,
        sdm=dict(type="SDM", temperature=0.05),
        id=dict(type="IDLoss", num_ids="from_data:num_train_ids"),
        mlm=dict(type="MLM", vocab_size="from_data:vocab_size", depth=1, attend_padding=False),
    ),
)
schedule = dict(max_epochs=4, warmup_epochs=1)
