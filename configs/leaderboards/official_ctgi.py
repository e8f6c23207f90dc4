"""CTGI on the licensed sets: training on MTG's captions, MTI in the search, 77 and 248 text positions.

Beside it IRRA and RDE as they were published, trained on people's captions, with and without MTI. Needs data, weights, a
GPU, the captions that `configs/captions/mtg_*` write, and for MTI a server of a multimodal model:
vllm serve Qwen/Qwen2-VL-7B-Instruct --limit-mm-per-prompt '{"image": 1, "video": 0}'
"""

title = "CTGI beside IRRA and RDE on CUHK-PEDES, ICFG-PEDES, RSTPReid"
interact = {
    "mti": dict(
        type="MTI",
        mllm=dict(
            type="OpenAICompatible",
            model="Qwen/Qwen2-VL-7B-Instruct",
            base_urls=["http://127.0.0.1:8000/v1"],
            price=dict(input=0.0, output=0.0),
        ),
    )
}
entries = {
    "irra": dict(
        config="../irra/irra_clip-vit-b16_1xb64-60e_{data}.py",
        interact=["mti"],
    ),
    "ctgi-irra-77": dict(
        config="../ctgi/ctgi-irra-77_clip-vit-b16_1xb64-60e_{data}.py",
        interact=["mti"],
    ),
    "ctgi-irra": dict(
        config="../ctgi/ctgi-irra_clip-vit-b16_1xb64-60e_{data}.py",
        interact=["mti"],
    ),
    "rde": dict(
        config="../rde/rde_clip-vit-b16_1xb64-60e_{data}.py",
        interact=["mti"],
    ),
    "ctgi-rde-77": dict(
        config="../ctgi/ctgi-rde-77_clip-vit-b16_1xb64-60e_{data}.py",
        interact=["mti"],
    ),
    "ctgi-rde": dict(
        config="../ctgi/ctgi-rde_clip-vit-b16_1xb64-60e_{data}.py",
        interact=["mti"],
    ),
}
datasets = {"cuhk-pedes": [], "icfg-pedes": [], "rstp-reid": []}
seeds = (0, 1, 2)
