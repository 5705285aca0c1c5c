"""In which order the cells of a leaderboard are run, and what each has to wait for."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from featprobe.leaderboard.cells import Cell
from featprobe.leaderboard.model_request import Model

Wait = tuple[Model, str]  # features of a backbone on the data set of a place


@dataclass(frozen=True)
class Task:
    """The extraction of the features of a ``model`` that ``cells`` (their numbers) read, or one
    cell; then ``stores`` are where its features are, of joined backbones one each, none for a
    training."""

    cells: tuple[int, ...]
    model: Model | None = None
    stores: tuple[str, ...] = ()

    @property
    def extracts(self) -> bool:
        """Whether it is an extraction."""
        return self.model is not None


def waits_of(cell: Cell) -> list[Wait]:
    """The features that a cell reads; none of a training."""
    return [(m, cell.data.place) for m in cell.model.sources] if cell.probes else []


def _keys(cell: Cell, i: int) -> Sequence[Wait | int]:
    """What a cell is done with: its features, or for a training its own number."""
    return waits_of(cell) or [i]


class Schedule:
    """Hands out tasks. Cells wait for the features of each of their backbones, which are extracted
    by one task; trainings wait for nothing."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        self._cells = cells
        waiting: dict[Wait | int, list[int]] = {}
        for i, cell in enumerate(cells):
            for key in _keys(cell, i):
                waiting.setdefault(key, []).append(i)
        self._ready = deque(
            Task(tuple(of), None if isinstance(key, int) else key[0]) for key, of in waiting.items()
        )
        self._there: dict[Wait, str] = {}
        self._failed: set[int] = set()

    def next(self) -> Task | None:
        """What can be run now; None where nothing is left, or others must end first."""
        return self._ready.popleft() if self._ready else None

    def extracted(self, task: Task, store: str) -> None:
        """The features of a task are there: its cells that have all of theirs come next."""
        assert task.model is not None
        self._there[task.model, self._cells[task.cells[0]].data.place] = store
        able = []
        for i in task.cells:
            stores = [self._there.get(key, "") for key in waits_of(self._cells[i])]
            if all(stores) and i not in self._failed:
                able.append(Task((i,), stores=tuple(stores)))
        self._ready.extendleft(reversed(able))

    def failed(self, task: Task) -> tuple[int, ...]:
        """The cells that cannot be run for it, those that failed before left out."""
        new = tuple(i for i in task.cells if i not in self._failed)
        self._failed.update(new)
        return new


def part(cells: Sequence[Cell], i: int, n: int) -> list[Cell]:
    """The i-th of n parts, from 1. All cells of the same features are in one part, so that no two
    parts extract the same, those of joined backbones with those of each; trainings are dealt one by
    one."""
    together: dict[Wait | int, int] = {}  # -> a number that all that belong together share
    for k, cell in enumerate(cells):
        keys = _keys(cell, k)
        known = {together[key] for key in keys if key in together}
        number = min(known, default=k)
        together.update(dict.fromkeys(keys, number))
        if len(known) > 1:
            together.update({key: number for key, was in together.items() if was in known})
    numbers = [together[_keys(cell, k)[0]] for k, cell in enumerate(cells)]
    place = {number: at for at, number in enumerate(dict.fromkeys(numbers))}
    return [cell for cell, number in zip(cells, numbers) if place[number] % n == i - 1]
