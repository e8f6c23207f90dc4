"""OpenAI's CLIP ViT-B/16 fine-tuned with InfoNCE at a fixed scale of 50; image and text are compared as they are.

Images, batches, rates and schedule are IRRA's, as its released code trains this baseline.
"""

data = dict(
    captions="human",
    tokenizer=dict(type="CLIPBPE", context_length=77),
    size=(384, 128),
    mean=(0.48145466, 0.4578275, 0.40821073),
    std=(0.26862954, 0.26130258, 0.27577711),
    transforms=[
        dict(type="HorizontalFlip"),
        dict(type="PadCrop", padding=10),
        dict(type="Normalize"),
        dict(type="RandomErasing", p=0.5, scale=(0.02, 0.4), value="mean"),
    ],
    sampler=dict(type="Shuffle"),
    batch_size=64,
    num_workers=8,
)
model = dict(
    type="PersonSearchModel",
    image_encoder=dict(type="CLIPImage", arch="ViT-B-16", img_size=(384, 128), pretrained="openai"),
    text_encoder=dict(type="CLIPText", arch="ViT-B-16", pretrained="openai"),
    heads={"global": dict(type="GlobalHead")},
    losses=dict(itc=dict(type="InfoNCE", temperature=0.02)),
    balancer=dict(type="Fixed"),
)
optimizer = dict(type="Adam", lr=1e-5, weight_decay=4e-5, betas=(0.9, 0.999), eps=1e-3)
# Biases learn at twice the rate, without decay.
param_groups = dict(type="PatternGroups", rules=[dict(pattern="bias", lr_mult=2.0, decay_mult=0.0)])
schedule = dict(max_epochs=60, type="cosine", warmup_epochs=5, warmup_factor=0.1)
runtime = dict(amp="bf16")
seed = 0
