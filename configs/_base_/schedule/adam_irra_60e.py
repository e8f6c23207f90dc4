"""IRRA's schedule: Adam with eps 1e-3, 60 epochs, warm-up from a tenth over five, cosine to zero."""

optimizer = dict(type="Adam", lr=1e-5, weight_decay=4e-5, betas=(0.9, 0.999), eps=1e-3)
schedule = dict(max_epochs=60, type="cosine", warmup_epochs=5, warmup_factor=0.1)
runtime = dict(amp="bf16")
seed = 0
