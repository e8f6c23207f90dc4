"""Paper 000, section 4.2: Adam, weight decay in the gradient, cosine to zero; the number of epochs is ours."""

optimizer = dict(type="Adam", lr=1e-4, weight_decay=1e-3)
schedule = dict(max_epochs=60, type="cosine")
evaluation = dict(selection="val")
runtime = dict(amp="bf16")
seed = 0
