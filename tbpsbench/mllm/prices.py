"""What a model costs, from the table of the package genai-prices (offline data, updated with the package)."""

from __future__ import annotations

from tbpsbench.mllm.meter import Price

MILLION = 1_000_000


def known_price(model: str, url: str) -> Price | None:
    """US dollars per million tokens of a model at a provider.

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
    for usage in (Usage(input_tokens=MILLION), Usage(output_tokens=MILLION)):
        try:
            sides.append(float(calc_price(usage, model, provider_api_url=url).total_price))
        except LookupError:
            return None
    return Price(*sides)
