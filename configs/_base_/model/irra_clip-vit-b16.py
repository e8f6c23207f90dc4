"""IRRA on OpenAI's CLIP ViT-B/16: SDM + ID + MLM, and the released code's learning rates by name."""

_base_ = ["clip-vit-b16.py"]
plugins = ["irra"]
data = dict(masked_tokens=True)
model = dict(
    losses=dict(
        _delete_=True,
        sdm=dict(type="SDM", temperature=0.02),
        id=dict(type="IDLoss", num_ids="from_data:num_train_ids"),
        mlm=dict(type="MLM", vocab_size="from_data:vocab_size", depth=4),
    ),
)
param_groups = dict(type="IRRAGroups", lr_factor=5.0, bias_lr_factor=2.0)
