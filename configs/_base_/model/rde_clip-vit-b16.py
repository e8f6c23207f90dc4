"""RDE on OpenAI's CLIP ViT-B/16: global and token-selection embeddings, TAL on each, consensus division every epoch.

Comes after the schedule in a list of bases, whose parameter groups it replaces.
"""

_base_ = ["clip-vit-b16.py"]
plugins = ["rde"]
data = dict(text_noise=0.2)
model = dict(
    heads=dict(
        _delete_=True,
        bge=dict(type="GlobalHead"),
        tse=dict(type="TSE", dim=1024, ratio=0.3, text_length=77, train_bn="frozen", padding="published"),
    ),
    losses=dict(
        _delete_=True,
        bge=dict(type="TAL", anchor="heads.bge.image", positive="heads.bge.text", temperature=0.015, margin=0.1),
        tse=dict(type="TAL", anchor="heads.tse.image", positive="heads.tse.text", temperature=0.015, margin=0.1),
    ),
)
param_groups = dict(_delete_=True, type="RDEGroups", new=["heads.tse."], new_lr=1e-3, bias_lr_mult=2.0)
hooks = dict(ccd=dict(type="CCD", losses=["bge", "tse"], max_iter=10, tol=1e-2, reg_covar=5e-4))
