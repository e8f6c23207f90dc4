"""Neither BDAM nor a fuser: the baseline of BDAM's Tables 1 and 2.

Two towers with the same batches and balancer, and what is left of the losses: InfoNCE and the triplet loss.
"""

_base_ = ["../_base_/data/mini-pedes.py", "../_base_/systems/bdam-mamba-s_tiny.py"]
model = dict(
    disentangler=None,
    fuser=None,
    heads={"global": dict(image="identity", project="both")},
    losses=dict(clothing=None, hsic=None, gate=None),
)
