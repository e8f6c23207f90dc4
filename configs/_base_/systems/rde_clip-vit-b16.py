"""RDE on OpenAI's CLIP ViT-B/16: global and token-selection embeddings, TAL on each, consensus division every epoch.

The numbers are the released code's; images, batches and schedule are those of IRRA, which it builds on.
"""

plugins = ["rde"]
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
    text_noise=0.2,
    sampler=dict(type="Shuffle"),
    batch_size=64,
    num_workers=8,
)
model = dict(
    type="PersonSearchModel",
    image_encoder=dict(type="CLIPImage", arch="ViT-B-16", img_size=(384, 128), pretrained="openai"),
    text_encoder=dict(type="CLIPText", arch="ViT-B-16", pretrained="openai"),
    heads=dict(
        bge=dict(type="GlobalHead"),
        tse=dict(type="TSE", dim=1024, ratio=0.3, text_length=77, train_bn="frozen", padding="published"),
    ),
    losses=dict(
        bge=dict(type="TAL", anchor="heads.bge.image", positive="heads.bge.text", temperature=0.015, margin=0.1),
        tse=dict(type="TAL", anchor="heads.tse.image", positive="heads.tse.text", temperature=0.015, margin=0.1),
    ),
    balancer=dict(type="Fixed"),
)
optimizer = dict(type="Adam", lr=1e-5, weight_decay=4e-5, betas=(0.9, 0.999), eps=1e-3)
param_groups = dict(type="RDEGroups", new=["heads.tse."], new_lr=1e-3, bias_lr_mult=2.0)
schedule = dict(max_epochs=60, type="cosine", warmup_epochs=5, warmup_factor=0.1)
runtime = dict(amp="bf16")
hooks = dict(ccd=dict(type="CCD", losses=["bge", "tse"], max_iter=10, tol=1e-2, reg_covar=5e-4))
seed = 0
