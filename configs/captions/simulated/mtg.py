"""MTG on MiniPEDES, asked of a simulated model: no weights, no server; it errs as often as mllm says."""

dataset = dict(type="MiniPEDES")
source = dict(type="mtg")
mllm = dict(type="Simulated", wrong=0.1)
