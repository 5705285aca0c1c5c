"""Does calibration calibrate, where a patient has ten images? Simulated studies, tested on others.

Patients differ from each other more than the images of one do, and a class is that of a patient:
a probe fits its patients and is too sure of new ones. ``--calibrate`` (CalibratedProbe) has to
bring the expected calibration error down, and must not harm scores that were calibrated.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from featprobe.metrics import measures as metrics
from featprobe.probes.calibrated import CalibratedProbe
from featprobe.probes.logistic import LogisticProbe
from tests.benchmarks.rows import Rate

WIDTH, IMAGES, TESTED = 32, 10, 2000
CASES = (  # patients, images of each, C, least share of runs in which the error does not grow
    (40, IMAGES, 1.0, 0.8),
    (100, IMAGES, 1.0, 0.8),
    (400, 1, 1.0, 0.7),
    (100, IMAGES, 0.01, None),  # calibrated as it is: there is little to gain
)


def study(rng: np.random.Generator, patients: int, images: int) -> tuple[np.ndarray, ...]:
    """Features, classes and patients."""
    y = np.arange(patients) % 2
    signal = np.where(np.arange(WIDTH) < 8, 1 / np.sqrt(8), 0.0)
    own = rng.normal(size=(patients, WIDTH)) + np.outer(2 * (y - 0.5), signal)
    groups = np.repeat(np.arange(patients), images)
    return own[groups] + rng.normal(size=(len(groups), WIDTH)), y[groups], groups


def errors(seed: int, patients: int, images: int, c: float) -> tuple[float, float]:
    """Expected calibration error on new patients, plain and calibrated."""
    rng = np.random.default_rng([seed, patients, images])
    x, y, groups = study(rng, patients, images)
    new, truth, _ = study(rng, TESTED, images)
    plain = LogisticProbe(c).fit(x, y)
    found = CalibratedProbe(LogisticProbe(c)).fit(x, y, groups=groups)
    scores = [p.predict_proba(new) for p in (plain, found)]
    before, after = (
        float(metrics.compute("multiclass", truth, p, wanted=["ece"])["ece"][0]) for p in scores
    )
    return before, after


def rows(runs: int) -> Iterator[Rate]:
    """The share of runs in which calibration does not make the error larger, for each case."""
    for patients, images, c, least in CASES:
        found = np.array([errors(run, patients, images, c) for run in range(runs)])
        before, after = np.median(found, axis=0)
        yield Rate(
            f"calibration, {patients} patients of {images}, C={c:g}: error not larger",
            float((found[:, 1] <= found[:, 0]).mean()), runs, low=least,
            note=f"median ECE {before:.3f} before, {after:.3f} after",
        )  # fmt: skip
