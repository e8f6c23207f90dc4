"""Why noisy correspondence costs RDE no less than IRRA in mini_noise.py: four times its epochs, with the small towers.

`rde-oracle` is told which captions were shuffled: what RDE's losses would do if CCD's division were right.
"""

title = "MiniPEDES, noisy correspondence, 24 epochs"
entries = {
    "irra-s-24": dict(config="../irra/irra_tiny_mini-pedes.py"),
    "rde-s-24": dict(config="../rde/rde_tiny_mini-pedes.py", options=["hooks.ccd.first_epoch=9"]),
    "irra-s-24-noise-50": dict(config="../irra/irra_tiny_mini-pedes.py", options=["data.noise=0.5"]),
    "rde-s-24-noise-50": dict(
        config="../rde/rde_tiny_mini-pedes.py", options=["hooks.ccd.first_epoch=9", "data.noise=0.5"]
    ),
    "rde-oracle-s-24-noise-50": dict(
        config="../rde/rde_tiny_mini-pedes.py",
        options=["hooks.ccd.first_epoch=9", "data.noise=0.5", "hooks.ccd.oracle=True"],
    ),
}
datasets = {"mini-pedes": []}
seeds = (0, 1, 2)
options = [
    "model.image_encoder.arch.embed_dims=64",
    "model.image_encoder.arch.num_layers=2",
    "model.image_encoder.arch.num_heads=2",
    "model.image_encoder.arch.feedforward_channels=128",
    "model.text_encoder.arch.hidden_size=64",
    "model.text_encoder.arch.num_hidden_layers=1",
    "model.text_encoder.arch.num_attention_heads=2",
    "model.text_encoder.arch.intermediate_size=128",
    "schedule.max_epochs=24",
    "schedule.warmup_epochs=1",
    "evaluation.interval=6",
    "runtime.threads=1",
    "data.num_workers=0",
]
