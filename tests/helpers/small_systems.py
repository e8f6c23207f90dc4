"""Systems that have learnt nothing, as checkpoints: what searches need, without a training run."""

from smallest import DEMO, SMALLEST

TOKENS = "model.heads={'global': None, 'tokens': dict(type='TokenHead', embed_dim=8)}"
TOKEN_LOSS = "model.losses=dict(itc=dict(type='MaxSim'))"


def untrained(mini, path, *options, seed=0):
    """Write the checkpoint of an untrained small system to `path`.

    Args:
        mini: root of a MiniPEDES.
        options: overrides of its config, e.g. `TOKENS, TOKEN_LOSS` for a head that compares sets.
        seed: of its weights.
    """
    from tbpsbench.config.load import load_config
    from tbpsbench.engine.run import build_run
    from tbpsbench.system_files import write_checkpoint

    config = load_config(DEMO, [f"data.dataset.root={mini}", *SMALLEST, *options])
    write_checkpoint(build_run(config, seed=seed).system, path)
    return path
