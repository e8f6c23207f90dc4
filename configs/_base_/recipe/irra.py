"""IRRA's images and texts: 384 x 128, flip, pad-crop, erase after normalisation; CLIP BPE with 77 tokens."""

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
