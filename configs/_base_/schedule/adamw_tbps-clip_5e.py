"""TBPS-CLIP's schedule: AdamW, five epochs, warm-up from a hundredth over the first, cosine to a twentieth."""

optimizer = dict(type="AdamW", lr=1e-4, weight_decay=0.02, betas=(0.9, 0.98), eps=1e-8)
param_groups = dict(type="PatternGroups", no_decay_on_vectors=True)
schedule = dict(max_epochs=5, type="cosine", warmup_epochs=1, warmup_factor=0.01, min_factor=0.05, per="iteration")
runtime = dict(amp="bf16")
seed = 0
