"""What is said with numbers, by simulation: coverage, error rates, power, selection.

Each module of this package has ``rows(runs)``, an iterable of
:class:`~tests.benchmarks.rows.Rate` with ``runs`` simulated studies a cell. All of them together
with the runs of :data:`RUNS` take under 15 minutes on two cores; the tests run a few of each.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

from tests.benchmarks.rows import Rate

RUNS = 500


def rows(runs: int) -> Iterator[Rate]:
    """The rows of every module, in the order of their names; ``runs`` is of timings, unused."""
    for module in sorted(m.name for m in pkgutil.iter_modules(__path__)):
        if not module.startswith("_"):
            yield from importlib.import_module(f"{__name__}.{module}").rows(RUNS)
