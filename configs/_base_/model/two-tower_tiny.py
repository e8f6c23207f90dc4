"""Two towers from scratch: a small ViT behind a convolutional stem, a small BERT, one linear map each."""

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
