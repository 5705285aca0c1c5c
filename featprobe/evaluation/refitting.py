"""Refit of the probe that a Result reports, for saving it."""

from __future__ import annotations

import numpy as np

from featprobe.evaluation.evaluate import make_probe
from featprobe.evaluation.fitted import View
from featprobe.evaluation.labelled import labelled
from featprobe.evaluation.protocols import Full
from featprobe.evaluation.results import Result
from featprobe.features.augmented import AugmentedRows
from featprobe.features.bags import one_row_an_item
from featprobe.features.feature_set import FeatureSet
from featprobe.probes.base import Probe
from featprobe.probes.feature_range import FeatureRange
from featprobe.probes.selection import Criterion


def fit_chosen(features: FeatureSet, probe: str | Probe, protocol: Full, result: Result) -> Probe:
    """Refit the probe that a Result of the ``full`` protocol reports, to the same items.

    It knows where their features lie, so that it can say how far others are from them.
    """
    made = make_probe(probe)
    if "select" in result.settings:  # a part of the probe may choose, too
        one_se = bool(result.settings.get("one_se", True))
        made.choosing_by(Criterion(result.task, result.settings["select"], one_se))
    view = View(result.view, result.pool)
    augmented = str(result.settings.get("augmented", ""))
    data = labelled(features, protocol, [view], made, augmented=augmented)
    rows = np.r_[data.split.train, data.split.val] if protocol.refit else data.split.train
    kept = {k: v for k, v in result.params.items() if k in made.candidates()[0]}
    x = data.in_training(view)[rows]
    fitted = made.fresh(**kept).fit(x, data.y[rows], groups=data.groups[rows])
    first = one_row_an_item(AugmentedRows.first(x))
    fitted.range_ = FeatureRange.of(first, data.groups[rows])
    return fitted
