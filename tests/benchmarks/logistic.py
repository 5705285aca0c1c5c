"""The logistic path of 45 values of C against loops of scikit-learn's fits to the same objective.

The loops would take an hour and more, so a few values of C (and labels) are fitted, each at the
first tolerance that reaches our objective to 1e-6, and stand for all; the warm loop starts each
from our optimum one C before, which is where it would have come from.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from featprobe.probes.logistic import CS
from featprobe.solvers.logistic import LogisticPath, logistic_path
from tests.benchmarks.rows import Row, median_of, seconds_of

TOLERANCES = (1e-4, 1e-6, 1e-8)
MOST = 20_000  # iterations of a fit


class Case(NamedTuple):
    """Sizes, which values of C and labels are fitted, and the ratios to be reached."""

    name: str
    items: int
    width: int
    classes: int
    labels: bool
    sampled: tuple[int, ...]
    threads: int | None  # with which the loop is faster: None for all


CASES = [
    Case("5k x 768, 10 classes", 5_000, 768, 10, False, (6, 22, 38), 1),
    Case("50k x 1024, 14 labels", 50_000, 1024, 14, True, (22,), None),
]
COLD, WARM = 30, 12


def rows(runs: int = 3) -> Iterator[Row]:
    """Two rows a case: seconds of the whole path, against the cold and the warm loop."""
    for case in CASES:
        x, y = features(case)
        whole = partial(logistic_path, x, y, CS)
        path = whole()
        for kind, must in {"cold": COLD, "warm": WARM}.items():
            before = [seconds_of(whole) for _ in range(-(-runs // 2))]
            theirs, reached = loop(case, x, y, path, kind == "warm")
            after = [seconds_of(whole) for _ in range(runs // 2)]
            ours = median_of(before + after)
            yield Row(
                f"logistic path {case.name}, 45 values of C / {kind} loop of scikit-learn",
                1 / ours, 1 / theirs, "paths/s", must,
                note=f"{ours:.1f} s, {runs} runs around one loop of {theirs:.0f} s; {reached} of "
                "the fits reached the objective",
            )  # fmt: skip


def features(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Standardised features whose spectrum falls as 1 / rank, and targets linear in them."""
    rng = np.random.default_rng(0)
    axes, _ = np.linalg.qr(rng.normal(size=(case.width, case.width)))
    x = (rng.normal(size=(case.items, case.width)) * np.arange(1, case.width + 1) ** -0.5) @ axes
    x = ((x - x.mean(0)) / x.std(0)).astype(np.float32)
    logits = x @ rng.normal(size=(case.width, case.classes)) * 1.5 / np.sqrt(case.width)
    if case.labels:
        rare = np.linspace(-4, 0, case.classes)
        return x, (rng.logistic(size=logits.shape) < logits + rare).astype(float)
    return x, (logits + rng.gumbel(size=logits.shape)).argmax(1)


def loop(
    case: Case, x: np.ndarray, y: np.ndarray, path: LogisticPath, warm: bool
) -> tuple[float, str]:
    """Seconds that the loop would take, and how many fits reached our objective."""
    wide = x.astype(np.float64)
    labels = (0, case.classes - 1) if case.labels else (None,)
    seconds, reached, fits = 0.0, 0, 0
    for i in case.sampled:
        for k in labels:
            target = y if k is None else y[:, k].astype(int)
            goal = objective(wide, target, CS[i], *optimum(path, i, k))
            taken, done = fit(
                wide, target, CS[i], goal, optimum(path, i - 1, k) if warm else None, case.threads
            )
            seconds, reached, fits = seconds + taken, reached + done, fits + 1
    every = len(CS) * (case.classes if case.labels else 1)
    return seconds / fits * every, f"{reached} of {fits}"


def optimum(path: LogisticPath, i: int, k: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Our coefficients and intercepts at one C, of one label."""
    rows = slice(None) if k is None else slice(k, k + 1)
    return path.coef[i][rows], path.intercept[i][rows]


def fit(
    x: np.ndarray, y: np.ndarray, c: float, goal: float,
    start: tuple[np.ndarray, np.ndarray] | None, threads: int | None,
) -> tuple[float, bool]:  # fmt: skip
    """Seconds of the first tolerance that is enough."""
    for tolerance in TOLERANCES:
        model = LogisticRegression(C=c, tol=tolerance, max_iter=MOST, warm_start=True)
        if start is not None:
            model.coef_, model.intercept_ = (a.copy() for a in start)
        begin = time.perf_counter()
        with threadpool_limits(threads), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(x, y)
        best = time.perf_counter() - begin
        if objective(x, y, c, model.coef_, model.intercept_) <= goal * (1 + 1e-6):
            return best, True
    return best, False


def objective(
    x: np.ndarray, y: np.ndarray, c: float, coef: np.ndarray, intercept: np.ndarray
) -> float:
    """scikit-learn's, divided by C N."""
    logits = x @ coef.T + intercept
    if len(coef) == 1:
        loss = np.logaddexp(0, np.where(y == 1, -1, 1) * logits[:, 0])
    else:
        top = logits.max(1)
        loss = np.log(np.exp(logits - top[:, None]).sum(1)) + top - logits[np.arange(len(y)), y]
    return float(loss.mean() + (coef**2).sum() / (2 * c * len(y)))
