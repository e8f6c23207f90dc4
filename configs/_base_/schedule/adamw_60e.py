"""AdamW, 60 epochs, five of warm-up, cosine to zero; encoders at a tenth of the rate of what is new."""

optimizer = dict(type="AdamW", lr=1e-4, weight_decay=0.05)
param_groups = dict(
    type="PatternGroups",
    rules=[dict(pattern="^(image|text)_encoder", lr_mult=0.1)],
    no_decay_on_vectors=True,
)
schedule = dict(max_epochs=60, type="cosine", warmup_epochs=5, warmup_factor=0.1)
runtime = dict(amp="bf16")
seed = 0
