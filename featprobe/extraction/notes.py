"""Notes on how the items of an extraction are displayed, for every result on them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from featprobe.core.numeric import unit_rows
from featprobe.datasets.audit import class_names
from featprobe.datasets.base import Dataset
from featprobe.datasets.confounders import follows
from featprobe.features.feature_set import FeatureSet
from featprobe.images.appearance import Appearance

ALIKE = 0.9999  # mean cosine of two items
_ITEMS, _FEW = 256, 3


def notes_of_appearance(dataset: Dataset, appearances: Mapping[int, Appearance]) -> list[str]:
    """Items shown all black or all white, and what goes with the class or the split."""
    out = []
    for seen in ("black", "white"):
        found = [i for i, one in appearances.items() if one.seen == seen]
        if found:
            out.append(
                f"{len(found)} of {len(appearances)} items are shown all {seen}, first "
                f"{dataset.ids[found[0]]}: choose another --intensity"
            )
    rows = sorted(appearances)
    classes = class_names(dataset)
    labels = ["+".join(classes[i]) for i in rows]
    unlabelled = dataset.targets is None or dataset.task == "regression"
    return out + follows(
        [appearances[i].facts for i in rows],
        [""] * len(rows) if unlabelled else labels,
        [str(dataset.split[i]) for i in rows],
    )


def of_features(features: FeatureSet) -> list[str]:
    """Whether features hardly differ: mean pairwise cosine of middle frames of some 256 items."""
    if features.default_view == "tokens" or len(features) < _FEW:
        return []
    middle = features.middle_frames()
    at = middle[np.unique(np.linspace(0, len(middle) - 1, _ITEMS).round().astype(int))]
    rows = features.frames(features.default_view, 1, at).reshape(len(at), -1).astype(float)
    unit = unit_rows(rows)
    n = len(unit)
    cosine = (float(np.square(unit.sum(0)).sum()) - n) / (n * (n - 1))
    if cosine <= ALIKE:
        return []
    return [
        f"features hardly differ between items (mean cosine {cosine:.5f}): look at how the images "
        "are shown (--intensity)"
    ]
