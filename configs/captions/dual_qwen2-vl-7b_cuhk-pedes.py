"""Identity and clothing texts of CUHK-PEDES in the styles of its training captions, as BDAM (section 3.3) describes them.

The paper asks ChatGPT-4 and embeds with CLIP ViT-B/32; here one model behind a server of your own does all of it.
"""

dataset = dict(type="CUHKPEDES", root="data/CUHK-PEDES")
# The name that configs/bdam_mamba read: they fuse a picture with its description in training, validation and search.
source = dict(type="style_clustered", name="style_clustered", embedder="clip", clusterer=dict(type="DBSCAN"))
splits = ("train", "val", "test")
mllm = dict(
    type="OpenAICompatible",
    model="Qwen/Qwen2-VL-7B-Instruct",
    base_urls=["http://127.0.0.1:8000/v1"],
    price=dict(input=0.0, output=0.0),
)
