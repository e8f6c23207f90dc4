"""The card that lies beside a saved system: what it is, what it was trained on, and how to use it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tbpsbench import __version__
from tbpsbench.config.open_sections import is_open

if TYPE_CHECKING:
    from tbpsbench.system import System
    from tbpsbench.trained_on import TrainedOn

# What Hugging Face's Hub reads of a card. No licence: that is for whoever passes the weights on to say.
FRONT = """---
library_name: tbpsbench
pipeline_tag: feature-extraction
tags:
{tags}
---

"""
TAGS = ("text-based-person-search", "image-text-retrieval", "person-re-identification")
TEXT = """# {name}

A text-based person search system, saved by tbpsbench {version}: it embeds captions and pictures of persons, so that the
pictures that fit a caption can be found.

| | |
| --- | --- |
{rows}

```python
from tbpsbench import load_system

system = load_system("PATH/TO/THIS/FOLDER")
index = system.encode_images(["a.jpg", "b.jpg"])
best = system.rank("a woman in a red coat with a black backpack", index, k=2)
print(best.order[0], best.scores[0])
```

For research on data whose subjects agreed, or for which you hold a licence. A ranking is not an identification: even
the best systems often put another person first. The training data's licence may restrict how these weights may be used
and passed on.
"""


def front(*tags: str) -> str:
    """The lines in YAML at the head of a card, with further tags."""
    return FRONT.format(tags="\n".join(f"- {tag}" for tag in (*TAGS, *tags)))


def card(system: System) -> str:
    """The card of a system, in Markdown."""
    model: Mapping[str, Any] = system.config["model"]
    trained = system.trained_on
    facts = {
        **_parts(model),
        "parameters": f"{sum(parameter.numel() for parameter in system.model.parameters()):,}",
        "images": f"{system.preprocess.size[0]} x {system.preprocess.size[1]} pixels (height x width)",
        "tokenizer": f"{system.config['data']['tokenizer']['type']}, {system.tokenizer.max_length} tokens",
        "trained on": "not known" if trained is None else trained.name,
        "started from": _start(trained),
        "plug-ins needed": ", ".join(system.config.get("plugins") or ()) or "none",
        "fingerprint": f"`{system.fingerprint}`",
    }
    rows = "\n".join(f"| {key} | {value} |" for key, value in facts.items())
    return front() + TEXT.format(name=system.name, version=__version__, rows=rows)


def _start(trained: TrainedOn | None) -> str:
    start = None if trained is None else trained.start
    return "scratch, or what its config names" if start is None else f"{start['name']}, of {start['trained_on']}"


def _parts(model: Mapping[str, Any]) -> dict[str, str]:
    """What the model is made of, as far as the config tells; only a plug-in knows the parts of its own model."""
    if is_open("model", model):
        return {"model": model["type"]}
    return {
        "image encoder": model["image_encoder"]["type"],
        "text encoder": model["text_encoder"]["type"],
        "disentangler": (model.get("disentangler") or {}).get("type", "none"),
        "fuser": (model.get("fuser") or {}).get("type", "none"),
        "heads": ", ".join(f"{name} ({head['type']})" for name, head in model["heads"].items()),
    }
