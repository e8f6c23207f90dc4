"""The large one: a quarter wider and one layer more than the demo's model."""

_base_ = ["../_base_/data/mini-pedes.py", "../_base_/systems/two-tower_tiny.py"]
model = dict(
    image_encoder=dict(arch=dict(embed_dims=160, num_layers=4, num_heads=5, feedforward_channels=320)),
    text_encoder=dict(
        arch=dict(
            hidden_size=160,
            num_hidden_layers=3,
            num_attention_heads=5,
            intermediate_size=320,
            max_position_embeddings=64,
        )
    ),
    heads={"global": dict(embed_dim=160)},
)
