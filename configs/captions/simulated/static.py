"""The caption that MTG begins with, and no questions: what the dialogue adds is seen beside it. However short it is."""

dataset = dict(type="MiniPEDES")
source = dict(type="mtg", name="static", rounds=0, min_words=3, min_slots=1)
mllm = dict(type="Simulated", wrong=0.1)
