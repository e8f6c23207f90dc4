"""Paper 000's images and texts: the ViT recipe, descriptions from a caption file; 16 identities x 4 pairs a batch
(the paper states no batch).

The descriptions (roles identity and clothing) are made by tools/caption.py; the gallery is embedded with them, too, as
the paper's fused vector is. `evaluation.gallery_texts=None` embeds images alone.
"""

_base_ = "vit.py"
data = dict(
    descriptions="style_clustered",
    sampler=dict(type="IdentityBalanced", instances=4),
    batch_size=64,
)
evaluation = dict(gallery_texts="style_clustered")
