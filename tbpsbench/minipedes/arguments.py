"""What a MiniPEDES can be asked for. Imports nothing heavy: arguments are checked before anything is drawn or made."""

from __future__ import annotations

from tbpsbench.reading import INT64

SIZES: dict[str, tuple[int, int, int]] = {  # identities of train, val, test
    "tiny": (12, 4, 6),
    "default": (224, 25, 51),
    "large": (1200, 267, 533),
}
DOMAINS = ("street", "indoor")
LEAST_IDENTITIES = 10  # for three splits


def what_is_wrong(
    size: object = "default", seed: object = 0, identities: object = None, domain: object = "street"
) -> str | None:
    """What makes no sense of the arguments of a MiniPEDES, with the fix; None if all is well."""
    if not isinstance(size, str) or size not in SIZES:
        return f"MiniPEDES has no size {size!r:.80}: choose one of {', '.join(SIZES)}."
    if not isinstance(domain, str) or domain not in DOMAINS:
        return f"MiniPEDES has no domain {domain!r:.80}: choose one of {', '.join(DOMAINS)}."
    if not isinstance(seed, int) or isinstance(seed, bool) or seed not in INT64:
        return f"MiniPEDES: seed={seed!r:.80} is no whole number of 64 bits: give one like 0, 1 or 2."
    if identities is None:
        return None
    if not isinstance(identities, int) or isinstance(identities, bool):
        return f"MiniPEDES: identities={identities!r:.80} is no whole number: give at least {LEAST_IDENTITIES}."
    if size != "large":
        return f"MiniPEDES size {size!r} has {sum(SIZES[size])} identities; identities=... needs size='large'."
    if identities < LEAST_IDENTITIES:
        return f"MiniPEDES: identities={identities} is too few for three splits: give at least {LEAST_IDENTITIES}."
    return None
