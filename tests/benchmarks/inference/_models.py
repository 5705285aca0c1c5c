"""Simulated studies whose true values are known: binormal scores, and grades read with noise.

Patients have ``each`` items; half of the variance of a score is the patient's. The truth is that of
the model, with as many patients as one likes, not that of a sample.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

from featprobe.metrics.item_scores import ItemScores

GRADES = {  # shares of five grades by the share of the last one
    0.05: (0.5, 0.25, 0.12, 0.08, 0.05),
    0.2: (0.2, 0.2, 0.2, 0.2, 0.2),
    0.5: (0.05, 0.1, 0.15, 0.2, 0.5),
}
MODELS = {  # what has the true value of the cell -> the metrics that are looked at
    "area": ("auroc", "ap", "ap:1", "sens_at_95spec", "spec_at_95sens"),
    "decision": ("accuracy", "balanced_accuracy", "balanced_accuracy:1", "f1", "f1:1", "kappa"),
    "grades": ("quadratic_kappa",),
}
_GRID = np.linspace(-9, 16, 20_001)


class Cell(NamedTuple):
    """``items`` in all, ``each`` of a patient; ``varying``: a patient's items differ in class."""

    model: str
    items: int
    each: int
    varying: bool
    prevalence: float
    truth: float

    def __str__(self) -> str:
        kind = "" if self.each == 1 else ", class by item" if self.varying else ", class by patient"
        return (
            f"n {self.items}, {self.each} a patient{kind}, prevalence {self.prevalence:g}, "
            f"truth {self.truth:g}"
        )


def cells(
    model: str,
    sizes: tuple[int, ...] = (20, 50, 200, 1000),
    each: tuple[int, ...] = (1, 4, 10),
    prevalences: tuple[float, ...] = (0.05, 0.2, 0.5),
    truths: tuple[float, ...] = (0.7, 0.9, 0.98, 0.999),
) -> Iterator[Cell]:
    """All cells of a model."""
    for items in sizes:
        for many in each:
            for varying in (False, True)[: 1 if many == 1 else 2]:
                for prevalence in prevalences:
                    for truth in truths:
                        yield Cell(model, items, many, varying, prevalence, truth)


def study(cell: Cell, rng: np.random.Generator) -> ItemScores:
    """One simulated test set with its scores."""
    patients = cell.items // cell.each
    code = np.repeat(np.arange(patients), cell.each)
    own = 0.5 if cell.each > 1 else 0.0
    noise = np.sqrt(own) * rng.normal(size=patients)[code]
    noise += np.sqrt(1 - own) * rng.normal(size=len(code))
    drawn = rng.random(len(code)) if cell.varying else rng.random(patients)[code]
    ids, classes = np.arange(len(code)), ("0", "1")
    if cell.model == "grades":
        cuts, r = _cuts(cell.prevalence), _correlation(cell.prevalence, cell.truth)
        latent = norm.ppf(drawn)
        y = np.searchsorted(cuts, latent)
        said = np.searchsorted(cuts, r * latent + np.sqrt(1 - r * r) * noise)
        return ItemScores("ordinal", ids, y, code, [np.eye(5)[said]])
    y = (drawn < cell.prevalence).astype(np.int64)
    shift = _shift(cell)
    p = 1 / (1 + np.exp(-shift * (shift * y + noise - shift / 2)))
    return ItemScores("multiclass", ids, y, code, [np.stack([1 - p, p], axis=1)], None, classes)


@cache
def population(cell: Cell) -> dict[str, float]:
    """Metric -> its true value under the model of a cell."""
    p, shift = cell.prevalence, _shift(cell)
    if cell.model == "grades":
        return {"quadratic_kappa": cell.truth}
    if cell.model == "area":
        high = (p * norm.sf(_GRID - shift), (1 - p) * norm.sf(_GRID))
        low = ((1 - p) * norm.cdf(_GRID), p * norm.cdf(_GRID - shift))
        ap = [
            np.trapezoid(a / np.maximum(a + b, 1e-300) * of, _GRID)
            for (a, b), of in ((high, norm.pdf(_GRID - shift)), (low, norm.pdf(_GRID)))
        ]
        return {
            "auroc": cell.truth,
            "ap": float(np.mean(ap)),
            "ap:1": float(ap[0]),
            # both classes have the same ones, because the two normals are mirror images
            "sens_at_95spec": float(norm.sf(norm.isf(0.05) - shift)),
            "spec_at_95sens": float(norm.cdf(norm.ppf(0.05) + shift)),
        }
    t = cell.truth
    missed, false = p * (1 - t), (1 - p) * (1 - t)
    f1 = [2 * q * t / (2 * q * t + missed + false) for q in (p, 1 - p)]
    said = p * t + false
    chance = p * said + (1 - p) * (1 - said)
    return {
        "accuracy": t, "balanced_accuracy": t, "balanced_accuracy:1": t,
        "f1": float(np.mean(f1)), "f1:1": f1[0], "kappa": (t - chance) / (1 - chance),
    }  # fmt: skip


def _shift(cell: Cell) -> float:
    """Distance of the two normals that gives the area, or the recall of both classes."""
    return (np.sqrt(2) if cell.model == "area" else 2) * float(norm.ppf(cell.truth))


@cache
def _cuts(prevalence: float) -> np.ndarray:
    return norm.ppf(np.cumsum(GRADES[prevalence])[:-1])


@cache
def _correlation(prevalence: float, kappa: float) -> float:
    """Of latent truth and reading, both standard normal and cut at the same grades."""
    cuts, share = _cuts(prevalence), np.array(GRADES[prevalence])
    at = np.arange(5)
    apart = 2 * ((at**2 * share).sum() - (at * share).sum() ** 2)
    x = norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    grade = np.searchsorted(cuts, x)

    def reached(r: float) -> float:
        below = norm.cdf((cuts - r * x[:, None]) / np.sqrt(1 - r * r))
        of = np.diff(below, axis=1, prepend=0.0, append=1.0)
        return 1 - float((of * (at - grade[:, None]) ** 2).sum(1).mean()) / apart

    return float(brentq(lambda r: reached(r) - kappa, 0.0, 1 - 1e-9, xtol=1e-9))
