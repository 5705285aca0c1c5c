"""Which candidate validation data prefer, and by what they are compared.

Two questions are kept apart. *By what*: the metric that results are ranked by, where it sees
decisions; the log-loss where it sees the order of scores alone, for then the strongest
regularisation often ranks best while every decision is the same class. *Which of equals*: the
strongest regularisation whose loss is within one standard error of the least (the one-SE rule of
Breiman, Friedman, Olshen and Stone 1984, section 3.4.3), the error being that of the difference to
the best one over the patients of val. Where a model separates val, that error vanishes with the
loss; half a nat of all val together is then a tie, the drop of a log-likelihood that is one
standard error of a normal one. ``docs/selection.md`` has the simulations that decided so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from featprobe.core.errors import InputError, nearest
from featprobe.metrics import measures as metrics

AUTO, RANKING, LOSS = "auto", "ranking", "log_loss"
_SUPPORT = 0.5  # nats of log-likelihood: one standard error of a normal one
_SQUARES = ("r2", "rmse")  # in the order of the mean squared error, the loss of values
_UNFIT = ("ece",)  # a constant has none, so nothing may be chosen by it


@dataclass(frozen=True)
class Criterion:
    """By what the candidates for a task are compared.

    ``by``: ``log_loss`` (classes and labels) or a metric of the task. ``one_se``: among candidates
    that ``by`` cannot tell apart the simplest within one standard error of the least loss is taken,
    otherwise the one with the least loss. The loss is the mean negative log-likelihood, of values
    the mean squared error.
    """

    task: str
    by: str
    one_se: bool = True

    @classmethod
    def of(
        cls, task: str, by: str = AUTO, one_se: bool = True, reported: str | None = None
    ) -> Criterion:
        """The criterion that is asked for.

        ``ranking`` is ``reported``, the metric that results are ranked by (None, or where the task
        does not have it: that of the task); ``auto`` the same, but ``log_loss`` where it sees the
        order of scores alone.

        Raises :class:`InputError` for what the task cannot be chosen by.
        """
        known = tuple(n for n in metrics.names(task) if n not in _UNFIT)
        if by in (AUTO, RANKING):
            ranked = (reported or "").partition(":")[0]
            ranked = ranked if ranked in known else metrics.ranking(task)
            coarse = by == AUTO and task != "regression" and metrics.about(ranked).ranks
            by = LOSS if coarse else ranked
        known += (LOSS,) if task != "regression" else ()
        if by not in known:
            raise InputError(
                f"select {by!r}: {task} targets are chosen by auto, ranking, {', '.join(known)}."
                f"{nearest(by, known)}"
            )
        return cls(task, by, one_se)

    @classmethod
    def for_targets(cls, y: np.ndarray, tasks: Sequence[str] = ()) -> Criterion:
        """The default for targets as probes get them; ``tasks``: those that the probe is for."""
        if len(tasks) == 1:
            return cls.of(tasks[0])
        if y.ndim == 2:
            return cls.of("multilabel")
        return cls.of("regression" if y.dtype.kind == "f" else "multiclass")

    @property
    def usual(self) -> bool:
        """Whether it is the default of the task."""
        return self == Criterion.of(self.task)

    def to_dict(self) -> dict[str, str | bool]:
        """How a Result says it: ``select``, and ``one_se`` where it is off."""
        return {"select": self.by, **({} if self.one_se else {"one_se": False})}

    def selection_score(self, p: np.ndarray, y: np.ndarray) -> tuple[float, float]:
        """What one set of scores (N, C) is compared by where no errors are: more is better.

        The metric to six digits, the other way round where less is better (nothing where the loss
        is what counts or the metric is not defined), then minus the loss. Scores that are not
        finite are worse than all others.
        """
        if not np.isfinite(p).all():
            return -np.inf, -np.inf
        return self._value(p, y), -float(_losses(p[None], y).mean())

    def best(
        self, scores: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None,
        simplicity: Sequence[float] | None = None,
    ) -> int:  # fmt: skip
        """Index of the chosen one of (G, N, C) scores of the items ``y``.

        ``groups`` (N,): their patients, by default each its own. ``simplicity``: a number for each
        candidate, larger is simpler (more regularised); None where they have no such order.
        """
        losses = _losses(scores, y)
        mean = losses.mean(1)
        mean = np.where(np.isfinite(mean), mean, np.inf)  # a fit that diverged
        value = np.array([self._value(p, y) for p in scores])
        value[np.isinf(mean)] = -np.inf
        equal = np.flatnonzero(value == value.max())
        first = int(equal[mean[equal].argmin()])
        if not self.one_se or simplicity is None or np.isinf(mean[first]):
            return first
        equal = equal[np.isfinite(mean[equal])]
        worse = losses[equal] - losses[first]
        tied = equal[mean[equal] - mean[first] <= self._reach(worse, mean[first], groups)]
        rank = np.asarray(simplicity, dtype=float)[tied]
        simplest = tied[rank == rank.max()]
        return int(simplest[mean[simplest].argmin()])

    def _value(self, p: np.ndarray, y: np.ndarray) -> float:
        if self.by == LOSS or self.by in _SQUARES:
            return 0.0
        if not np.isfinite(p).all():
            return -np.inf
        found = float(metrics.compute(self.task, y, p, wanted=[self.by])[self.by][0])
        sign = 1 if metrics.about(self.by).higher else -1
        return -np.inf if np.isnan(found) else sign * round(found, 6)

    def _reach(self, worse: np.ndarray, least: float, groups: np.ndarray | None) -> np.ndarray:
        """(G,) how much larger a loss may be and still be a tie, from (G, N) differences.

        The standard error of a mean over patients with several items each: the square root of the
        sum over patients of the squared sum of deviations, by the number of items.
        """
        n = worse.shape[1]
        code = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
        patients = int(code.max()) + 1
        off = worse - worse.mean(1, keepdims=True)
        sums = np.stack([np.bincount(code, d, patients) for d in off])
        error = np.sqrt((sums**2).sum(1) * patients / max(1, patients - 1)) / n
        support = _SUPPORT / patients
        if self.task == "regression":  # log-likelihood of a normal error: n / 2 log of the squares
            support = least * np.expm1(2 * support)
        return np.maximum(error, support)


def selectable(by: str) -> None:
    """Raise :class:`InputError` for what no task is chosen by."""
    every = dict.fromkeys(n for task in metrics.TASKS for n in metrics.names(task))
    known = (AUTO, RANKING, LOSS, *(n for n in every if n not in _UNFIT))
    if by not in known:
        raise InputError(f"select {by!r}: use one of {', '.join(known)}.{nearest(by, known)}")


def log_loss(p: np.ndarray, y: np.ndarray) -> float:
    """Mean negative log-likelihood of classes, or of known independent labels."""
    return float(_losses(p[None], y).mean())


def _losses(scores: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(G, N) losses whose mean over items is that of ``scores`` (G, N, C)."""
    if y.ndim == 1 and y.dtype.kind == "f":
        return (scores[..., 0] - y) ** 2
    if y.ndim == 1:
        return -np.log(np.clip(scores[:, np.arange(len(y)), y], 1e-12, 1))
    out = np.empty(scores.shape[:2])
    known = ~np.isnan(y)
    share = len(y) / max(1, known.sum())
    positive = y == 1
    for g, p in enumerate(scores):
        p_true = np.where(positive, p, 1 - p)
        logs = np.log(np.clip(p_true, 1e-12, 1), where=known, out=np.zeros(y.shape))
        out[g] = -share * logs.sum(1)
    return out
