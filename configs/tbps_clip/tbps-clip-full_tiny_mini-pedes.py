"""All of TBPS-CLIP that needs no further files, from scratch on MiniPEDES: two views, SimCLR, deletion of words.

The numbers are the published ones; crops keep the shape of MiniPEDES' images, and the blur is narrower as they are smaller.
"""

_base_ = ["tbps-clip_tiny_mini-pedes.py"]
data = dict(
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
        nitc=dict(also=("view.second.heads.global.image",)),
        simclr=dict(
            type="SimCLR",
            first="view.strong_1.heads.global.image",
            second="view.strong_2.heads.global.image",
            hidden=128,
            out_dim=512,
            temperature=0.1,
        ),
    ),
    balancer=dict(weights=dict(simclr=0.4)),
)
