"""How far splits are from what is asked for, and where large patients go."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from featprobe.splits import assign as splits
from tests.benchmarks.rows import Rate

KINDS = ("classes of images", "classes of patients", "labels", "values")


def case(rng: np.random.Generator, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Targets and patients, of which a few have many images."""
    sizes = rng.permutation(np.r_[np.full(6, 15), rng.integers(1, 5, 194)])
    groups = np.repeat(np.arange(200), sizes)
    n = len(groups)
    if kind == "labels":
        return (rng.random((n, 10)) < rng.uniform(0.03, 0.4, 10)).astype(float), groups
    if kind == "values":
        return rng.normal(size=n) + rng.normal(size=200)[groups], groups
    drawn = rng.choice(4, size=n, p=[0.6, 0.25, 0.1, 0.05])
    return drawn if kind == "classes of images" else drawn[groups], groups


def rows(runs: int) -> Iterator[Rate]:
    """Splits within a patient or 1 %, and the share of large patients that are in test."""
    for kind in KINDS:
        reached, large = 0, []
        for run in range(runs):
            y, groups = case(np.random.default_rng([run, 0x51]), kind)
            part = splits.assign(y, groups, seed=run)
            reached += not splits.missed(y, groups, part, splits.FRACTIONS, splits.NAMES)
            size = np.bincount(groups)
            of = part[np.unique(groups, return_index=True)[1]]
            large.append((of[size == 15] == 2).mean())
        yield Rate(f"splits of {kind}: all within a patient or 1 %", reached / runs, runs, low=0.99)
        share = float(np.mean(large))
        yield Rate(f"splits of {kind}: large patients in test (.2)", share, 6 * runs, 0.15, 0.25)
