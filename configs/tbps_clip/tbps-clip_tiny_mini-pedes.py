"""TBPS-CLIP's losses and changes to images from scratch on MiniPEDES: the demo's towers and number of steps.

The losses have the published numbers; crops keep the shape of MiniPEDES' images.
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
)
model = dict(
    losses=dict(
        itc=None,
        nitc=dict(type="NITC", temperature=0.07, learnable=True, alpha=0.5, ramp_steps="from_data:steps_per_epoch"),
        ritc=dict(type="RITC", temperature=0.07),
        citc=dict(type="CITC"),
    ),
    balancer=dict(weights=dict(citc=0.1)),
)
