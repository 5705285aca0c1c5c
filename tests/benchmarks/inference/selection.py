"""By what val should choose: the metric itself, AUROC or the log-loss, and where ties should go.

Features are a signal in a few directions among many of noise, each study a draw of train, val and
2,000 test items. All candidates are the 45 values of C of the logistic probe, fitted to train;
rules differ in which of them they take by val. What is printed is a metric on test, the mean over
studies, and the range that the default has to reach.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from featprobe.metrics import measures as metrics
from featprobe.metrics.item_scores import ItemScores
from featprobe.metrics.thresholds import chosen, has_thresholds
from featprobe.probes.logistic import CS, LogisticProbe
from featprobe.probes.selection import Criterion, log_loss
from tests.benchmarks.rows import Rate

TEST = 2000
STRENGTH = -np.array(CS)  # larger is more regularised


@dataclass(frozen=True)
class Mean(Rate):
    """A metric between 0 and 1, the mean over studies, among which it has this deviation."""

    spread: float = 0.0

    @property
    def error(self) -> float:
        return self.spread / math.sqrt(self.runs)


@dataclass(frozen=True)
class Case:
    """Items of a task. ``apart``: length of the signal; ``shares``: of the classes or labels."""

    name: str
    task: str
    shares: tuple[float, ...]
    apart: float
    train: int
    val: int
    features: int = 768
    every: int = 1  # of the studies so many are left out, where they take long

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Features (N, D) and targets, train first, then val, then test."""
        n = self.train + self.val + TEST
        k = len(self.shares)
        means = rng.standard_normal((k, self.features))
        means *= self.apart / np.linalg.norm(means, axis=1, keepdims=True)
        noise = rng.standard_normal((n, self.features))
        if self.task == "ordinal":
            z = rng.standard_normal(n)
            y = np.searchsorted(np.quantile(z, np.cumsum(self.shares)[:-1]), z)
            return z[:, None] * means[0] + noise, y
        if self.task == "multilabel":
            labels = (rng.random((n, k)) < self.shares).astype(float)
            return labels @ means + noise, labels
        y = rng.choice(k, n, p=self.shares)
        return means[y] + noise, y


GRADES = (0.5, 0.1, 0.26, 0.07, 0.07)
TEN = (0.3, 0.2, 0.15, 0.1, 0.08, 0.06, 0.04, 0.03, 0.02, 0.02)
LABELS = (0.3, 0.15, 0.1, 0.08, 0.05, 0.04)
CASES = (
    Case("5 grades, n = 500", "ordinal", GRADES, 1.5, 300, 100),
    Case("5 grades, n = 2500", "ordinal", GRADES, 1.5, 1500, 500, every=10),
    Case("2 classes, balanced", "multiclass", (0.5, 0.5), 3.0, 300, 100),
    Case("2 classes, 5 % positive", "multiclass", (0.95, 0.05), 4.0, 300, 100),
    Case("10 classes", "multiclass", TEN, 5.0, 300, 100, every=2),
    Case("6 labels, 4 to 30 %", "multilabel", LABELS, 4.0, 300, 100, every=2),
    Case("2 classes, separable", "multiclass", (0.5, 0.5), 30.0, 300, 100, features=64),
)
SHOWN = {
    "ordinal": ("quadratic_kappa", "auroc"), "multiclass": ("balanced_accuracy", "auroc"),
    "multilabel": ("balanced_accuracy", "auroc"),
}  # fmt: skip


def rules(task: str) -> dict[str, Criterion]:
    """What is compared: name -> criterion."""
    own = "quadratic_kappa" if task == "ordinal" else "balanced_accuracy"
    return {
        "AUROC, then log-loss": Criterion.of(task, "auroc", one_se=False),
        "log-loss": Criterion.of(task, "log_loss", one_se=False),
        "log-loss, one SE": Criterion.of(task, "log_loss"),
        f"{own}, then log-loss": Criterion.of(task, own, one_se=False),
        f"{own}, then log-loss, one SE": Criterion.of(task, own),
        "default": Criterion.of(task),
    }


def study(case: Case, seed: int) -> dict[str, dict[str, float]] | None:
    """Rule -> metrics on test and log10 C of what it took; None where train lacks a class."""
    rng = np.random.default_rng([seed, case.train, len(case.shares)])
    x, y = case.draw(rng)
    train, val = slice(case.train), slice(case.train, case.train + case.val)
    if y.ndim == 1 and len(np.unique(y[train])) < len(case.shares):
        return None
    if not (y[val] == 1).any(0).all() or (y.ndim == 2 and not y[train].any(0).all()):
        return None
    probe = LogisticProbe()
    probe.fit_candidates(x[train], y[train])
    on_val, on_test = probe.score_candidates(x[val]), probe.score_candidates(x[val.stop :])
    out, known, truth = {}, {}, y[val.stop :]
    taken = {n: c.best(on_val, y[val], simplicity=STRENGTH) for n, c in rules(case.task).items()}
    taken |= _on_the_metric(case, on_val, y[val], rng)
    for name, g in taken.items():
        if g not in known:
            p = on_test[g]
            found = metrics.compute(case.task, truth, p, wanted=SHOWN[case.task])
            known[g] = {n: float(v[0]) for n, v in found.items()}
            known[g] |= {"log_loss": log_loss(p, truth), "log10_c": float(np.log10(CS[g]))}
        out[name] = known[g]
    if has_thresholds(case.task, len(case.shares)):
        g = taken["default"]
        at = {"balanced_accuracy": _at_thresholds(case.task, on_val[g], y[val], on_test[g], truth)}
        out["default, at thresholds chosen on val"] = known[g] | at
    return out


def _at_thresholds(
    task: str, on_val: np.ndarray, y: np.ndarray, on_test: np.ndarray, truth: np.ndarray
) -> float:
    """Mean of sensitivity and specificity on test at Youden's thresholds of val."""
    ids = np.arange(len(y)).astype(str)
    cut = chosen("youden", ItemScores(task, ids, y, ids, [on_val]))[0]
    found = metrics.Measure(task, truth, on_test, cut=cut)(np.ones((len(truth), 1)))
    return float((found["sensitivity"][0] + found["specificity"][0]) / 2)


def _on_the_metric(
    case: Case, scores: np.ndarray, y: np.ndarray, rng: np.random.Generator
) -> dict[str, int]:
    """The one-SE rule on the metric itself: the simplest one whose deficit is within an error.

    The error is that of the difference to the best, from 50 weightings of the items.
    """
    own = SHOWN[case.task][0]
    weights = np.r_[np.ones((1, len(y))), rng.exponential(size=(50, len(y)))]
    value = np.stack([metrics.compute(case.task, y, p, weights, wanted=[own])[own] for p in scores])
    worse = value[value[:, 0].argmax()] - value
    tied = worse[:, 0] <= np.nanstd(worse[:, 1:], axis=1) + 1e-9
    return {f"{own}, one SE of itself": int(np.flatnonzero(tied)[0])}


def studies(case: Case, runs: int) -> list[dict[str, dict[str, float]]]:
    """What came of the studies in which every class is there."""
    found = (study(case, i) for i in range(max(2, runs // case.every)))
    return [s for s in found if s is not None]


def rows(runs: int) -> Iterator[Rate]:
    """For each case and rule the first metric on test; the default has goals.

    It must be within .03 of the best rule, lose at most .01 of the AUROC that choosing by AUROC
    reaches (but of grades, which are ranked by another metric), and where classes are separable C
    must stay below 100. A tenth of ``runs`` (500) suffices: all rules see the same studies.
    """
    for case in CASES:
        found = studies(case, runs // 10)
        first = SHOWN[case.task][0]
        mean = {
            rule: {m: float(np.mean([s[rule][m] for s in found])) for m in found[0][rule]}
            for rule in found[0]
        }
        best = max(m[first] for rule, m in mean.items() if "thresholds" not in rule)
        for rule, m in mean.items():
            others = f"AUROC {m['auroc']:.3f}, log-loss {m['log_loss']:.3f}"
            yield Mean(
                f"{case.name}: {rule}", m[first], len(found),
                low=best - 0.03 if rule == "default" else None,
                note=f"{first}; {others}, C = 10^{m['log10_c']:.1f}",
                spread=float(np.std([s[rule][first] for s in found], ddof=1)),
            )  # fmt: skip
        if case.task != "ordinal":
            lost = [s["AUROC, then log-loss"]["auroc"] - s["default"]["auroc"] for s in found]
            yield Mean(
                f"{case.name}: AUROC lost by the default", float(np.mean(lost)), len(found),
                high=0.01, spread=float(np.std(lost, ddof=1)),
            )  # fmt: skip
        if "separable" in case.name:
            far = float(np.mean([s["default"]["log10_c"] > 2 for s in found]))
            yield Rate(f"{case.name}: C of the default above 100", far, len(found), high=0.0)
