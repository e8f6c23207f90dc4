"""MTG on CUHK-PEDES as in CTGI: Qwen2-VL-7B behind a server of your own, merged by GPT-4o. Eight calls for an image.

vllm serve Qwen/Qwen2-VL-7B-Instruct --limit-mm-per-prompt '{"image": 1, "video": 0}'
"""

dataset = dict(type="CUHKPEDES", root="data/CUHK-PEDES")
# The name that configs/ctgi read.
source = dict(type="mtg", name="mtg")
mllm = dict(
    type="OpenAICompatible",
    model="Qwen/Qwen2-VL-7B-Instruct",
    base_urls=["http://127.0.0.1:8000/v1"],
    price=dict(input=0.0, output=0.0),
)
reconstructor = dict(
    type="OpenAICompatible",
    model="gpt-4o",
    base_urls=["https://api.openai.com/v1"],
    price=dict(input=2.5, output=10.0),
)
budget = dict(usd=200.0)
