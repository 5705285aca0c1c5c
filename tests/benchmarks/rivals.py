"""What a user would fit a path of C with, each on a few values of C that stand for all of them."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from threadpoolctl import threadpool_limits

ALONE = 5_000_000  # values of features up to which scikit-learn is faster on one thread
HESSIAN = 3_000  # coefficients up to which newton-cholesky's dense Hessian is of any use
MOST = 3_000  # iterations of a fit that is to converge


@dataclass
class Clock:
    """Seconds on the wall and of the processor, of all threads."""

    wall: float = 0.0
    cpu: float = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self.wall += time.perf_counter() - wall
            self.cpu += time.process_time() - cpu

    def times(self, factor: float) -> Clock:
        return Clock(self.wall * factor, self.cpu * factor)


def default(x: np.ndarray, y: np.ndarray, Cs: np.ndarray) -> list[LogisticRegression]:
    """scikit-learn as it comes: lbfgs, tol 1e-4, at most 100 iterations."""
    return [LogisticRegression(C=c).fit(x, y) for c in Cs]


def tight(x: np.ndarray, y: np.ndarray, Cs: np.ndarray) -> list[LogisticRegression]:
    """lbfgs to tol 1e-6 in float64, which is about the accuracy of ours."""
    x = x.astype(np.float64)
    return [LogisticRegression(C=c, tol=1e-6, max_iter=MOST).fit(x, y) for c in Cs]


def newton(x: np.ndarray, y: np.ndarray, Cs: np.ndarray) -> list[LogisticRegression]:
    """newton-cholesky at its default tolerance."""
    return [LogisticRegression(C=c, solver="newton-cholesky").fit(x, y) for c in Cs]


def validated(x: np.ndarray, y: np.ndarray, Cs: np.ndarray) -> list[LogisticRegression]:
    """LogisticRegressionCV, which starts each C at the last one; its fold trains on all rows."""
    rows = np.arange(len(y))
    LogisticRegressionCV(
        Cs=np.sort(Cs), cv=[(rows, rows[:100])], refit=False, scoring="accuracy",
        use_legacy_attributes=False,
    ).fit(x, y)  # fmt: skip
    return []


def torch_joint(x: np.ndarray, y: np.ndarray, Cs: np.ndarray) -> list[LogisticRegression]:
    """torch's L-BFGS over the coefficients of all C at once, in float32."""
    import torch
    from torch.nn.functional import cross_entropy

    classes, count = int(y.max()) + 1, len(Cs)
    a, target = torch.from_numpy(x), torch.from_numpy(y)
    ridge = torch.from_numpy(1 / (2 * Cs * len(y))).float()
    w = torch.zeros(count, x.shape[1], classes, requires_grad=True)
    b = torch.zeros(count, 1, classes, requires_grad=True)
    steps = torch.optim.LBFGS(
        [w, b], max_iter=500, history_size=20, tolerance_grad=1e-5, line_search_fn="strong_wolfe"
    )

    def closure() -> torch.Tensor:
        steps.zero_grad()
        logits = (a @ w + b).reshape(-1, classes)
        loss = (
            cross_entropy(logits, target.repeat(count)) * count
            + (ridge * (w * w).sum((1, 2))).sum()
        )
        loss.backward()
        return loss

    steps.step(closure)
    return []


Fit = Callable[[np.ndarray, np.ndarray, np.ndarray], list[LogisticRegression]]
RIVALS: dict[str, Fit] = {
    "lbfgs": default, "lbfgs 1e-6": tight, "newton-cholesky": newton, "CV": validated,
    "torch": torch_joint,
}  # fmt: skip


def able(name: str, width: int, classes: int) -> bool:
    """Whether a rival can fit so many coefficients at all."""
    return name != "newton-cholesky" or width * (classes if classes > 2 else 1) <= HESSIAN


def timed(
    name: str, x: np.ndarray, targets: list[np.ndarray], Cs: np.ndarray, positions: np.ndarray
) -> tuple[Clock, list[list[LogisticRegression]]]:
    """What all ``Cs`` and ``targets`` would take, and the fits that were made, by target.

    The loops are timed at some ``positions``; CV, which needs neighbours, at a run of as many in
    the middle; torch on all C where there are few rows, else at the positions. Of labels the first
    two are fitted.
    """
    timed_targets = targets[:2]
    if name == "CV":
        first = len(Cs) // 2
        chosen = np.sort(Cs)[first : first + len(positions)]
    else:
        chosen = Cs[positions]
    clock, fits = Clock(), []
    threads = 1 if x.size <= ALONE and name != "torch" else None
    with warnings.catch_warnings(), threadpool_limits(threads):
        warnings.simplefilter("ignore")
        for y in timed_targets:
            with clock.running():
                fits.append(RIVALS[name](x, y, chosen))
    share = len(Cs) / len(chosen) * len(targets) / len(timed_targets)
    return clock.times(share), fits


def objective(model: LogisticRegression, x: np.ndarray, y: np.ndarray, C: float) -> float:
    """Mean log-loss + |w|^2 / (2 C N), of a fit of scikit-learn's."""
    return objective_of(model.coef_, model.intercept_, x, y, C)


def objective_of(
    coef: np.ndarray, intercept: np.ndarray, x: np.ndarray, y: np.ndarray, C: float
) -> float:
    """The same of coefficients (K, D) and intercepts (K,), K = 1 for two classes."""
    logits = x.astype(np.float64) @ coef.T.astype(np.float64) + intercept
    if len(coef) == 1:
        loss = np.logaddexp(0, np.where(y == 1, -1, 1) * logits[:, 0])
    else:
        loss = logsumexp(logits, axis=1) - logits[np.arange(len(y)), y]
    return float(loss.mean() + (coef.astype(np.float64) ** 2).sum() / (2 * C * len(y)))
