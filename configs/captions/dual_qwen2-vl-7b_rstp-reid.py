"""Identity and clothing texts of RSTPReid in the styles of its training captions, as BDAM (section 3.3) describes them."""

_base_ = ["dual_qwen2-vl-7b_cuhk-pedes.py"]
dataset = dict(type="RSTPReid", root="data/RSTPReid")
