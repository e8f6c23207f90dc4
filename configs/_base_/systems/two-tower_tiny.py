"""Two small towers trained from scratch: a ViT behind a convolutional stem and a BERT, one linear map each.

The numbers are ours: a run takes some minutes on two cores.
"""

data = dict(
    captions="human",
    tokenizer=dict(type="WordPiece", vocab_size=800, max_length=64),
    size=(128, 64),
    mean=(0.5, 0.5, 0.5),
    std=(0.25, 0.25, 0.25),
    transforms=[
        dict(type="HorizontalFlip"),
        dict(type="PadCrop", padding=6),
        dict(type="Normalize"),
    ],
    text_noise=0.1,
    sampler=dict(type="Shuffle"),
    batch_size=64,
    num_workers=1,
)
model = dict(
    type="PersonSearchModel",
    image_encoder=dict(
        type="ViT",
        arch=dict(embed_dims=128, num_layers=3, num_heads=4, feedforward_channels=256),
        img_size=(128, 64),
        patch_size=16,
        stem="conv",
        stem_norm="batch",
        pooling="mean",
    ),
    text_encoder=dict(
        type="BERT",
        arch=dict(
            hidden_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=256,
            max_position_embeddings=64,
        ),
        vocab_size="from_data:vocab_size",
        pooling="mean",
        dropout=0.0,
    ),
    heads={"global": dict(type="GlobalHead", embed_dim=128)},
    losses=dict(itc=dict(type="InfoNCE", temperature=0.05, positives="identity")),
    balancer=dict(type="Fixed"),
)
optimizer = dict(type="AdamW", lr=1e-3, weight_decay=0.2)
param_groups = dict(type="PatternGroups", no_decay_on_vectors=True)
schedule = dict(max_epochs=16, type="cosine", warmup_epochs=2, warmup_factor=0.1, per="iteration")
evaluation = dict(interval=4)
runtime = dict(clip_grad_norm=1.0, log_interval=35)
seed = 0
