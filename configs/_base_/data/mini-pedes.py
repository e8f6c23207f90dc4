"""MiniPEDES, drawn by the package itself, at 128 x 64 pixels."""

data = dict(
    dataset=dict(type="MiniPEDES"),
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
    sampler=dict(type="Shuffle"),
    batch_size=64,
    num_workers=1,
)
evaluation = dict(selection="val", metric="mAP", interval=4, protocols=("standard", "clothes-change"))
