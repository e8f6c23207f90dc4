"""TBPS-CLIP's losses and changes to images from scratch on MiniPEDES: the demo's towers and number of steps."""

_base_ = [
    "../_base_/data/mini-pedes.py",
    "../_base_/model/two-tower_tiny.py",
    "../_base_/model/tbps-clip_losses.py",
    "../_base_/schedule/mini.py",
]
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
)
