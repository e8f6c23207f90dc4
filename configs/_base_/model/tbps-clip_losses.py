"""TBPS-CLIP's losses: softened identity targets, reverse divergence, cyclic consistency at a tenth."""

model = dict(
    losses=dict(
        itc=None,
        nitc=dict(type="NITC", temperature=0.07, learnable=True, alpha=0.5, ramp_steps="from_data:steps_per_epoch"),
        ritc=dict(type="RITC", temperature=0.07),
        citc=dict(type="CITC"),
    ),
    balancer=dict(type="Fixed", weights=dict(citc=0.1)),
)
