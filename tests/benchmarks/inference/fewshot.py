"""Whether the interval of a few-shot run holds the AUROC expected over draws and patients."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from featprobe.evaluation.protocols import FewShot
from tests.benchmarks.inference import _normal as normal
from tests.benchmarks.rows import Rate

POOL = 200  # patients of train


@dataclass(frozen=True)
class Case:
    """``patients`` of test with ``each`` images; ``apart`` sets how hard it is."""

    shots: int
    tries: int
    patients: int
    each: int
    apart: float = 0.35

    def truth(self) -> float:
        """Mean area over many draws from many patients, of which each gives one image."""
        rng = np.random.default_rng(1)
        every = []
        for _ in range(4000):
            x, y, _ = normal.sample(rng, 2 * self.shots, 1, self.apart)
            every.append(normal.area(normal.nearest_mean(x, y), self.apart))
        return float(np.mean(every))

    def study(self, rng: np.random.Generator, seed: int) -> tuple:
        """The interval under new patients, and the one that holds draws too."""
        x, y, groups = normal.sample(rng, POOL, self.each, self.apart)
        test, labels, patients = normal.sample(rng, self.patients, self.each, self.apart)
        draw = FewShot((self.shots,), self.tries, seed=seed).draws(y, groups, np.arange(len(y)))
        fits = [draw(self.shots, t) for t in range(self.tries)]
        tries = [normal.scores(test, normal.nearest_mean(x[r], y[r])) for r in fits]
        return normal.interval(labels, patients, tries, None, None, seed)


CASES = (
    Case(2, 5, 20, 1), Case(2, 5, 100, 1), Case(2, 5, 50, 4), Case(2, 20, 40, 1),
    Case(8, 5, 40, 4), Case(16, 20, 200, 1), Case(4, 5, 30, 1, 0.9),
)  # fmt: skip


def rows(runs: int, cases: tuple[Case, ...] = CASES) -> Iterator[Rate]:
    """Coverage of a case, beside what the interval of patients alone would have held."""
    for case in cases:
        truth, held = case.truth(), np.zeros(2)
        for seed, rng in enumerate(normal.seeds(runs)):
            held += [normal.holds(ends, truth) for ends in case.study(rng, seed)]
        name = (
            f"few-shot, {case.shots} shots x {case.tries} tries, {case.patients} patients x "
            f"{case.each}, AUROC {truth:.3f}"
        )
        alone = f"(patients alone {held[0] / runs:.3f})"
        yield Rate(name, held[1] / runs, runs, low=0.92, high=0.99, note=alone)
