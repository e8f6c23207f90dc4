"""CTGI's training with IRRA on MiniPEDES: MTG captions alone, in small towers of 64 text positions.

`tools/caption.py` makes the captions (docs/captions.md); evaluation asks with the data set's own.
"""

_base_ = ["../_base_/data/mini-pedes.py", "../_base_/systems/two-tower_tiny.py"]
plugins = ["irra"]
data = dict(captions="mtg", masked_tokens=True)
model = dict(
    losses=dict(
        _delete_=True,
        sdm=dict(type="SDM", temperature=0.05),
        id=dict(type="IDLoss", num_ids="from_data:num_train_ids"),
        mlm=dict(type="MLM", vocab_size="from_data:vocab_size", depth=1, attend_padding=False),
    ),
)
schedule = dict(max_epochs=4, warmup_epochs=1)
