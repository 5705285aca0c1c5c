"""Which cached features a verb works on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from featprobe.cli.common import note

if TYPE_CHECKING:
    from featprobe.features.feature_set import FeatureSet
    from featprobe.store.base import FeatureStore


def feature_sets(
    data: Sequence[str], model: Sequence[str], view: Any, cache: str | None,
    aside: Callable[[str], None] = lambda text: note(f"left aside: {text}"),
) -> list[tuple[FeatureSet, Any]]:  # fmt: skip
    """Feature sets, each with the views that are asked of it: of one backbone, or joined.

    Views and names of ``--model`` may be joined ones, see :mod:`featprobe.features.joined_views`.
    ``aside``: is told what is left aside of those that are joined.
    """
    from featprobe.core import paths as settings
    from featprobe.core.errors import InputError
    from featprobe.features.feature_set import FeatureSet
    from featprobe.features.joining import joined_sets, joined_views

    typed = list(view) if isinstance(view, (list, tuple)) else []  # else it is of a preset
    requested = joined_views(typed)
    of_models = [parts for m in model if (parts := joined_views([m]))]
    if not requested and not of_models:
        return [(FeatureSet(s), view or None) for s in cached_sets(data, model, cache)]
    if (requested and model) or (of_models and (typed or len(of_models) < len(model))):
        raise InputError(
            "features that are joined name their backbones: give --features alone, or --model alone"
        )
    out = []
    for views in [requested] if requested else of_models:
        found, notes = joined_sets(settings.feature_root(cache), views, data)
        for text in notes:
            aside(text)
        out += found
    return out


def cached_sets(
    data: Sequence[str], model: Sequence[str], cache: str | None, output: str = ""
) -> list[FeatureStore]:
    """The complete stores of these data sets and backbones, those that hold ``output`` if named."""
    from featprobe.core import paths as settings
    from featprobe.core.errors import InputError
    from featprobe.features.lookup import data_named, model_named
    from featprobe.store.cache import find

    root = settings.feature_root(cache)
    stores, notes = find(root, data, model, (data_named, model_named))
    for text in notes:
        note(f"left aside: {text}")
    able = [s for s in stores if not output or output in s.layout.arrays]
    if not able:
        wanted = f" with a {output}" if output else ""
        named = " among those named" if stores else ""
        example = "clip_vitb32" if output == "projection" else "MODEL"
        raise InputError(
            f"no complete feature set{wanted}{named} in {root}; make one with "
            f"'featprobe extract --model {example} --data DATA'"
        )
    return able


def projections(
    data: Sequence[str], model: Sequence[str], cache: str | None
) -> list[tuple[FeatureSet, None]]:
    """The feature sets of image-text models, which have one view."""
    from featprobe.features.feature_set import FeatureSet

    return [(FeatureSet(s), None) for s in cached_sets(data, model, cache, "projection")]
