"""Neither BDAM nor a fuser: two towers with the same P x K batches, losses and balancer; the tables' baseline."""

_base_ = "mamba-fuser-s_tiny_mini-pedes.py"
model = dict(fuser=None, heads={"global": dict(image="identity", project="both")})
