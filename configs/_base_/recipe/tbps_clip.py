"""TBPS-CLIP's images and texts: 224 x 224, bicubic, two of six changes to each image, ImageNet's mean and deviation."""

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
    sampler=dict(type="Shuffle"),
    batch_size=320,
    num_workers=8,
)
