"""OpenAI's CLIP ViT-B/16 at 384 x 128; image and text are compared as they are."""

model = dict(
    type="PersonSearchModel",
    image_encoder=dict(type="CLIPImage", arch="ViT-B-16", img_size=(384, 128), pretrained="openai"),
    text_encoder=dict(type="CLIPText", arch="ViT-B-16", pretrained="openai"),
    heads={"global": dict(type="GlobalHead")},
    losses=dict(itc=dict(type="InfoNCE", temperature=0.02)),
    balancer=dict(type="Fixed"),
)
