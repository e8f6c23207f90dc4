"""The smallest run there is: the demo's config with a model that starts and trains in seconds."""

from small_models import CLIP_IMAGE, CLIP_TEXT, CLIP_TOKENS

SMALLEST = [
    f"{CLIP_IMAGE})",
    f"{CLIP_TEXT})",
    "model.heads.global.embed_dim=16",
    "data.size=(48, 24)",
    CLIP_TOKENS,
    "data.batch_size=16",
    "data.dataset.size=tiny",
    "runtime.threads=1",
    "evaluation.interval=1",
]
DEMO = "configs/mini/two-tower_mini-pedes.py"
