"""Search a folder of pictures with an exported system, without tbpsbench and without torch.

    pip install onnxruntime tokenizers pillow numpy
    python search_with_an_export.py my-export my-photos "a woman in a red coat"

my-export is what `python tools/export.py CHECKPOINT --out my-export` wrote.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps
from tokenizers import Tokenizer


def main(export: Path, photos: Path, text: str) -> None:
    """Print the five pictures that fit the text best."""
    files = sorted(path for path in photos.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    seen = json.loads((export / "preprocessor_config.json").read_text())
    vision = onnxruntime.InferenceSession(str(export / "onnx/vision_model.onnx"))
    images = np.concatenate([vision.run(None, {"pixel_values": pixels(file, seen)})[0] for file in files])

    asked = Tokenizer.from_file(str(export / "tokenizer.json")).encode(text)
    tower = onnxruntime.InferenceSession(str(export / "onnx/text_model.onnx"))
    tokens = {"input_ids": np.array([asked.ids]), "attention_mask": np.array([asked.attention_mask])}
    (query,) = tower.run(None, tokens)

    similarities = images @ query[0]
    for best in np.argsort(-similarities, kind="stable")[:5]:
        print(f"{similarities[best]:7.4f}  {files[best].relative_to(photos)}")


def pixels(file: Path, seen: dict) -> np.ndarray:
    """One picture as the graph takes it, (1, 3, H, W) float32."""
    size = (seen["size"]["width"], seen["size"]["height"])
    image = ImageOps.exif_transpose(Image.open(file)).convert("RGB").resize(size, seen["resample"])
    values = (np.asarray(image) / 255 - seen["image_mean"]) / seen["image_std"]
    return values.transpose(2, 0, 1)[None].astype(np.float32)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
