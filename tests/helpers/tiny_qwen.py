"""A real Qwen2-VL of 120,000 random weights with a tokenizer trained here: made in a second, no download."""

from __future__ import annotations

from pathlib import Path

SPECIAL = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
    "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip
TEXTS = (
    "A tall man with short black hair wears a red coat, blue jeans and white sneakers and carries a backpack.",
    "An elderly woman in a long green dress, holding a folded umbrella, walks away from the camera.",
    "What is the person wearing on the upper body? Answer in one sentence, or say not visible.",
    "Describe the person in the picture: sex, age, hair, clothes, shoes, bags and what they hold. 0123456789",
)
# Images stand where they are given, before the text of their message.
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}"
    "{% if part['type'] in ('image', 'image_url') %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif 'text' in part %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def make(folder: Path, seed: int = 0, endings: int = 0) -> Path:
    """Write model, tokenizer and processor into a folder.

    Args:
        folder: to write into.
        seed: of the weights.
        endings: ordinary tokens that end a reply, too: what has random weights seldom ends one by itself.
    """
    import torch
    from tokenizers import ByteLevelBPETokenizer
    from transformers import (
        Qwen2Tokenizer,
        Qwen2VLConfig,
        Qwen2VLForConditionalGeneration,
        Qwen2VLImageProcessor,
        Qwen2VLProcessor,
    )
    from transformers.models.qwen2_vl.video_processing_qwen2_vl import Qwen2VLVideoProcessor

    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(TEXTS, vocab_size=400, special_tokens=list(SPECIAL), show_progress=False)
    folder.mkdir(parents=True, exist_ok=True)
    trained.save_model(str(folder))
    vocab, merges = folder / "vocab.json", folder / "merges.txt"
    tokenizer = Qwen2Tokenizer(
        vocab=str(vocab), merges=str(merges), eos_token="<|im_end|>", pad_token="<|endoftext|>",
        extra_special_tokens=list(SPECIAL[1:]), model_max_length=4096,
    )  # fmt: skip
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in SPECIAL}
    config = Qwen2VLConfig(
        text_config={
            "vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 4096,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2]},
            "bos_token_id": ids["<|endoftext|>"], "eos_token_id": ids["<|im_end|>"],
            "pad_token_id": ids["<|endoftext|>"],
        },
        vision_config={"depth": 2, "embed_dim": 32, "hidden_size": 32, "num_heads": 4, "mlp_ratio": 2},
        image_token_id=ids["<|image_pad|>"], video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"], vision_end_token_id=ids["<|vision_end|>"],
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Qwen2VLForConditionalGeneration(config).eval()
    model.generation_config.min_new_tokens = 8 if endings else None
    last = range(len(tokenizer) - len(SPECIAL) - endings, len(tokenizer) - len(SPECIAL))
    model.generation_config.eos_token_id = [ids["<|im_end|>"], ids["<|endoftext|>"], *last]
    model.generation_config.pad_token_id = ids["<|endoftext|>"]
    model.generation_config.do_sample = False
    model.save_pretrained(folder)
    sizes = {"min_pixels": 28 * 28 * 4, "max_pixels": 28 * 28 * 1280}
    processor = Qwen2VLProcessor(
        image_processor=Qwen2VLImageProcessor(**sizes), tokenizer=tokenizer, video_processor=Qwen2VLVideoProcessor(),
        chat_template=TEMPLATE,
    )  # fmt: skip
    processor.save_pretrained(folder)
    return folder


if __name__ == "__main__":
    import sys

    print(make(Path(sys.argv[1])))
