"""Few-shot runs of a probe, all tries together, against a loop of scikit-learn's estimators."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer, StandardScaler

import featprobe as fp
from featprobe.evaluation.protocols import FewShot
from featprobe.probes.base import Probe
from tests.benchmarks.rows import Row, side_by_side

CLASSES, WIDTH, TRAIN, TEST = 10, 1024, 5000, 5000
PROTOCOL = FewShot((1, 2, 4, 8, 16), tries=100)


class Case(NamedTuple):
    """A probe, scikit-learn's counterpart made anew for each try, and the ratio to be reached."""

    name: str
    probe: Probe
    theirs: Callable[[], object]
    must: float | None
    timed: int = PROTOCOL.tries  # tries of the loop, which stand for all


CASES = [
    Case(
        "logistic (scikit-learn's defaults)", fp.LogisticProbe(1.0),
        lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)), 40,
    ),
    Case(
        "logistic (brought to the same decisions)", fp.LogisticProbe(1.0),
        lambda: make_pipeline(
            FunctionTransformer(np.float64), StandardScaler(),
            LogisticRegression(tol=1e-6, max_iter=5000),
        ), 40, 10,
    ),
    Case(
        "ridge", fp.RidgeProbe(1.0),
        lambda: make_pipeline(StandardScaler(), RidgeClassifier()), 6,
    ),
    Case(
        "prototype", fp.PrototypeProbe(metric="euclidean"),
        lambda: make_pipeline(StandardScaler(with_std=False), Normalizer(), NearestCentroid()),
        None,
    ),
]  # fmt: skip


def rows(runs: int = 3) -> Iterator[Row]:
    """One row a probe: seconds of all shots and tries, and the agreement of decisions."""
    warnings.simplefilter("ignore", RuntimeWarning)  # scikit-learn's variance of one shot
    rng = np.random.default_rng(0)
    y = rng.integers(0, CLASSES, TRAIN + TEST)
    levels = rng.normal(size=(CLASSES, WIDTH)) * 0.15
    x = (levels[y] + rng.normal(size=(len(y), WIDTH))).astype(np.float32)
    train, queries = np.arange(TRAIN), x[TRAIN:]
    draw = PROTOCOL.draws(y, np.arange(len(y)), train)
    tries = [[draw(shots, t) for t in range(PROTOCOL.tries)] for shots in PROTOCOL.shots]
    for case in CASES:
        ours: list[np.ndarray] = []
        theirs: list[np.ndarray] = []

        def together(case: Case = case, ours: list[np.ndarray] = ours) -> None:
            ours.clear()
            for draws in tries:
                ours.extend(p.argmax(1) for p in case.probe.score_tries(x, y, draws, queries))

        def loop(case: Case = case, theirs: list[np.ndarray] = theirs) -> None:
            theirs.clear()
            for draws in tries:
                timed = draws[: case.timed]
                theirs.extend(case.theirs().fit(x[r], y[r]).predict(queries) for r in timed)

        slow_runs = 1 if case.name.startswith("logistic") else runs  # its loop takes minutes
        fast, slow = side_by_side(together, loop, slow_runs)
        compared = [p for i, p in enumerate(ours) if i % PROTOCOL.tries < case.timed]
        same = np.mean([np.mean(a == b) for a, b in zip(compared, theirs)])
        yield Row(
            f"few-shot {case.name}, 5 x 100 tries: tries a second / a loop of scikit-learn",
            len(ours) / fast, len(theirs) / slow, "tries/s", case.must,
            note=f"{same:.2%} of decisions equal; {len(theirs)} of the loop's tries timed",
            runs=slow_runs,
        )  # fmt: skip
