"""TBPS-CLIP with all that its released config switches on and our data can give: N-ITC over two views, SimCLR between two
strong ones at 0.4, deletion of words. Translated captions need a file of them: see tbps-clip-full-bt in configs/tbps_clip.

The numbers are the released code's; docs/faithfulness.md says what is left out.
"""

data = dict(
    captions="human",
    tokenizer=dict(type="CLIPBPE", context_length=77),
    size=(224, 224),
    interpolation="bicubic",
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
    transforms=[
        dict(
            type="RandomPick",
            count=2,
            transforms=[
                dict(type="ColorJitter", brightness=0.1, contrast=0.1, saturation=0.1),
                dict(type="Rotation", degrees=15.0),
                dict(type="RandomResizedCrop", scale=(0.9, 1.0)),
                dict(type="Grayscale", p=0.1),
                dict(type="HorizontalFlip"),
                dict(type="RandomErasing", scale=(0.1, 0.2), value=0.0),
            ],
        ),
        dict(type="Normalize"),
    ],
    views=dict(
        second=[],  # as the first
        strong_1=[
            dict(type="RandomResizedCrop", scale=(0.2, 1.0)),
            dict(type="ColorJitter", brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, p=0.8),
            dict(type="Grayscale", p=0.2),
            dict(type="GaussianBlur", sigma=(0.1, 2.0), p=0.5),
            dict(type="HorizontalFlip"),
            dict(type="Normalize"),
        ],
        strong_2=[
            dict(type="RandomResizedCrop", scale=(0.2, 1.0)),
            dict(type="ColorJitter", brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, p=0.8),
            dict(type="Grayscale", p=0.2),
            dict(type="GaussianBlur", sigma=(0.1, 2.0), p=0.5),
            dict(type="HorizontalFlip"),
            dict(type="Normalize"),
        ],
    ),
    text_transforms=[dict(type="WordDrop", p=0.05)],
    sampler=dict(type="Shuffle"),
    batch_size=320,
    num_workers=8,
)
model = dict(
    type="PersonSearchModel",
    image_encoder=dict(type="CLIPImage", arch="ViT-B-16", img_size=(224, 224), pretrained="openai"),
    text_encoder=dict(type="CLIPText", arch="ViT-B-16", pretrained="openai"),
    heads={"global": dict(type="GlobalHead")},
    losses=dict(
        nitc=dict(
            type="NITC",
            also=("view.second.heads.global.image",),
            temperature=0.07,
            learnable=True,
            alpha=0.5,
            ramp_steps="from_data:steps_per_epoch",
        ),
        ritc=dict(type="RITC", temperature=0.07),
        citc=dict(type="CITC"),
        simclr=dict(
            type="SimCLR",
            first="view.strong_1.heads.global.image",
            second="view.strong_2.heads.global.image",
            hidden=128,
            out_dim=512,
            temperature=0.1,
        ),
    ),
    balancer=dict(type="Fixed", weights=dict(citc=0.1, simclr=0.4)),
)
optimizer = dict(type="AdamW", lr=1e-4, weight_decay=0.02, betas=(0.9, 0.98), eps=1e-8)
param_groups = dict(type="PatternGroups", no_decay_on_vectors=True)
schedule = dict(max_epochs=5, type="cosine", warmup_epochs=1, warmup_factor=0.01, min_factor=0.05, per="iteration")
runtime = dict(amp="bf16")
seed = 0
