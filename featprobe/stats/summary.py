"""Summaries of scored test items: each metric with its interval and its spread over tries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from featprobe.metrics.item_scores import ItemScores
from featprobe.metrics.sums import nan_mean
from featprobe.stats.components import components
from featprobe.stats.intervals import Intervals, intervals
from featprobe.stats.mean_over_tries import SEEDS, over_draws, over_training
from featprobe.stats.resampling import bootstrap


class Summary(NamedTuple):
    """``values``: metric -> mean over tries; ``intervals`` of these; ``spread``: metric -> standard
    deviation over tries, where there are several; ``components``: of their variance, where all
    tries have the same test items (:func:`~featprobe.stats.components.components`)."""

    values: dict[str, float]
    intervals: Intervals
    spread: dict[str, float]
    components: dict[str, dict[str, Any]]


def summarize(
    scored: ItemScores, *, resamples: int, seed: int, draws: bool, shared: float | None = None,
    seeds: int = 0, wanted: Sequence[str] | None = None,
) -> Summary:  # fmt: skip
    """Compute metrics of scored items, with intervals from ``resamples`` of patients.

    ``draws``: tries are few-shot draws; ``shared``: otherwise they are repeats of a split that have
    so much in common, None where there is one fit or there are folds. ``seeds``: tries are of
    several seeds: fits or draws on the same test items, or else on splits that share so much, so
    many tries on each. ``wanted``: which metrics, by default all of the task.
    """
    tries = scored.values(wanted)
    values = {n: float(nan_mean(v)) for n, v in tries.items()}
    boot = bootstrap(scored, wanted=wanted, resamples=resamples, seed=seed)
    found = intervals(scored, values, boot)
    if seeds and scored.rows is None:
        found = over_draws(scored, found, values, tries, boot, SEEDS)
    elif draws:
        found = over_draws(scored, found, values, tries, boot)
    elif shared is not None:
        if seeds > 1:  # draws on one split are one look at it
            tries = {n: nan_mean(v.reshape(-1, seeds).T) for n, v in tries.items()}
        found = over_training(scored, found, values, tries, boot, shared)
    several = {n: v for n, v in tries.items() if len(v) > 1 and ":" not in n}
    spread = {n: float(np.std(v, ddof=1)) for n, v in several.items()}
    parts = {
        n: components(v, boot[n]).to_dict() for n, v in several.items() if scored.rows is None
    }  # folds have test patients of their own: what is between them is patients too
    return Summary(values, found, spread, parts)
