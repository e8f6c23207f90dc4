"""One identity and one clothing text per image of MiniPEDES, in clustered styles (BDAM), by a simulated model."""

dataset = dict(type="MiniPEDES")
source = dict(type="style_clustered", name="dual", clusterer=dict(type="DBSCAN"), naming="words")
mllm = dict(type="Simulated", wrong=0.1)
