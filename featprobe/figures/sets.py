"""Models over data sets: ranks, groups that tests do not tell apart, wins, spread."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from featprobe.evaluation.results import Result
from featprobe.leaderboard.across import Across, across
from featprobe.stats.friedman import (
    Friedman,
    cliques,
    critical_difference,
    friedman,
    nemenyi,
    wilcoxon_holm,
    wins,
)

POSTHOC = ("nemenyi", "wilcoxon")
MOST = 30  # models of which all pairs are tested one by one


@dataclass(frozen=True)
class Ranks:
    """Models in the order of their mean ranks.

    ``table``: the numbers behind them, in the same order; ``test``: Friedman's; ``groups``: first
    and last of those that ``posthoc`` does not tell apart; ``apart``: by how much mean ranks must
    differ by Nemenyi's test; ``won`` (K, K): on how many data sets the row is better; ``p``
    (K, K): of all pairs by ``posthoc``.
    """

    table: Across
    test: Friedman
    groups: list[tuple[int, int]]
    apart: float
    posthoc: str
    won: np.ndarray
    p: np.ndarray


def ranks(of: Across, posthoc: str | None = None) -> Ranks:
    """Rank the models of a table. ``posthoc``: by default Wilcoxon-Holm where its smallest possible
    p, 2 / 2^N, can survive the correction and models are at most :data:`MOST`, else Nemenyi."""
    k, n = of.values.shape
    if posthoc is None:
        pairs = k * (k - 1) / 2
        posthoc = POSTHOC[1] if k <= MOST and pairs * 2 ** (1 - n) < 0.05 else POSTHOC[0]
    order = np.argsort(friedman(of.signed).mean, kind="stable")
    table = Across(
        of.protocol, tuple(of.models[i] for i in order), of.sets, of.metric,
        [of.cells[i] for i in order], of.values[order], of.left_out,
    )  # fmt: skip
    found = friedman(table.signed)
    apart = critical_difference(k, n)
    if posthoc == POSTHOC[0] and k > MOST:  # groups need where p crosses a twentieth alone
        gap = np.abs(found.mean[:, None] - found.mean)
        p = np.where(gap < apart, 1.0, 0.0)
    else:
        p = nemenyi(found.mean, n) if posthoc == POSTHOC[0] else wilcoxon_holm(table.signed)
    return Ranks(table, found, cliques(found.mean, p), apart, posthoc, wins(table.signed), p)


def all_ranks(results: Sequence[Result], metric: str | None = None) -> list[Ranks]:
    """Of every protocol that has a table (:func:`~featprobe.leaderboard.across.across`)."""
    return [ranks(of) for of in across(results, metric)]


@dataclass(frozen=True)
class Box:
    """Five numbers of the values of a model over data sets, and the values."""

    label: str
    low: float
    q1: float
    median: float
    q3: float
    high: float
    values: np.ndarray


def boxes(of: Across) -> list[Box]:
    """A box for each model: median and quartiles (linear between values) over the data sets,
    whiskers to the last value within 1.5 interquartile ranges (Tukey 1977)."""
    out = []
    for label, values in zip(of.models, of.values):
        q1, median, q3 = np.quantile(values, [0.25, 0.5, 0.75])
        reach = 1.5 * (q3 - q1)
        inside = values[(values >= q1 - reach) & (values <= q3 + reach)]
        out.append(Box(label, inside.min(), q1, median, q3, inside.max(), values))
    return out


def ranks_sentence(found: Ranks) -> str:
    """Friedman's test and the test of pairs in a sentence."""
    t, k, n = found.test, len(found.table.models), len(found.table.sets)
    friedmans = (
        "" if math.isnan(t.p)
        else f"Friedman chi-squared {t.statistic:.2f} ({k - 1} d.f.), p = {t.p:.2g}. "
    )  # fmt: skip
    pairs = {
        "nemenyi": f"Nemenyi's test; mean ranks differ from {found.apart:.2f} on",
        "wilcoxon": "Wilcoxon's signed ranks of all pairs, corrected by Holm",
    }[found.posthoc]
    return f"{k} models on {n} data sets. {friedmans}Bars join what is not told apart by {pairs}."
