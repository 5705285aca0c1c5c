"""How often 95 % intervals hold the truth: by metric, size, prevalence, images a patient.

``python -m tests.benchmarks.inference.coverage [RUNS]`` prints every cell.
"""

from __future__ import annotations

import math
import multiprocessing
import sys
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from featprobe.stats.intervals import intervals
from featprobe.stats.resampling import bootstrap
from tests.benchmarks.inference._models import MODELS, Cell, cells, population, study
from tests.benchmarks.rows import Rate

RESAMPLES = 200  # of a study; a real one has 1000, and its interval the less noise
LOW, HIGH = 0.92, 0.98
PROCESSES = 2
FEWEST = 0.1  # of the studies with an interval, to say anything of a cell


class Covered(NamedTuple):
    """Of ``runs`` studies of a cell: how many had an ``interval`` of the metric, how many ``held``
    the truth in it; ``width``: mean of the intervals."""

    metric: str
    cell: Cell
    runs: int
    interval: int
    held: int
    width: float

    @property
    def rate(self) -> float:
        """Coverage among the studies that have an interval."""
        return self.held / self.interval if self.interval else math.nan


def covered(cell: Cell, runs: int) -> list[Covered]:
    """Simulate a cell."""
    truth = population(cell)
    wanted = MODELS[cell.model]
    ends: dict[str, list[tuple[float, float]]] = {n: [] for n in wanted}
    if cell.items // cell.each < 10:  # known to be refused, so nothing is computed
        return [Covered(n, cell, runs, 0, 0, math.nan) for n in wanted]
    seed = [ord(cell.model[0]), *(int(1000 * v) for v in cell[1:])]
    for run in range(runs):
        scored = study(cell, np.random.default_rng([*seed, run]))
        boot = bootstrap(scored, wanted=wanted, resamples=RESAMPLES, seed=run)
        ci = intervals(scored, scored.mean(wanted), boot).ci
        for name in wanted:
            if not math.isnan(ci[name][0]):
                ends[name].append(ci[name])
    out = []
    for name, pairs in ends.items():
        low, high = np.array(pairs).reshape(-1, 2).T
        held = (low - 1e-9 <= truth[name]) & (truth[name] <= high + 1e-9)
        width = float((high - low).mean()) if len(low) else math.nan
        out.append(Covered(name, cell, runs, len(low), int(held.sum()), width))
    return out


def simulate(what: Iterable[Cell], runs: int) -> list[Covered]:
    """All cells, in two processes, the long ones first; in their order."""
    what = list(what)
    order = sorted(range(len(what)), key=lambda i: -what[i].items)
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        done = pool.starmap(covered, [(what[i], runs) for i in order], chunksize=1)
    place = dict(zip(order, done))
    return [c for i in range(len(what)) for c in place[i]]


def rows(runs: int) -> Iterator[Rate]:
    """A summary of each metric, then each cell whose coverage is below the goal."""
    found = simulate((c for model in MODELS for c in cells(model)), runs)
    for metric in (n for of in MODELS.values() for n in of):
        yield from summary(metric, [c for c in found if c.metric == metric])


def summary(metric: str, found: list[Covered]) -> Iterator[Rate]:
    """Mean coverage, shares of cells in and out of the goal, and the cells below it."""
    said = [c for c in found if c.interval >= max(1, FEWEST * c.runs)]
    rates = np.array([c.rate for c in said])
    total = sum(c.runs for c in found)
    refused = 1 - sum(c.interval for c in found) / total
    above = int((rates > HIGH).sum())
    note = f"({len(said)} cells; {above} above {HIGH:g}; {refused:.0%} of studies refused)"
    yield Rate(f"{metric}: coverage, mean of cells", float(rates.mean()), len(said), LOW, note=note)
    yield Rate(
        f"{metric}: lowest cell", float(rates.min()), min(c.interval for c in said), LOW - 0.03
    )
    below = [c for c in said if c.rate < LOW]
    yield Rate(f"{metric}: cells at {LOW:g} or more", 1 - len(below) / len(said), len(said), 0.95)
    for c in sorted(below, key=lambda c: c.rate):
        yield Rate(f"{metric}: {c.cell}", c.rate, c.interval, LOW, note=f"width {c.width:.3f}")


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    for c in simulate((c for model in MODELS for c in cells(model)), runs):
        print(f"{c.rate:.3f} {c.width:.3f} {c.interval:4d} {c.runs} {c.metric}: {c.cell}")


if __name__ == "__main__":
    main()
