"""What a model costs, from the table of the package genai-prices (offline data, updated with the package)."""

from __future__ import annotations

from collections.abc import Mapping

from tbpsbench.mllm.meter import Price

SHORT = 1_000  # tokens; providers ask more for every token of a prompt of hundreds of thousands
MILLION = 1_000_000


def given_price(price: Mapping[str, float]) -> Price:
    """A price as a config writes it, dict(input=..., output=...).

    Raises:
        ValueError: if it is none.
    """
    if {*price} != {"input", "output"}:
        raise ValueError(
            f"price is {dict(price)!r:.80}, expected dict(input=..., output=...), US dollars per million tokens"
        )
    return Price(price["input"], price["output"])


def known_price(model: str, url: str) -> Price | None:
    """US dollars per million tokens of a model at a provider, for prompts of usual length.

    Args:
        model: as the provider names it.
        url: base URL, which says who the provider is.

    Returns:
        None if the package is missing, or knows no such provider or model: a server of one's own, say.
    """
    try:
        from genai_prices import Usage, calc_price
    except ImportError:
        return None
    sides = []
    for usage in (Usage(input_tokens=SHORT), Usage(output_tokens=SHORT)):
        try:
            sides.append(float(calc_price(usage, model, provider_api_url=url).total_price * MILLION / SHORT))
        except LookupError:
            return None
    return Price(*sides)
