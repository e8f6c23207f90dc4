"""Towers of size s: half as wide and one layer less than the tiny ones; merged over a model of tiny towers."""

model = dict(
    image_encoder=dict(arch=dict(embed_dims=64, num_layers=2, num_heads=2, feedforward_channels=128)),
    text_encoder=dict(arch=dict(hidden_size=64, num_hidden_layers=1, num_attention_heads=2, intermediate_size=128)),
)
