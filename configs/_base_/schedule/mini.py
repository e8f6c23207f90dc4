"""Some minutes on two cores: AdamW, two epochs of warm-up, cosine to zero."""

optimizer = dict(type="AdamW", lr=1e-3, weight_decay=0.2)
param_groups = dict(type="PatternGroups", no_decay_on_vectors=True)
schedule = dict(max_epochs=16, type="cosine", warmup_epochs=2, warmup_factor=0.1, per="iteration")
runtime = dict(clip_grad_norm=1.0, log_interval=35)
seed = 0
