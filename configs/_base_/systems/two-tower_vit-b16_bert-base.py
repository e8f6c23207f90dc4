"""ViT-B/16 and BERT-base with published weights, one linear map each to 256, trained with InfoNCE over identities.

Sizes are those of the published weights; augmentation, rates and schedule are ours.
"""

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
model = dict(
    type="PersonSearchModel",
    image_encoder=dict(type="ViT", arch="base", img_size=(224, 224), pretrained="vit-base-patch16-224"),
    text_encoder=dict(type="BERT", arch="bert-base-uncased", pretrained="bert-base-uncased"),
    heads={"global": dict(type="GlobalHead", embed_dim=256)},
    losses=dict(itc=dict(type="InfoNCE", temperature=0.07, learnable=True, positives="identity")),
    balancer=dict(type="Fixed"),
)
optimizer = dict(type="AdamW", lr=1e-4, weight_decay=0.05)
# The encoders learn at a tenth of the rate of what is new.
param_groups = dict(
    type="PatternGroups",
    rules=[dict(pattern="^(image|text)_encoder", lr_mult=0.1)],
    no_decay_on_vectors=True,
)
schedule = dict(max_epochs=60, type="cosine", warmup_epochs=5, warmup_factor=0.1)
runtime = dict(amp="bf16")
seed = 0
