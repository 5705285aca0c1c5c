"""In which order the cells of a leaderboard are run, and what each has to wait for."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from featprobe.leaderboard.cells import Cell


@dataclass(frozen=True)
class Task:
    """The extraction of the features that ``cells`` (their numbers) are of, or one cell; then
    ``store`` is where its features are, empty for a training."""

    cells: tuple[int, ...]
    extracts: bool = False
    store: str = ""


class Schedule:
    """Hands out tasks. The cells of a backbone and a data set wait for their features, which are
    extracted by one task; trainings wait for nothing."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        features: dict[object, list[int]] = {}
        order: list[object] = []
        for i, cell in enumerate(cells):
            key: object = (cell.model, cell.data.place) if cell.probes else i
            if key not in features:
                order.append(key)
            features.setdefault(key, []).append(i)
        self._ready = deque(
            Task(tuple(features[k]), extracts=not isinstance(k, int)) for k in order
        )

    def next(self) -> Task | None:
        """What can be run now; None where nothing is left, or others must end first."""
        return self._ready.popleft() if self._ready else None

    def extracted(self, task: Task, store: str) -> None:
        """The features of a task are there: its cells come next."""
        self._ready.extendleft(Task((i,), store=store) for i in reversed(task.cells))


def part(cells: Sequence[Cell], i: int, n: int) -> list[Cell]:
    """The i-th of n parts, from 1. All cells of the same features are in one part, so that no two
    parts extract the same; trainings are dealt one by one."""
    place: dict[object, int] = {}
    out = []
    for k, cell in enumerate(cells):
        key: object = (cell.model, cell.data.place) if cell.probes else k
        if place.setdefault(key, len(place)) % n == i - 1:
            out.append(cell)
    return out
