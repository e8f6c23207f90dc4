"""The ViT recipe: 224 x 224, random resized crop and flip, mean and deviation of 0.5; BERT WordPiece with 64 tokens."""

data = dict(
    captions="human",
    tokenizer=dict(type="WordPiece", pretrained="bert-base-uncased", max_length=64),
    size=(224, 224),
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
    transforms=[
        dict(type="RandomResizedCrop", scale=(0.8, 1.0)),
        dict(type="HorizontalFlip"),
        dict(type="Normalize"),
    ],
    sampler=dict(type="Shuffle"),
    batch_size=64,
    num_workers=8,
)
