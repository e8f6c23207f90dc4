"""All of TBPS-CLIP that needs no further files, from scratch on MiniPEDES: two views, SimCLR, deletion of words.

The numbers are the published ones; crops keep the shape of MiniPEDES' images, and the blur is narrower as they are smaller.
"""

_base_ = ["../_base_/data/mini-pedes.py", "../_base_/systems/two-tower_tiny.py"]
data = dict(
    transforms=[
        dict(
            type="RandomPick",
            count=2,
            transforms=[
                dict(type="ColorJitter", brightness=0.1, contrast=0.1, saturation=0.1),
                dict(type="Rotation", degrees=15.0),
                dict(type="RandomResizedCrop", scale=(0.9, 1.0), ratio=(0.45, 0.55)),
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
            dict(type="RandomResizedCrop", scale=(0.2, 1.0), ratio=(0.45, 0.55)),
            dict(type="ColorJitter", brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, p=0.8),
            dict(type="Grayscale", p=0.2),
            dict(type="GaussianBlur", sigma=(0.1, 1.0), p=0.5),
            dict(type="HorizontalFlip"),
            dict(type="Normalize"),
        ],
        strong_2=[
            dict(type="RandomResizedCrop", scale=(0.2, 1.0), ratio=(0.45, 0.55)),
            dict(type="ColorJitter", brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, p=0.8),
            dict(type="Grayscale", p=0.2),
            dict(type="GaussianBlur", sigma=(0.1, 1.0), p=0.5),
            dict(type="HorizontalFlip"),
            dict(type="Normalize"),
        ],
    ),
    text_transforms=[dict(type="WordDrop", p=0.05)],
)
model = dict(
    losses=dict(
        itc=None,
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
    balancer=dict(weights=dict(citc=0.1, simclr=0.4)),
)
