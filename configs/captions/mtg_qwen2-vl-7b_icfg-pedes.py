"""MTG on ICFG-PEDES as in CTGI: Qwen2-VL-7B behind a server of your own, merged by GPT-4o. Eight calls for an image."""

_base_ = ["mtg_qwen2-vl-7b_cuhk-pedes.py"]
dataset = dict(type="ICFGPEDES", root="data/ICFG-PEDES")
