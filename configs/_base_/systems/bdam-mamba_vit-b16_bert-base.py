"""BDAM with Mamba fusion on ViT-B/16 and BERT-base, five losses, GradNorm: the numbers of BDAM, sections 3.4 and 4.2.

The paper states neither batch nor epochs; 16 identities x 4 pairs and 60 epochs are ours (docs/faithfulness.md).
"""

data = dict(
    captions="human",
    tokenizer=dict(type="WordPiece", pretrained="bert-base-uncased", max_length=64),
    size=(224, 224),
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
    transforms=[
        dict(type="RandomResizedCrop", scale=(0.8, 1.0)),
        dict(type="HorizontalFlip"),
        dict(type="Normalize"),
    ],
    descriptions="style_clustered",  # roles identity and clothing
    sampler=dict(type="IdentityBalanced", instances=4),
    batch_size=64,
    num_workers=8,
)
model = dict(
    type="PersonSearchModel",
    image_encoder=dict(type="ViT", arch="base", img_size=(224, 224), pretrained="vit-base-patch16-224", drop_rate=0.1),
    text_encoder=dict(type="BERT", arch="bert-base-uncased", pretrained="bert-base-uncased", dropout=0.1),
    disentangler=dict(type="BDAM", depth=6, heads=8, mlp_ratio=4.0, dropout=0.1),
    fuser=dict(
        type="MambaFuser",
        image="identity",
        text="text.identity.pooled",
        dim=256,
        out_dim=256,
        d_state=16,
        d_conv=4,
        expand=2,
        dropout=0.1,
        text_dropout=0.3,
        sequence="pooled",
    ),
    # v is the fused vector as it is, t a linear map of the query caption.
    heads={"global": dict(type="GlobalHead", image="fused", text="text.query.pooled", embed_dim=256, project="text")},
    losses=dict(
        itc=dict(type="InfoNCE", temperature=0.07, symmetric=False, positives="identity"),
        triplet=dict(type="Triplet", feature="identity", margin=0.3),
        clothing=dict(type="ClothingAlignment", clothing="clothing_ungated", text="text.clothing.pooled"),
        hsic=dict(type="HSIC", x="identity", y="clothing", kernel="linear"),
        gate=dict(type="GateRegularization", gate="gate"),
    ),
    balancer=dict(
        type="GradNorm",
        layer="image_encoder.vit.layers.-1",
        weights=dict(hsic=1.0, gate=0.01),
        alpha=1.5,
        lr=0.025,
        penalty=1e-3,
    ),
)
# Adam's weight decay is in the gradient.
optimizer = dict(type="Adam", lr=1e-4, weight_decay=1e-3)
schedule = dict(max_epochs=60, type="cosine")
# The gallery is embedded with the descriptions, too, as the paper's fused vector is; None embeds images alone.
evaluation = dict(gallery_texts="style_clustered")
runtime = dict(amp="bf16")
seed = 0
