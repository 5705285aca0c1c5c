"""Whether the interval of --repeats holds the AUROC expected over training sets and patients."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from featprobe.splits.partition import Partitioner, repeated
from tests.benchmarks.inference import _normal as normal
from tests.benchmarks.rows import Rate

APART = 0.35


@dataclass(frozen=True)
class Case:
    """``patients`` with ``each`` images, ``official``: a test part of a third of them is given."""

    patients: int
    each: int
    repeats: int
    official: bool

    @property
    def fitted(self) -> int:
        """Patients that a fit has."""
        return round(self.patients * (2 / 3 if self.official else 1) * 0.8)

    def truth(self) -> float:
        """Mean area over many training sets of as many patients as a repeat has."""
        rng = np.random.default_rng(1)
        every = []
        for _ in range(1500):
            x, y, _ = normal.sample(rng, self.fitted, self.each, APART)
            every.append(normal.area(normal.discriminant(x, y), APART))
        return float(np.mean(every))

    def study(self, rng: np.random.Generator, seed: int) -> tuple:
        """The interval under new patients, and the one that holds training sets too."""
        x, y, groups = normal.sample(rng, self.patients, self.each, APART)
        official = np.full(len(y), "", dtype="<U5")
        if self.official:
            official[:] = np.where(groups % 6 < 2, "test", "train")
        split = repeated(Partitioner(y, groups), official, "simulated", 1.0, seed, self.repeats)
        tries, rows = [], []
        for s in split.inner:
            fit = np.r_[s.train, s.val]
            tries.append(normal.scores(x[s.test], normal.discriminant(x[fit], y[fit])))
            rows.append(np.searchsorted(split.test, s.test))
        test = split.test
        return normal.interval(
            y[test], groups[test], tries, None if self.official else rows, split.shared, seed
        )


CASES = (
    Case(60, 1, 10, False), Case(200, 1, 10, False), Case(60, 4, 10, False),
    Case(90, 1, 10, True), Case(300, 1, 10, True), Case(90, 4, 10, True),
)  # fmt: skip


def rows(runs: int, cases: tuple[Case, ...] = CASES) -> Iterator[Rate]:
    """Coverage of a case, beside what the interval of patients alone would have held."""
    for case in cases:
        truth, held = case.truth(), np.zeros(2)
        for seed, rng in enumerate(normal.seeds(runs)):
            held += [normal.holds(ends, truth) for ends in case.study(rng, seed)]
        kind = "an official test" if case.official else "random splits"
        name = (
            f"{case.repeats} repeats of {kind}, {case.patients} patients x {case.each}, "
            f"AUROC {truth:.3f}"
        )
        alone = f"(patients alone {held[0] / runs:.3f})"
        yield Rate(name, held[1] / runs, runs, low=0.92, high=0.99, note=alone)
