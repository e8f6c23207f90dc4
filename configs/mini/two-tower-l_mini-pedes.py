"""The large one: half as wide again and one layer more than the demo's model."""

_base_ = "two-tower_mini-pedes.py"
model = dict(
    image_encoder=dict(arch=dict(embed_dims=192, num_layers=4, num_heads=6, feedforward_channels=384)),
    text_encoder=dict(
        arch=dict(
            hidden_size=192,
            num_hidden_layers=3,
            num_attention_heads=6,
            intermediate_size=384,
            max_position_embeddings=64,
        )
    ),
    heads={"global": dict(embed_dim=192)},
)
