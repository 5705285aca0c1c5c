"""The kept scores of the results of one league, checked against what the results say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from featprobe.core.errors import InputError
from featprobe.core.fingerprint import digest
from featprobe.evaluation import results
from featprobe.evaluation.commands import command_of
from featprobe.evaluation.results import Result
from featprobe.leaderboard.row_labels import probe_name
from featprobe.metrics.item_scores import ItemScores

AGREE = 1e-6  # between a metric of the kept scores and that of the result: rounding is far less


@dataclass
class KeptScores:
    """The scores of results by id, all of the same items in the same order, and what they reach in
    the metric. ``left_out``: by id why some results are not among them, in a sentence; ``short``:
    in a few words."""

    scored: dict[str, ItemScores] = field(default_factory=dict)
    value: dict[str, float] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    short: dict[str, str] = field(default_factory=dict)

    def leave(self, r: Result, short: str, why: str) -> None:
        """Leave a result out."""
        self.short[r.id], self.left_out[r.id] = short, f"{called(r)}: {why}"


def load(cache: Path, members: Sequence[Result], metric: str) -> KeptScores:
    """Read the scores of results of one league; the test items that most have are compared.

    Raises :class:`InputError` where scores do not reach what their result says.
    """
    kept, read = KeptScores(), {}
    for r in members:
        try:
            scored = results.scored(cache, r)
        except InputError as error:
            kept.leave(r, "no scores", str(error))
            continue
        if not _sound(scored):
            file = results.scores_file(cache, r)
            kept.leave(r, "scores not finite", f"{file}: some scores are not finite")
            continue
        try:
            reached = scored.mean([metric])[metric]
        except InputError as error:
            kept.leave(r, "not defined", str(error))
            continue
        if math.isnan(reached):
            kept.leave(r, "not defined", f"{metric} is not defined")
            continue
        read[r.id], kept.value[r.id] = scored, _agreed(cache, r, metric, reached)
    alike: dict[str, list[str]] = {}
    for i, scored in read.items():
        alike.setdefault(_items(scored), []).append(i)
    most = max(alike.values(), key=len, default=[])
    for r in members:
        if r.id in most:
            kept.scored[r.id] = read[r.id].in_order(read[most[0]].ids)
        elif r.id in read:
            kept.leave(r, "other test items", _difference(read[r.id], read[most[0]]))
    return kept


def called(r: Result) -> str:
    """A result in a sentence."""
    return f"{r.dataset} / {r.backbone} / {probe_name(r)}"


def _sound(scored: ItemScores) -> bool:
    """Whether the scores are numbers; of masks, distances to what is not there are not defined."""
    if scored.task == "segmentation":
        return not any(np.isinf(p).any() for p in scored.tries)
    return all(np.isfinite(p).all() for p in scored.tries)


def _agreed(cache: Path, r: Result, metric: str, reached: float) -> float:
    """What the result says of itself, or where it says nothing what its scores reach."""
    value = r.metrics.get(metric, math.nan)
    if math.isnan(value):
        return reached
    if abs(reached - value) > AGREE * max(1.0, abs(value)):
        raise InputError(
            f"{called(r)}: its kept scores reach {metric} {reached:.6f}, but line {r.id} in "
            f"{results.results_file(cache)} says {value:.6f}, so one of them is of another run or "
            f"version: run '{command_of(r.probe, r.protocol, r.task)}' again, or remove the line"
        )
    return value


def _items(scored: ItemScores) -> str:
    """The same for scores of the same items with the same labels, patients, and tries or folds."""
    order = np.argsort(scored.ids, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    rows = None if scored.rows is None else [np.sort(place[r]).tolist() for r in scored.rows]
    of = [a[order].astype(str).tolist() for a in (scored.ids, scored.groups, scored.y)]
    return digest([*of, len(scored.tries), rows])


def _difference(scored: ItemScores, first: ItemScores) -> str:
    """Why scores cannot be compared with the first ones."""
    if not np.array_equal(np.sort(scored.ids), np.sort(first.ids)):
        return "its test items are others than those of most results"
    scored, first = (s.in_order(np.sort(first.ids)) for s in (scored, first))
    same = np.array_equal(scored.y, first.y, equal_nan=True)
    if not same or not np.array_equal(scored.groups, first.groups):
        return "labels or patients of its test items differ from those of most results"
    if len(scored.tries) != len(first.tries):
        return f"{len(scored.tries)} tries where most results have {len(first.tries)}"
    return "its folds are others than those of most results"
