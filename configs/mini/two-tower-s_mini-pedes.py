"""The small one: half as wide and one layer less than the demo's model."""

_base_ = ["../_base_/data/mini-pedes.py", "../_base_/systems/two-tower_tiny.py"]
model = dict(
    image_encoder=dict(arch=dict(embed_dims=64, num_layers=2, num_heads=2, feedforward_channels=128)),
    text_encoder=dict(arch=dict(hidden_size=64, num_hidden_layers=1, num_attention_heads=2, intermediate_size=128)),
    heads={"global": dict(embed_dim=64)},
)
