"""What "the same" means, once: the same run, the same system, the same data, the same result.

    same run      a checkpoint may be resumed: only RUN_MAY_DIFFER differs
    same system   one row of a board: equal `system_key`, whatever seed, folder, number of threads or spelling
    same data     equal `data_key`: one data set, split and population, wherever it lies
    same result   equal `record_identity`: one system, seed and evaluated data

Systems are identified by their resolved config in the form of version 1, in which the committed records are written.
Where a later form says the same thing in another way, `in_first_form` brings it back, so that rows stay one row.
`system_sha256` stands in records and is verified: the hash of a config as it is written. `system_key` is compared: two
spellings of one value, as 1 and 1.0, have hashes of their own and are one system.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tbpsbench.builtins import BUILTINS
from tbpsbench.config.flat import canonical, fingerprint, in_one_spelling
from tbpsbench.errors import RegistryError
from tbpsbench.registry import DATASETS

# Role of the captions that training showed, where a search was asked others; and the source of these.
TRAINING, OWN_CAPTIONS = "training", "human"
# Keys that change no number, wherever they are compared.
NEUTRAL = ("runtime.threads", "runtime.log_interval", "data.num_workers", "data.cache_dir", "name")
# Files of replies that an interaction may be given; the replies decide, not where they lie.
REPLIES = ("evaluation.interactor.cache", "evaluation.interactor.recording")
# Between the parts of one run; a system of version 1 is also told by the batch size of its evaluation.
RUN_MAY_DIFFER = (*NEUTRAL, "evaluation.batch_size", "load_from.file")
# Between the runs of one system.
SYSTEM_MAY_DIFFER = (*NEUTRAL, *REPLIES, "seed", "data.dataset.root", "load_from.file")
# Data sets of ours that hold whatever lies in their folder, as those of plug-ins may.
ANY_CONTENT = ("CSVDataset",)
# Keys that came later, by section, with the values at which they change nothing.
ADDED: Mapping[str, Mapping[str, Any]] = {
    "data": {"views": {}, "captions_per_sample": 1, "more_captions": [], "text_transforms": [], "extras": []},
    "evaluation": {"rerank": [], "interactor": None, "distractors": None},
}
# Arguments of a data set that do not say which images and captions are evaluated.
_PLACE_AND_SPLIT = ("root", "val_carve")


def in_first_form(config: Mapping[str, Any]) -> dict[str, Any]:
    """A resolved config in the form of version 1: `PatchMean` was what `disentangler=None` meant."""
    found = dict(config)
    if config.get("model", {}).get("disentangler") == {"type": "PatchMean"}:
        found["model"] = {**config["model"], "disentangler": None}
    for section, added in ADDED.items():
        values = config.get(section)
        if not isinstance(values, Mapping):
            continue
        unused = [key for key, value in added.items() if key in values and _plain(values[key]) == value]
        if unused:
            found[section] = {key: value for key, value in values.items() if key not in unused}
    return found


def system_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a resolved config that makes a system."""
    reduced = in_first_form(config)
    for key in SYSTEM_MAY_DIFFER:
        reduced = _without(reduced, key.split("."))
    return reduced


def system_sha256(config: Mapping[str, Any]) -> str:
    """Fingerprint of what makes a system, as it is written."""
    return fingerprint(system_config(config))


def system_key(config: Mapping[str, Any]) -> str:
    """What configs of one system have in common, however they are written.

    Whole numbers with and without a point, a built-in data set with and without its defaults, and plug-ins with and
    without being named (`plugins` says what must be installed, and all that is installed is loaded) are alike. Defaults
    of other components are not filled in: another version may have others.
    """
    told = system_config(config)
    dataset = told.get("data", {}).get("dataset")
    if isinstance(dataset, Mapping) and dataset.get("type") in BUILTINS["DATASETS"]:
        told["data"] = {**told["data"], "dataset": _without(_with_defaults(dataset), ["root"])}
    return fingerprint(in_one_spelling(_without(told, ["plugins"])))


def systems(records: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The `system_sha256` of records -> a text that those of one system share.

    A hash that is not its config's, which `verify` refuses, is a system of its own.
    """
    configs: dict[str, Mapping[str, Any]] = {}
    for record in records:
        configs.setdefault(record["system_sha256"], record["config"])
    if len(configs) < 2:  # as nearly always: a board of thousands of rows need not pack every config
        return {stored: stored for stored in configs}
    return {stored: _system_of({"system_sha256": stored, "config": config}) for stored, config in configs.items()}


def _system_of(record: Mapping[str, Any]) -> str:
    stored, config = str(record["system_sha256"]), record["config"]
    return system_key(config) if system_sha256(config) == stored else stored


def same_run(key: str, allowed: tuple[str, ...] = ()) -> bool:
    """Whether a key of the config (or one below it) may differ between two parts of one run."""
    return any(key == name or key.startswith(f"{name}.") for name in (*RUN_MAY_DIFFER, *allowed))


def data_key(component: Mapping[str, Any]) -> str:
    """A data set as one text, with its constructor's defaults filled in and without its folder.

    A data set of a plug-in that is not installed, or cannot be loaded here, is taken as it is written.
    """
    told = _with_defaults(component) if component.get("type") in DATASETS.names() else component
    return canonical(in_one_spelling({key: value for key, value in told.items() if key not in _PLACE_AND_SPLIT}))


def root_matters(component: Mapping[str, Any]) -> bool:
    """Whether the folder of a data set says what it holds: not where the data set is one release or one drawing."""
    return component.get("type") in ANY_CONTENT or component.get("type") not in BUILTINS["DATASETS"]


def same_data(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two data sets are one, as far as the config says."""
    return data_key(one) == data_key(other) and (not root_matters(one) or one.get("root") == other.get("root"))


def record_identity(record: Mapping[str, Any]) -> tuple[str, int, str, str]:
    """(name, seed, system, evaluated data): what makes two records the same result, if they asked the same captions."""
    component = data_key(record["data"].get("component", {}))
    return record["name"], record["seed"], _system_of(record), component


def is_transfer(record: Mapping[str, Any]) -> bool:
    """Whether the model was evaluated on other data than it was trained on."""
    trained, evaluated = record["config"]["data"]["dataset"], record["data"].get("component", {})
    differ = not same_data(trained, evaluated) if evaluated else False
    return differ or record["spec"].get("trained_on", record["spec"]["data"]) != record["spec"]["data"]


def other_captions(record: Mapping[str, Any]) -> bool:
    """Whether the captions that were asked are from another source than the config's, as far as names tell."""
    captions = record["config"]["data"].get("captions", "human")
    named = captions.get("type") if isinstance(captions, Mapping) else captions
    if any(source.get("role") == TRAINING for source in record["data"].get("sources", [])):
        named = OWN_CAPTIONS
    asked = [source.get("source") for source in record["data"].get("sources", []) if source.get("role") == "captions"]
    return any(source != named for source in asked)


def is_ambiguous(record: Mapping[str, Any]) -> bool:
    """Whether its names do not say which captions a record asked: those of a folder, or of another source."""
    return root_matters(record["data"].get("component", {})) or other_captions(record)


def annotations_sha256(record: Mapping[str, Any]) -> str:
    """Hash of the annotation file with the query captions; "" if the record names none."""
    return str(_captions(record).get("sha256", ""))


def captions_source(record: Mapping[str, Any]) -> str:
    """Who wrote the query captions, as the annotation file says it; "" if the record names none."""
    return str(_captions(record).get("source", ""))


def _captions(record: Mapping[str, Any]) -> Mapping[str, Any]:
    sources = record["data"].get("sources", [])
    return next((source for source in sources if source.get("role") == "captions"), {})


def _with_defaults(component: Mapping[str, Any]) -> dict[str, Any]:
    """A data set with its constructor's defaults filled in; as it is written, if it cannot be loaded here."""
    try:
        parameters = DATASETS.entry(component["type"]).parameters
    except RegistryError:
        return dict(component)
    return {**{key: p.default for key, p in parameters.items() if p.default is not p.empty}, **component}


def _plain(value: Any) -> Any:
    """A value as JSON keeps it: a tuple is a list."""
    return list(value) if isinstance(value, tuple) else value


def _without(values: Mapping[str, Any], path: list[str]) -> dict[str, Any]:
    key, *rest = path
    if not rest:
        return {name: value for name, value in values.items() if name != key}
    inner = values.get(key)
    return {**values, key: _without(inner, rest)} if isinstance(inner, Mapping) else dict(values)
