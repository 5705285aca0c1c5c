"""Many paired differences at once: intervals and p of one family from the same swaps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from featprobe.stats.influence import Influence
from featprobe.stats.resampling import LEVEL, RESAMPLES

EXACT = 12  # patients: their 2 ** 12 ways to be swapped are enumerated
_SAME = 1e-9  # statistics that only rounding tells apart
_TOGETHER = 64  # pairs whose statistics are computed at a time

Pairs = Sequence[tuple[int, int]]


class Family(NamedTuple):
    """Paired differences of P pairs of models, tested singly and simultaneously; fields are (P,).

    ``difference``, its standard ``error``; ``p``, ``low``, ``high`` of each pair alone;
    ``joint_p``, ``joint_low``, ``joint_high``: for all pairs of the family at once. An interval
    excludes zero if and only if its p is below 0.05. It is NaN where p never could be (too few
    patients) and where no patient tells the two models apart. ``patients``, ``tries``: what of the
    squared error is from test patients, and from the draws of several tries; ``critical``: how many
    errors the joint interval reaches.
    """

    difference: np.ndarray
    error: np.ndarray
    p: np.ndarray
    low: np.ndarray
    high: np.ndarray
    joint_p: np.ndarray
    joint_low: np.ndarray
    joint_high: np.ndarray
    patients: np.ndarray
    tries: np.ndarray
    critical: float


class Distribution(NamedTuple):
    """|t| as it is without differences: ``statistics`` gives (B, P) of some pairs, each call from
    the same B draws; ``exact`` where these are all that there are."""

    statistics: Callable[[np.ndarray, np.ndarray], np.ndarray]
    exact: bool


def together(of: Influence, pairs: Pairs, *, resamples: int = RESAMPLES, seed: int = 0) -> Family:
    """Test pairs (i, j) of models simultaneously by paired permutations (max-T).

    Where two models are equal, it does not matter which of them has which share of a patient in
    the metric: the sign of whole patients' differences is flipped, for all pairs with the same
    flips, so that what pairs have in common is kept. Each flipped difference is divided by its own
    standard error. p of a pair is the share of flips that go as far as what was observed; joint p
    is the share in which the largest of all pairs does (single-step max-T: Westfall and Young 1993;
    Romano and Wolf 2005), and the joint interval reaches as many standard errors as that maximum's
    quantile. Flips are enumerated with at most :data:`EXACT` patients, otherwise drawn, and
    p = (1 + how many) / (1 + resamples) (Phipson and Smyth 2010).

    With several tries (few-shot draws, repeats of a split) the squared error is what patients and
    what tries add to that of the mean; to each flip comes the mean of as many normal draws with the
    covariance between tries that was observed, and their variance is estimated again: with few
    tries the tails become as wide as those of t are. What depends on patient and draw together is
    counted in both, which errs on the safe side.
    """
    swaps = _Swaps(of, resamples, seed)
    one, other = _ends(pairs)
    patients, tries = swaps.variances(one, other)
    difference = of.value[one] - of.value[other]
    reach = swaps.reach(difference, patients + tries)
    return family(
        difference, reach, Distribution(swaps.statistics, swaps.exact), pairs, patients, tries
    )


def family(
    difference: np.ndarray, reach: np.ndarray, null: Distribution, pairs: Pairs,
    patients: np.ndarray, tries: np.ndarray,
    alone: tuple[np.ndarray, np.ndarray] | None = None,
) -> Family:  # fmt: skip
    """A :class:`Family` from differences (P,), what each is divided by (0: no p but 1), and the
    distribution of their absolute ratios.

    ``alone``: p (P,) of each pair alone and the ratios (P,) beyond which it is below 0.05, where
    they are known without draws.
    """
    one, other = _ends(pairs)
    observed = ratio(difference, reach)
    p, single = np.empty(len(pairs)), np.empty(len(pairs))
    largest = np.zeros(1)
    for start in range(0, len(pairs), _TOGETHER):
        part = slice(start, start + _TOGETHER)
        t = null.statistics(one[part], other[part])
        p[part], single[part] = _judged(t, observed[part], null.exact)
        largest = np.maximum(largest, t.max(1))
    joint_p, joint = _judged(largest[:, None], observed, null.exact)
    if alone is not None:
        p, single = alone
        joint_p, joint = (p, single) if len(pairs) == 1 else (joint_p, joint)
    joint_p, joint = np.maximum(joint_p, p), np.maximum(joint, single)  # rounding of the draws
    return Family(
        difference, np.sqrt(patients + tries), p, *_around(difference, reach, single), joint_p,
        *_around(difference, reach, joint), patients, tries, float(joint.max()),
    )  # fmt: skip


def ratio(difference: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """Absolute t statistic, zero where two models do not differ at all."""
    return np.abs(difference) / np.where(reach > 0, reach, np.inf)


def _ends(pairs: Pairs) -> tuple[np.ndarray, np.ndarray]:
    ends = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return ends[:, 0], ends[:, 1]


def _judged(t: np.ndarray, observed: np.ndarray, exact: bool) -> tuple[np.ndarray, np.ndarray]:
    """p (P,) of what was observed, from statistics (B, P) or (B, 1), and the values beyond which p
    is below 0.05; infinite where it cannot be."""
    total, alpha = len(t), 1 - LEVEL
    ordered = np.sort(t, axis=0)
    if t.shape[1] == 1:
        as_far = total - np.searchsorted(ordered[:, 0], observed - _SAME)
    else:
        as_far = (t >= observed - _SAME).sum(0)
    p = as_far / total if exact else (1 + as_far) / (1 + total)
    # p is below alpha where fewer statistics than this are as large
    few = math.ceil(alpha * total - _SAME)
    few = few if exact else math.ceil(alpha * (total + 1) - _SAME) - 1
    if few < (2 if exact else 1):  # of all flips one is no flip
        return p, np.full(len(observed), np.inf)
    return p, np.broadcast_to(ordered[total - few], len(observed)) + _SAME


def _around(
    difference: np.ndarray, reach: np.ndarray, critical: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    known = np.isfinite(critical) & (reach > 0)
    wide = np.where(known, critical, np.nan) * reach
    return difference - wide, difference + wide


class _Swaps:
    """Flips of whole patients, drawn once for all pairs of models."""

    def __init__(self, of: Influence, resamples: int, seed: int) -> None:
        n, tries = len(of.units), len(of.tries)
        rng = np.random.default_rng([seed, 0x5A4B])
        self.of, self.exact = of, n <= EXACT and tries == 1
        if self.exact:  # flipping everybody but some is flipping those: the last never has to be
            flips = (np.arange(2 ** (n - 1))[:, None] >> np.arange(n)) & 1
        else:
            flips = rng.integers(0, 2, (resamples, n))
        self.share = np.zeros_like(of.units) if of.fixed else of.units + of.value / n
        self.moved = (1.0 - 2.0 * flips) @ self.share
        self.drawn = None
        if tries > 1:
            apart = (of.tries - of.tries.mean(0)) / math.sqrt(tries - 1)
            self.drawn = rng.normal(size=(len(flips), tries, tries)) @ apart
        self.weight = 1 / tries + of.shared  # of the variance between tries, in that of their mean
        self.least = 1e-10 * float(np.abs(of.value).max(initial=1e-300))

    def variances(self, one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Squared errors of differences, from patients and from tries."""
        units, tries = self.of.units, self.of.tries
        n, t = len(units), len(tries)
        units = units * (not self.of.fixed)
        patients = np.square(units[:, one] - units[:, other]).sum(0) * n / max(1, n - 1)
        if t < 2:
            return patients, np.zeros_like(patients)
        return patients, self.weight * (tries[:, one] - tries[:, other]).var(0, ddof=1)

    def statistics(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """(B, P) |t| of flipped differences."""
        n = len(self.share)
        square = np.square(self.share[:, one] - self.share[:, other]).sum(0)
        moved = self.moved[:, one] - self.moved[:, other]
        left = square - moved**2 / n
        variance = np.where(left > 1e-12 * square, left, 0.0) * n / max(1, n - 1)
        if self.drawn is not None:
            drawn = self.drawn[:, :, one] - self.drawn[:, :, other]
            moved = moved + drawn.mean(1) * math.sqrt(self.weight * drawn.shape[1])
            variance = variance + self.weight * drawn.var(1, ddof=1)
        return ratio(moved, self.reach(moved, variance))

    def reach(self, difference: np.ndarray, variance: np.ndarray) -> np.ndarray:
        """Standard errors, of which a difference is never more than there are patients: where all
        patients agree to the last digit, one more could still have made no difference."""
        found = np.maximum(np.sqrt(variance), np.abs(difference) / len(self.share))
        return np.where(found > self.least, found, 0.0)
