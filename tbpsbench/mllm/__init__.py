"""Multimodal language models: chat messages with pictures in, a checked reply out (slot MLLM_CLIENTS)."""
