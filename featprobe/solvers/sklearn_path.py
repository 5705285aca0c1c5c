"""The logistic path as a loop of scikit-learn's fits: slow, and nobody's code but theirs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from featprobe.solvers.logistic import LogisticPath

TOLERANCE = 1e-6
MAX_ITERATIONS = 10_000


def sklearn_path(
    x: np.ndarray, y: np.ndarray, Cs: Sequence[float], *,
    sample_weight: np.ndarray | None = None, tolerance: float | None = None,
) -> LogisticPath:  # fmt: skip
    """As :func:`~featprobe.solvers.logistic.logistic_path`, by ``LogisticRegression``.

    ``tolerance``: its ``tol``, of the gradient.
    """
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    labels = [y] if y.ndim == 1 else list(y.T)
    n, softmax = len(x), y.ndim == 1 and int(y.max()) > 1
    coef, intercept, objective, steps = [], [], [], []
    for c in Cs:
        found = []
        for k, target in enumerate(labels):
            known = ~np.isnan(target.astype(float))
            weight = np.ones(n) if sample_weight is None else np.asarray(sample_weight, float)
            weight = (weight[:, k] if weight.ndim == 2 else weight)[known]
            model = LogisticRegression(C=c, tol=tolerance or TOLERANCE, max_iter=MAX_ITERATIONS)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(x[known], target[known].astype(int), sample_weight=weight)
            right = np.searchsorted(model.classes_, target[known].astype(int))
            p = model.predict_proba(x[known])[np.arange(known.sum()), right]
            p = np.log(np.maximum(p, 1e-300))
            found.append((model, -(weight * p).sum() / n + (model.coef_**2).sum() / (2 * c * n)))
        coef.append(np.concatenate([m.coef_ for m, _ in found]))
        intercept.append(np.concatenate([m.intercept_ for m, _ in found]))
        objective.append(sum(value for _, value in found))
        steps.append(max(int(m.n_iter_.max()) for m, _ in found))
    count = np.array(steps)
    unknown = np.full(len(count), np.nan)
    return LogisticPath(
        np.asarray(Cs, float), np.stack(coef), np.stack(intercept), np.array(objective), unknown,
        count, count < MAX_ITERATIONS, softmax,
    )  # fmt: skip
