"""Paper 000 in small, from scratch: the tiny towers, BDAM of two layers, Mamba fusion at 128, the five losses.

No dropout, as in the towers: short runs from random weights learn too little, not too much.
"""

_base_ = "two-tower_tiny.py"
model = dict(
    disentangler=dict(type="BDAM", depth=2, heads=4, mlp_ratio=2.0, dropout=0.0),
    fuser=dict(type="MambaFuser", image="identity", text="text.identity.pooled", dim=128, out_dim=128, dropout=0.0),
    heads={"global": dict(image="fused", project="text")},
    losses=dict(
        itc=dict(symmetric=False),
        # From random weights batch-hard mining draws all identity vectors to one point: its loss stays at the margin.
        triplet=dict(type="Triplet", feature="identity", margin=0.3, mining="batch-all"),
        clothing=dict(type="ClothingAlignment", clothing="clothing_ungated", text="text.clothing.pooled"),
        hsic=dict(type="HSIC", x="identity", y="clothing", kernel="linear"),
        gate=dict(type="GateRegularization", gate="gate"),
    ),
    # The original form: with the paper's the weight of InfoNCE grows throughout (docs/faithfulness.md). Every fourth
    # batch, for measuring costs three backward passes.
    balancer=dict(
        type="GradNorm",
        layer="image_encoder.vit.layers.-1",
        reference="mean",
        restoring_force=1.5,
        interval=4,
        weights=dict(hsic=1.0, gate=0.01),
    ),
)
