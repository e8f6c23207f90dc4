"""Weights that are not yet a system of ours, made one: released by a system's authors, or saved by an older tbpsbench.

What turns released names into ours are the converters of plug-ins (weights/convert.py); here the config's model is
built, the weights are loaded key by key, and tokenizer and preprocessing are put beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tbpsbench import registry
from tbpsbench.config.load import RUN_CONFIG, Config, run_name
from tbpsbench.config.resolve import fill_from_data
from tbpsbench.config.settings import Settings
from tbpsbench.data.images import DecodedImages
from tbpsbench.data.preprocess import Preprocess
from tbpsbench.data.sources import Sources, read_sources
from tbpsbench.data.texts import TextStore
from tbpsbench.data.tokenizers.base import Tokenizer
from tbpsbench.data.training import build_tokenizer, build_training, text_facts
from tbpsbench.engine.guard import run_changes
from tbpsbench.engine.resumable import require_sound
from tbpsbench.errors import CheckpointError
from tbpsbench.files import sha256_file
from tbpsbench.model.base import model_of
from tbpsbench.model.roles import caption_roles
from tbpsbench.records.identity import same_run
from tbpsbench.system import System
from tbpsbench.system_files import build_model, write_checkpoint
from tbpsbench.trained_on import TrainedOn
from tbpsbench.weights.checkpoint import KEY
from tbpsbench.weights.convert import find_converter
from tbpsbench.weights.files import read_checkpoint, read_state_dict, weight_file
from tbpsbench.weights.load import LoadReport, load_into
from tbpsbench.weights.torchscript import is_torchscript

OWN = "tbpsbench"  # the converter of weights that have our names already


def convert_checkpoint(config: Config, released: str | Path, out: str | Path, *, partial: bool = False) -> LoadReport:
    """Make a checkpoint of ours from weights of another form.

    Args:
        config: a checked config of the system; its `pretrained` weights are not read.
        released: a released file, a checkpoint of an older form, or bare weights in our names.
        out: the checkpoint to write; whole or absent.
        partial: write it even if some keys do not fit: a classifier of another data set, say.

    Returns:
        What became of every key.

    Raises:
        CheckpointError: if the file is a system already, or an older run's with other settings or data; if no
            converter recognises it; if keys are left over or missing, unless `partial`.
        DataError: if vocabulary or sizes come from training data that are not there.
    """
    settings, released, out = Settings.of(config.values), weight_file(released), Path(out)
    if out.exists() and out.samefile(released):
        raise CheckpointError(f"{out}: is the file that is converted, and would be lost. Give another name.")
    if out.suffix == ".safetensors":
        raise CheckpointError(f"{out}: a checkpoint is no safetensors file. Give a name that ends in .pth.")
    own = _description(released)
    if own is not None and "format" in own:
        raise CheckpointError(f"{released}: is a system already; tools/test.py and load_system read it as it is.")
    state = read_state_dict(released)
    whole = own is not None or _needs_data(settings)
    sources = read_sources(settings.data, settings.evaluation.gallery_texts) if whole else None
    # An older checkpoint does not say what its run was called; run.json beside it does.
    told = None if own is None else run_name(released.parent / RUN_CONFIG)
    system = _system(told or config.name, settings, sources, own is not None)
    if own is not None and (lines := run_changes(own, system, released, _may_differ)):
        raise CheckpointError(
            f"{released}: was trained with other settings than this config's, or on other data:{''.join(lines)}\n"
            "Give the config.py that stands beside it, and the data that it was trained on."
        )
    converter = OWN if _is_ours(state, system.model) else find_converter(state, str(released), settings.plugins)
    weights: Mapping[str, Tensor] = state if isinstance(converter, str) else converter.convert(state, system.model)
    report = load_into(system.model, weights, source=str(released), partial=partial)
    made_from = {
        "converter": converter if isinstance(converter, str) else converter.name,
        "file": released.name,
        "sha256": sha256_file(released),
        "complete": report.complete,
    }
    write_checkpoint(replace(system, notes={"converted": made_from}), out)
    return report


def _needs_data(settings: Settings) -> bool:
    """Whether something is said by the training data alone: sizes, text roles, a vocabulary made from captions."""
    entry = registry.TOKENIZERS.entry(settings.data.tokenizer["type"], "data.tokenizer")
    makes_vocabulary = "texts" in entry.parameters and not settings.data.tokenizer.get("pretrained")
    return "from_data:" in repr(settings.model) or bool(settings.data.descriptions) or makes_vocabulary


def _system(name: str, settings: Settings, sources: Sources | None, older: bool) -> System:
    """The config's system with other weights; trained on the config's data, where they had to be read."""
    data, preprocess = settings.data, Preprocess.of(settings.data)
    facts: Mapping[str, Any]
    roles = caption_roles(data.captions_per_sample)[1:]
    tokenizer: Tokenizer
    if sources is None:
        tokenizer = registry.TOKENIZERS.build(data.tokenizer, "data.tokenizer", {"texts": [], "files": {}})
        facts, trained_on = {**text_facts(tokenizer), "image_size": preprocess.size}, None
    else:
        tokenizer = build_tokenizer(data, sources)
        files = [record.file for record in sources.annotations.records]
        images = DecodedImages(sources.annotations.image_root, files, preprocess.size)
        training = build_training(data, sources, TextStore(tokenizer), preprocess, images, settings.seed)
        facts, roles = training.facts, training.roles
        trained_on = TrainedOn(sources.name, sources.provenance(), sources.training_texts(), sources.hashes)
    section = vars(settings.model)
    if older:
        # Its towers may have taken settings from their pretrained files, which the old form does not hold.
        model = model_of(fill_from_data(section, facts, "model"), roles)
    else:
        with torch.random.fork_rng(devices=[]):  # of what a partial conversion leaves as it was made
            torch.manual_seed(settings.seed)
            model = build_model(section, facts, roles, {})
    return System(name, model, tokenizer, preprocess, settings.values(), facts, trained_on)


def _description(path: Path) -> Mapping[str, Any] | None:
    """What a checkpoint of tools/train.py says about its run, of any form; None for weights of others."""
    if path.suffix == ".safetensors" or is_torchscript(path):
        return None
    content = read_checkpoint(path)
    own = content.get(KEY)
    return require_sound(content, path) if isinstance(own, Mapping) and "config" in own else None


def _may_differ(key: str) -> bool:
    """What may differ from the run: where the data lie, and which pretrained weights the towers began with."""
    tower = key.startswith(("model.image_encoder.", "model.text_encoder."))
    return same_run(key, ("data.dataset.root",)) or (tower and key.endswith((".pretrained", ".quick_gelu")))


def _is_ours(state: Mapping[str, Tensor], model: nn.Module) -> bool:
    """Whether names are those of the model itself; some may be missing, which is told key by key."""
    towers = [key for key in model.state_dict() if key.startswith(("image_encoder.", "text_encoder."))]
    return 2 * sum(key in state for key in towers) > len(towers)
