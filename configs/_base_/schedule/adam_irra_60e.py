"""IRRA's schedule: Adam with eps 1e-3, 60 epochs, warm-up from a tenth over five, cosine to zero.

Biases learn at twice the rate without decay. A system with parts of its own replaces `rules` (a list) by its own.
"""

optimizer = dict(type="Adam", lr=1e-5, weight_decay=4e-5, betas=(0.9, 0.999), eps=1e-3)
param_groups = dict(type="PatternGroups", rules=[dict(pattern="bias", lr_mult=2.0, decay_mult=0.0)])
schedule = dict(max_epochs=60, type="cosine", warmup_epochs=5, warmup_factor=0.1)
runtime = dict(amp="bf16")
seed = 0
