"""Identity and clothing texts of ICFG-PEDES in the styles of its training captions, as BDAM (section 3.3) describes them."""

_base_ = ["dual_qwen2-vl-7b_cuhk-pedes.py"]
dataset = dict(type="ICFGPEDES", root="data/ICFG-PEDES")
# It has no validation split; a part of its training images is carved out when they are read.
splits = ("train", "test")
