"""Whole captions of MiniPEDES in clustered styles, two per image (HAM), by a simulated model."""

dataset = dict(type="MiniPEDES")
source = dict(type="style_clustered", name="styled", output="caption", clusterer=dict(type="KMeans"), naming="words")
mllm = dict(type="Simulated", wrong=0.1)
