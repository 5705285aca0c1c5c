"""The cells of a leaderboard: those that are in the cache are taken, the others run."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from featprobe import results, settings
from featprobe.backbones.base import Backbone
from featprobe.datasets.base import Dataset
from featprobe.errors import FeatprobeError, InputError, Unfinished, reason
from featprobe.evaluation import evaluate, request
from featprobe.extraction.local import extract
from featprobe.extraction.opening import items_of
from featprobe.features import FeatureSet
from featprobe.fingerprint import digest
from featprobe.leaderboard.grid import Grid, Model
from featprobe.leaderboard.probing import Probing
from featprobe.leaderboard.tuning import Tuning
from featprobe.protocols import Full
from featprobe.results import Result, plain

Cache = str | os.PathLike[str] | None


@dataclass
class Outcome:
    """The chosen Result of each cell that has one; ``failures``: of the others, cell and reason.

    ``ran`` and ``there`` count the cells that ran and those that were in the cache.
    """

    results: list[Result] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    ran: int = 0
    there: int = 0


def run(
    grid: Grid, cache: Cache = None, *, tell: Callable[[str], None] = lambda text: None,
    progress: bool = False,
) -> Outcome:  # fmt: skip
    """Run what is missing of a leaderboard.

    A cell is known again by :func:`~featprobe.evaluation.request` or :func:`asked_of`: by all that
    its numbers depend on. ``tell`` is given a line for each cell, with its number and how many
    there are. A cell that fails is named in the outcome, and the rest goes on.

    Raises :class:`InputError` before anything runs where a data set cannot be opened or two have
    one name, and :class:`Unfinished` after SIGINT or SIGTERM.
    """
    datasets = [data.open(cache) for data in grid.data]
    names = [d.name for d in datasets]
    for name in names:
        if names.count(name) > 1:
            raise InputError(
                f"{grid.file}: data: two data sets are called {name!r}; give one of them a 'name'"
            )
    return _Run(grid, cache, datasets, tell, progress).all()


@dataclass(frozen=True)
class _Group:
    """What is asked for of one backbone."""

    model: Model
    probes: Sequence[Probing]
    tunings: Sequence[Tuning]


def groups(grid: Grid) -> list[_Group]:
    """The cells of a grid by backbone: those of ``models``, then those of single entries."""
    own = [t for m, t in grid.finetune if m is None]
    found = {m: _Group(m, grid.probes, [*own]) for m in grid.models}
    for model, tuning in grid.finetune:
        if model is not None:
            group = found.setdefault(model, _Group(model, (), []))
            found[model] = _Group(group.model, group.probes, [*group.tunings, tuning])
    return list(found.values())


class _Run:
    def __init__(
        self, grid: Grid, cache: Cache, datasets: Sequence[Dataset], tell: Callable[[str], None],
        progress: bool,
    ) -> None:  # fmt: skip
        self.grid, self.cache, self.datasets = grid, cache, datasets
        self.tell, self.progress = tell, progress
        self.groups = groups(grid)
        each = len(datasets) * len(grid.subset)
        self.total = each * sum(len(g.probes) + len(g.tunings) for g in self.groups)
        self.number = 0
        self.outcome = Outcome()
        self.root = settings.cache_root(cache)
        self.known = {r.asked: r for r in results.read(self.root) if r.asked and r.selected}

    def all(self) -> Outcome:
        for group in self.groups:
            backbone = self._attempt(
                group.model.load, self._cells(self.datasets, group.model, group)
            )
            if backbone is None:
                continue
            for dataset in self.datasets:
                if group.probes:
                    self._probe(group, backbone, dataset)
            identity = {
                "backbone": backbone.name, "weights": backbone.weights_sha256,
                "preprocess": backbone.preprocess.to_dict(),
            }  # fmt: skip
            name = backbone.name
            del backbone  # a training changes its own, and may need the memory
            for dataset in self.datasets:
                self._tune(group, name, identity, dataset)
        return self.outcome

    def _probe(self, group: _Group, backbone: Backbone, dataset: Dataset) -> None:
        features = self._attempt(
            lambda: extract(
                backbone, dataset, cache=self.cache, progress=self.progress, **self.grid.extract
            ),
            self._cells([dataset], group.model, _Group(group.model, group.probes, [])),
        )
        if features is None:
            return
        for part in self.grid.subset:
            for entry in group.probes:
                cell = _cell(dataset.name, backbone.name, entry.name, part)
                self._one(cell, *_probing(entry, features, part, self.grid, self.cache))

    def _tune(
        self, group: _Group, name: str, identity: dict[str, object], dataset: Dataset
    ) -> None:
        for part in self.grid.subset:
            for entry in group.tunings:
                cell = _cell(dataset.name, name, entry.name, part)
                ...
