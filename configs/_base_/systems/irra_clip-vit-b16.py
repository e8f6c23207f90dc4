"""IRRA on OpenAI's CLIP ViT-B/16: SDM, identity classification and masked words; numbers as in the released code.

The global branches see the whole caption, as in the paper; data.mask_shared=True masks it, as the released code does.
"""

plugins = ["irra"]
data = dict(
    captions="human",
    tokenizer=dict(type="CLIPBPE", context_length=77),
    size=(384, 128),
    mean=(0.48145466, 0.4578275, 0.40821073),
    std=(0.26862954, 0.26130258, 0.27577711),
    transforms=[
        dict(type="HorizontalFlip"),
        dict(type="PadCrop", padding=10),
        dict(type="Normalize"),
        dict(type="RandomErasing", p=0.5, scale=(0.02, 0.4), value="mean"),
    ],
    masked_tokens=True,
    sampler=dict(type="Shuffle"),
    batch_size=64,
    num_workers=8,
)
model = dict(
    type="PersonSearchModel",
    image_encoder=dict(type="CLIPImage", arch="ViT-B-16", img_size=(384, 128), pretrained="openai"),
    text_encoder=dict(type="CLIPText", arch="ViT-B-16", pretrained="openai"),
    heads={"global": dict(type="GlobalHead")},
    losses=dict(
        sdm=dict(type="SDM", temperature=0.02),
        id=dict(type="IDLoss", num_ids="from_data:num_train_ids"),
        mlm=dict(type="MLM", vocab_size="from_data:vocab_size", depth=4),
    ),
    balancer=dict(type="Fixed"),
)
optimizer = dict(type="Adam", lr=1e-5, weight_decay=4e-5, betas=(0.9, 0.999), eps=1e-3)
param_groups = dict(type="IRRAGroups", lr_factor=5.0, bias_lr_factor=2.0)
schedule = dict(max_epochs=60, type="cosine", warmup_epochs=5, warmup_factor=0.1)
runtime = dict(amp="bf16")
seed = 0
