"""ViT-B/16 and BERT-base with published weights, one linear map each to 256."""

model = dict(
    type="PersonSearchModel",
    image_encoder=dict(type="ViT", arch="base", img_size=(224, 224), pretrained="vit-base-patch16-224"),
    text_encoder=dict(type="BERT", arch="bert-base-uncased", pretrained="bert-base-uncased"),
    heads={"global": dict(type="GlobalHead", embed_dim=256)},
    losses=dict(itc=dict(type="InfoNCE", temperature=0.07, learnable=True, positives="identity")),
    balancer=dict(type="Fixed"),
)
