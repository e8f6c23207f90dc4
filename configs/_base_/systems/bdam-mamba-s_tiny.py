"""BDAM with Mamba fusion on smaller towers: bdam-mamba_tiny.py with towers half as wide and one layer less each.

The numbers are ours. The ablations and the comparisons on MiniPEDES train this system.
"""

data = dict(
    captions="human",
    tokenizer=dict(type="WordPiece", vocab_size=800, max_length=64),
    size=(128, 64),
    mean=(0.5, 0.5, 0.5),
    std=(0.25, 0.25, 0.25),
    transforms=[
        dict(type="HorizontalFlip"),
        dict(type="PadCrop", padding=6),
        dict(type="Normalize"),
    ],
    text_noise=0.1,
    descriptions="descriptions",
    # 32 identities x 2 pairs in place of the large system's 16 x 4: InfoNCE has twice as many persons to tell apart.
    sampler=dict(type="IdentityBalanced", instances=2),
    batch_size=64,
    num_workers=1,
)
model = dict(
    type="PersonSearchModel",
    image_encoder=dict(
        type="ViT",
        arch=dict(embed_dims=64, num_layers=2, num_heads=2, feedforward_channels=128),
        img_size=(128, 64),
        patch_size=16,
        stem="conv",
        stem_norm="batch",
        pooling="mean",
    ),
    text_encoder=dict(
        type="BERT",
        arch=dict(
            hidden_size=64,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=128,
            max_position_embeddings=64,
        ),
        vocab_size="from_data:vocab_size",
        pooling="mean",
        dropout=0.0,
    ),
    disentangler=dict(type="BDAM", depth=2, heads=4, mlp_ratio=2.0, dropout=0.0),
    fuser=dict(type="MambaFuser", image="identity", text="text.identity.pooled", dim=128, out_dim=128, dropout=0.0),
    heads={"global": dict(type="GlobalHead", embed_dim=128, image="fused", project="text")},
    losses=dict(
        itc=dict(type="InfoNCE", temperature=0.05, positives="identity", symmetric=False),
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
optimizer = dict(type="AdamW", lr=1e-3, weight_decay=0.2)
param_groups = dict(type="PatternGroups", no_decay_on_vectors=True)
schedule = dict(max_epochs=16, type="cosine", warmup_epochs=2, warmup_factor=0.1, per="iteration")
evaluation = dict(interval=4)
runtime = dict(clip_grad_norm=1.0, log_interval=35)
seed = 0
