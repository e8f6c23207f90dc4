"""Views: the pairs of a training batch seen otherwise, for losses that compare several looks at one pair.

A view of the image is drawn apart from the first by transforms (`data.views=dict(second=[])`), a further caption is
another text of the same image (`data.captions_per_sample=2` makes "query_2"). What the model makes of a view has the
names that it has of the first, behind the view's own: `view.second.image.pooled`, `view.second.heads.global.image`,
`view.query_2.heads.global.text`. A view has one side: of an image there is no query, of a caption no image.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from tbpsbench.model.roles import QUERY
from tbpsbench.types import Batch

PREFIX = "view."


def view_of(feature: str) -> str | None:
    """The view that a feature is of: "second" for "view.second.image.pooled", None for features of the pair itself."""
    name, _, rest = feature.removeprefix(PREFIX).partition(".")
    return name if feature.startswith(PREFIX) and rest else None


def plain(feature: str) -> str:
    """The name of a feature without the view that it is of."""
    view = view_of(feature)
    return feature if view is None else feature.removeprefix(f"{PREFIX}{view}.")


def view_features(features: Collection[str], views: Collection[str]) -> set[str]:
    """Names of these features in each of these views."""
    return {f"{PREFIX}{view}.{feature}" for view in views for feature in features}


def seen_as(batch: Batch, view: str, gallery_roles: Collection[str] = ()) -> Batch | None:
    """One view of the pairs as a batch of its own, or None if the batch does not have it.

    Args:
        batch: the pairs.
        view: name of a view of the image, or role of a further caption.
        gallery_roles: roles of texts that go with an image.
    """
    if view in batch.views:
        texts = {role: tokens for role, tokens in batch.texts.items() if role in gallery_roles}
        return replace(batch, image_B3HW=batch.views[view], texts=texts, views={}, extras={})
    if view in batch.texts:
        return replace(batch, image_B3HW=None, texts={QUERY: batch.texts[view]}, views={}, extras={})
    return None
