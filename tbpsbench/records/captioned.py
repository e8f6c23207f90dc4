"""What a record must say of texts that a model wrote: source, model, prompts' version, error rates where simulated.

The caption file says it in its header (`made_from.captioner`, captions/publish.py); a record copies the header of every
file that it names, with the file's hash. A file of simulated descriptions (minipedes/simulate.py) says it its own way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

CAPTIONER = "captioner"
VERSION = re.compile(r"[0-9a-f]{8}")
RATES = ("wrong", "missing")


def is_generated(source: Mapping[str, Any]) -> bool:
    """Whether a record's source holds texts that tools/caption.py made."""
    return CAPTIONER in source.get("made_from", {})


def captioner_problems(source: Mapping[str, Any]) -> Iterator[str]:
    """What a generated file leaves unsaid, or says otherwise than its form is.

    Args:
        source: one of a record's `data.sources`.
    """
    if not is_generated(source):
        return
    told = source["made_from"][CAPTIONER]
    if not isinstance(told, Mapping):
        yield f"made_from.{CAPTIONER} is {told!r:.80}, expected an object"
        return
    if not isinstance(told.get("source"), str) or not told["source"]:
        yield "names no caption source"
    models, prompts = told.get("models"), told.get("prompts")
    if not isinstance(models, Mapping) or not models or not all(isinstance(v, str) and v for v in models.values()):
        yield "names no model"
        models = {}
    versions = prompts.values() if isinstance(prompts, Mapping) else ()
    if not versions or not all(isinstance(version, str) and VERSION.fullmatch(version) for version in versions):
        yield "names no versions of its prompts (eight hexadecimal digits each)"
    simulated = source.get("notes", {}).get("simulated")
    if simulated is None and not any(name.startswith("simulated") for name in models.values()):
        return
    rates = list(simulated.values()) if isinstance(simulated, Mapping) else []
    if not rates or not all(isinstance(one, Mapping) and all(rate in one for rate in RATES) for one in rates):
        yield "is simulated and does not tell the error rates"


def shown_captioner(source: Mapping[str, Any]) -> str:
    """E.g. "mtg by Qwen2-VL-7B-Instruct", for tables; "" for a source that no model wrote."""
    told = source.get("made_from", {}).get(CAPTIONER)
    if not isinstance(told, Mapping) or not isinstance(told.get("models"), Mapping):
        return ""
    return f"{told.get('source')} by {' and '.join(dict.fromkeys(map(str, told['models'].values())))}"
