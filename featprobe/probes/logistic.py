"""The logistic linear probe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Self

import numpy as np

from featprobe.core.errors import InputError
from featprobe.core.numeric import sigmoid, softmax
from featprobe.core.options import checked
from featprobe.probes.base import Probe, choose_held_out
from featprobe.probes.standardizer import Standardizer
from featprobe.solvers.draws import logistic_draws
from featprobe.solvers.grids import positive
from featprobe.solvers.logistic import LogisticPath, logistic_path
from featprobe.solvers.sklearn_path import sklearn_path

CS = tuple(float(c) for c in 10.0 ** np.linspace(-6, 5, 45))
SOLVERS = ("batched", "sklearn")
TOGETHER = 32  # draws whose weights meet the queries in one product
FURTHER = 8  # values of C by which a grid is widened


class LogisticProbe(Probe):
    """L2-regularised logistic regression on standardised features.

    ``Cs``: candidates for the inverse regularisation strength of scikit-learn's parametrisation
    (see :mod:`featprobe.solvers.logistic`); None is DINOv2's grid, 45 values from 1e-6 to 1e5,
    which is widened where its best value is its first or last. ``fit`` alone, without validation
    data, chooses among several on a stratified tenth of the rows, as DINOv2's ``log_regression``
    does, and refits on all.

    ``class_weight``: None, ``balanced`` (N / (classes * count); of each label N / (2 * count), by
    its known samples), or a mapping from class code to weight. ``solver``: ``batched``, or
    ``sklearn``, a loop of scikit-learn's fits, to compare with. ``tol``: how far from the minimum,
    as a part of it, the objective may end. None is 1e-8 (1e-7 of more than 2 million values, 1e-6
    of few-shot draws and of scikit-learn's loop): the mean Kullback-Leibler divergence of the
    probabilities of the training items from the optimum's is then about 1e-7 of their log-loss,
    which changes no metric in its third decimal. Coefficients themselves agree to about the square
    root of ``tol``.
    """

    name = "logistic"
    _weight: np.ndarray | None = None  # sample weights, while they are fitted
    _elastic = False  # this grid is a part of the default one's continuation

    def __init__(
        self,
        Cs: float | Sequence[float] | None = None,
        standardize: bool = True,
        class_weight: str | Mapping[int, float] | None = None,
        solver: str = "batched",
        tol: float | None = None,
    ) -> None:
        self.Cs, self.standardize = Cs, standardize
        self.class_weight, self.solver, self.tol = class_weight, solver, tol

    def check(self) -> None:
        if self.solver not in SOLVERS:
            raise InputError(f"logistic solver {self.solver!r}: use one of {', '.join(SOLVERS)}")
        if self.Cs is not None:
            positive(np.atleast_1d(self.Cs), "C")
        if self.tol is not None and not 0 < self.tol < 1:
            raise InputError(f"tol of probe logistic must be between 0 and 1, not {self.tol:g}")
        _check_weights(self.class_weight)

    def candidates(self) -> list[dict[str, Any]]:
        values = CS if self.Cs is None else np.atleast_1d(np.asarray(self.Cs, dtype=float))
        return [{"Cs": float(c)} for c in values]

    def simplicity(self) -> list[float]:
        return [-c["Cs"] for c in self.candidates()]

    def beyond(self, best: int) -> Self | None:
        values = [c["Cs"] for c in self.candidates()]
        if self.Cs is not None and not self._elastic:
            return None
        if best not in (0, len(values) - 1):
            return None
        ratio = values[1] / values[0]
        if best:
            wider = [*values[-2:], *(values[-1] * ratio**i for i in range(1, FURTHER + 1))]
        else:
            wider = [*(values[0] / ratio**i for i in range(FURTHER, 0, -1)), *values[:2]]
        made = self.fresh(Cs=wider)
        made._elastic = True
        return made

    def choose(self, x: np.ndarray, y: np.ndarray) -> int:
        return choose_held_out(self, x, y)

    def fit(
        self, x: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None = None,
        *, groups: np.ndarray | None = None,
    ) -> Self:  # fmt: skip
        """As every probe's; ``sample_weight`` (N,): how often each row counts.

        Several values of C are chosen among without the weights.
        """
        self._weight = None if sample_weight is None else np.asarray(sample_weight, dtype=float)
        if self._weight is not None and (
            self._weight.shape != (len(np.asarray(y)),) or not self._weight.sum() > 0
        ):
            raise InputError("sample_weight must be a number for each row, not all of them zero")
        try:
            super().fit(x, y, groups=groups)
        finally:
            self._weight = None
        self.coef_, self.intercept_ = self._path.coef[self._keep], self._path.intercept[self._keep]
        return self

    @classmethod
    def of(
        cls, coef: np.ndarray, intercept: np.ndarray, standardizer: Standardizer, labels: bool
    ) -> Self:
        """A fitted probe of weights (C, D) and intercepts (C,) that came about otherwise.

        They are of standardised features, and of classes 0 .. C-1 or of C independent ``labels``.
        ``Cs`` says nothing about them.
        """
        made = cls(Cs=1.0)
        made.classes_, made.n_features_in_ = np.arange(len(coef)), coef.shape[1]
        if not labels and len(coef) == 2:  # softmax of two is the sigmoid of their difference
            coef, intercept = coef[1:] - coef[:1], intercept[1:] - intercept[:1]
        made.coef_, made.intercept_ = coef, intercept
        made.best_, made._keep, made._labels = {"Cs": 1.0}, 0, labels
        made._standardize = standardizer
        unknown = np.full(1, np.nan)
        made._path = LogisticPath(
            np.ones(1), coef[None], intercept[None], objective=unknown, gradient=unknown,
            iterations=np.zeros(1, dtype=int), converged=np.ones(1, dtype=bool),
            softmax=not labels and len(coef) > 1,
        )  # fmt: skip
        return made

    def linear(self) -> tuple[np.ndarray, np.ndarray]:
        """Weights (K, D) and intercepts (K,) for features as they are, once fitted.

        K is 1 for two classes, whose logit it is of the second one.
        """
        weight = self.coef_ / self._standardize.scale
        return weight, self.intercept_ - weight @ self._standardize.mean

    def fit_candidates(self, x: np.ndarray, y: np.ndarray) -> Self:
        self._labels = y.ndim == 2
        weight = self._weight if self._weight is not None and len(self._weight) == len(y) else None
        self._standardize = Standardizer.of(x, self.standardize, weight)
        solve = logistic_path if self.solver == "batched" else sklearn_path
        Cs = [c["Cs"] for c in self.candidates()]
        self._path: LogisticPath = solve(
            self._standardize(x),
            y,
            Cs,
            sample_weight=_product(weight, class_weights(y, self.class_weight)),
            tolerance=self.tol,
        )
        return self

    def score_candidates(self, x: np.ndarray) -> np.ndarray:
        return _both(self._path.predict_proba(self._standardize(x)), self._labels)

    def score_tries(
        self, x: np.ndarray, y: np.ndarray, tries: Sequence[np.ndarray], queries: np.ndarray
    ) -> Iterator[np.ndarray]:
        if self.class_weight is not None or self.solver != "batched" or not self.standardize:
            # features as they are may differ in scale by more than float32 of the draws can hold
            yield from super().score_tries(x, y, tries, queries)
            return
        solved = logistic_draws(
            x, y, tries, self.candidates()[0]["Cs"], standardize=self.standardize,
            tolerance=self.tol,
        )  # fmt: skip
        centre = queries.mean(0, dtype=np.float64)  # so that products in float32 lose nothing
        q = (queries - centre).astype(np.float32).T
        for block in _runs(solved, TOGETHER):
            weights = np.concatenate([coef for coef, _ in block])
            levels = np.concatenate([b for _, b in block]) + weights @ centre
            logits = weights.astype(np.float32) @ q + levels.astype(np.float32)[:, None]
            logits = logits.reshape(len(block), -1, len(queries))
            joint = y.ndim == 1 and logits.shape[1] > 1
            p = softmax(logits, 1) if joint else sigmoid(logits)
            for one in p:
                yield _both(one.T, y.ndim == 2)

    def notes(self) -> list[str]:
        path: LogisticPath | None = getattr(self, "_path", None)
        if path is None or path.converged.all():
            return []
        return [f"logistic fits of {int((~path.converged).sum())} values of C did not converge"]


def class_weights(y: np.ndarray, rule: str | Mapping[int, float] | None) -> np.ndarray | None:
    """Weights (N,) of the samples of classes, (N, C) of labels, by a rule of ``class_weight``."""
    if rule is None:
        return None
    _check_weights(rule)
    if y.ndim == 2:
        if not isinstance(rule, str):
            raise InputError("weights for each class are for classes; labels take balanced")
        known = (~np.isnan(y)).sum(0)
        positive = np.maximum((y == 1).sum(0), 1)
        negative = np.maximum((y == 0).sum(0), 1)
        return np.where(y == 1, known / (2 * positive), known / (2 * negative))
    count = np.bincount(y)
    if isinstance(rule, str):
        return (len(y) / ((count > 0).sum() * np.maximum(count, 1)))[y]
    return np.array([float(rule.get(int(c), 1.0)) for c in range(len(count))])[y]


def _check_weights(rule: str | Mapping[int, float] | None) -> None:
    if isinstance(rule, str) and rule != "balanced":
        raise InputError(f"class_weight {rule!r}: use balanced, None, or a weight for each class")
    for code, weight in rule.items() if isinstance(rule, Mapping) else ():
        checked("a class of class_weight", code, int, "probe logistic")
        if checked("a weight of class_weight", weight, float, "probe logistic") < 0:
            raise InputError(f"class_weight {code}: {weight:g} must not be negative")


def _runs(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    """Lists of up to ``size`` of the items, in order."""
    while part := list(islice(items, size)):
        yield part


def _product(one: np.ndarray | None, other: np.ndarray | None) -> np.ndarray | None:
    if one is None or other is None:
        return other if one is None else one
    return (one[:, None] if other.ndim == 2 else one) * other


def _both(p: np.ndarray, labels: bool) -> np.ndarray:
    """Probabilities of both of two classes, where a single sigmoid has given the second."""
    return p if labels or p.shape[-1] > 1 else np.concatenate([1 - p, p], axis=-1)


PROBE = LogisticProbe
