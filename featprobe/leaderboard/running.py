"""The cells of a leaderboard: those that are in the cache are taken, the others run."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from featprobe.backbones.base import Backbone
from featprobe.core import paths as settings
from featprobe.core.errors import FeatprobeError, InputError, Unfinished, reason
from featprobe.core.fingerprint import digest
from featprobe.core.jsonvalues import plain
from featprobe.datasets.base import Dataset
from featprobe.evaluation import results
from featprobe.evaluation.evaluate import evaluate, request
from featprobe.evaluation.protocols import Full
from featprobe.evaluation.results import Result
from featprobe.extraction.local import extract
from featprobe.extraction.open_store import items_of
from featprobe.features.feature_set import FeatureSet
from featprobe.leaderboard.finetune_request import FinetuneRequest
from featprobe.leaderboard.grid import Grid, Model
from featprobe.leaderboard.probe_request import ProbeRequest
from featprobe.probes.selection import AUTO, Criterion

Cache = str | os.PathLike[str] | None
T = TypeVar("T")


@dataclass
class Outcome:
    """The chosen Result of each cell that has one; ``failures``: of the others, cell and reason.

    ``ran`` and ``there`` count the cells that ran and those that were in the cache.
    """

    results: list[Result] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    ran: int = 0
    there: int = 0


@dataclass
class Group:
    """What is asked for of one backbone."""

    model: Model
    probes: Sequence[ProbeRequest]
    tunings: list[FinetuneRequest]


def groups(grid: Grid) -> list[Group]:
    """What is asked for by backbone: first ``models``, then those that an entry names itself."""
    common = [t for own, t in grid.finetune if own is None]
    found = {m: Group(m, grid.probes, list(common)) for m in grid.models}
    for own, tuning in grid.finetune:
        if own is not None:
            found.setdefault(own, Group(own, (), [])).tunings.append(tuning)
    return list(found.values())


def run(
    grid: Grid, cache: Cache = None, *, tell: Callable[[str], None] = lambda text: None,
    progress: bool = False,
) -> Outcome:  # fmt: skip
    """Run what is missing of a leaderboard.

    A cell is known again by all that its numbers depend on: by
    :func:`~featprobe.evaluation.evaluate.request` or :func:`training_request`. ``tell`` is given a
    line for each cell, with its number and how many there are. A cell that fails is named in the
    outcome, and the rest goes on.

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
    running = _Running(grid, cache, datasets, tell, progress)
    for group in groups(grid):
        running.group(group)
    return running.outcome


def training_request(
    backbone: Backbone, dataset: Dataset, tuning: FinetuneRequest, subset: float, split_version: int
) -> str:
    """Digest of all that a fine-tuning depends on, and of its name in tables: its ``request``.

    The number of resamples is not among it: intervals are not worth another training. Nor is the
    version of splits where nothing is drawn, or the first, which earlier trainings do not say.
    """
    drawn = subset < 1 or not {"train", "val", "test"} <= set(dataset.split.tolist())
    version = {"split_version": split_version} if drawn and split_version != 1 else {}
    requested = {
        "dataset": dataset.name, "content": dataset.fingerprint,
        "labels": items_of(dataset).labels_digest, "frames": dataset.recipe.to_dict(),
        "backbone": backbone.name, "weights": backbone.weights_sha256,
        "preprocess": backbone.preprocess.to_dict(), "recipe": tuning.recipe.name,
        "options": tuning.recipe.to_dict(), "training": tuning.training.to_dict(),
        "lrs": tuning.lrs, "label": tuning.label, "subset": subset,
        **version, **({} if tuning.segmentation is None else _of_masks(tuning, dataset)),
    }  # fmt: skip
    return digest(plain(requested))


def _of_masks(tuning: FinetuneRequest, dataset: Dataset) -> dict[str, Any]:
    """What a fine-tuning to masks depends on besides; those of labels have no such part."""
    assert tuning.segmentation is not None
    masks = None if dataset.masks is None else dataset.masks.digest
    return {"segmentation": tuning.segmentation.to_dict(), "masks": masks}


class _Running:
    """The state of :func:`run`: which cell of how many, and what has come of them."""

    def __init__(
        self, grid: Grid, cache: Cache, datasets: Sequence[Dataset], tell: Callable[[str], None],
        progress: bool,
    ) -> None:  # fmt: skip
        self.grid, self.cache, self.datasets = grid, cache, datasets
        self.tell, self.progress = tell, progress
        self.outcome, self.number = Outcome(), 0
        each = len(datasets) * len(grid.subset)
        self.total = each * sum(len(g.probes) + len(g.tunings) for g in groups(grid))
        self.root = settings.cache_root(cache)
        kept = results.read(self.root, tell)
        self.known = {r.request: r for r in kept if r.request and r.selected}

    def group(self, group: Group) -> None:
        """All cells of a backbone, which is loaded once: extraction and probes, then trainings."""
        every: list[ProbeRequest | FinetuneRequest] = [*group.probes, *group.tunings]
        backbone = self._before(group.model.load, self.datasets, group.model.name, every)
        if backbone is None:
            return
        for dataset in self.datasets:
            if group.probes:
                self._probes(group.probes, backbone, dataset)
        for dataset in self.datasets:
            for tuning in group.tunings:
                for subset in self.grid.subset:
                    self._tuning(tuning, subset, backbone, dataset)

    def _probes(self, probes: Sequence[ProbeRequest], backbone: Backbone, dataset: Dataset) -> None:
        def features() -> FeatureSet:
            return extract(
                backbone, dataset, cache=self.cache, progress=self.progress, **self.grid.extract
            )

        found = self._before(features, [dataset], backbone.name, probes)
        if found is not None:
            for entry in probes:
                for subset in self.grid.subset:
                    self._probe(entry, subset, found)

    def _probe(self, entry: ProbeRequest, subset: float, features: FeatureSet) -> None:
        protocol = Full(self.grid.seed, entry.refit, subset, self.grid.split_version)
        chosen = {"select": self.grid.select, "metric": self.grid.metric}
        how = {**chosen, **entry.how, "resamples": self.grid.resamples}
        self._cell(
            _named(features.dataset, features.backbone, entry.name, subset),
            lambda: request(features, entry.probe, protocol, **how),
            lambda _: evaluate(
                features, entry.probe.fresh(), protocol, **how, cache=self.cache, save=True
            ),
        )

    def _tuning(
        self, entry: FinetuneRequest, subset: float, backbone: Backbone, dataset: Dataset
    ) -> None:
        entry = self._chosen_by(entry, dataset)

        def train(requested: str) -> list[Result]:
            from featprobe.finetuning.run import finetune

            options: dict[str, Any] = {
                k: v for k, v in self.grid.extract.items() if k in ("device", "workers")
            }
            made = finetune(
                backbone, dataset, entry.recipe, entry.training, lrs=entry.lrs, subset=subset,
                label=entry.label, cache=self.cache, resamples=self.grid.resamples, save=True,
                progress=self.progress, split_version=self.grid.split_version,
                segmentation=entry.segmentation, **options,
            )  # fmt: skip
            for result in made:
                result.request = requested
                results.amend(self.root, result)
            return made

        self._cell(
            _named(dataset.name, backbone.name, entry.name, subset),
            lambda: training_request(backbone, dataset, entry, subset, self.grid.split_version),
            train,
        )

    def _chosen_by(self, entry: FinetuneRequest, dataset: Dataset) -> FinetuneRequest:
        """The fine-tuning with what the file chooses by, where it has nothing of its own."""
        if entry.training.select != AUTO or dataset.task is None or entry.segmentation is not None:
            return entry
        by = Criterion.of(dataset.task, self.grid.select, reported=self.grid.metric)
        training = replace(entry.training, select=AUTO if by.usual else by.by)
        return replace(entry, training=training)

    def _cell(
        self, name: str, ask: Callable[[], str], make: Callable[[str], list[Result]]
    ) -> None:  # fmt: skip
        """Take the cell from the cache or run it."""
        self.number += 1
        place = f"[{self.number}/{self.total}] {name}"
        try:
            requested = ask()
            found = self.known.get(requested)
            self.tell(place if found is None else f"{place}: in the cache")
            if found is None:
                found = next(r for r in make(requested) if r.selected)
                self.known[requested] = found
                self.outcome.ran += 1
            else:
                self.outcome.there += 1
        except Unfinished:
            raise
        except Exception as error:  # whatever it was, the other cells can still be had
            self._failed(name, error)
            return
        if all(found.id != r.id for r in self.outcome.results):
            self.outcome.results.append(found)

    def _before(
        self, make: Callable[[], T], datasets: Sequence[Dataset], backbone: str,
        entries: Sequence[ProbeRequest | FinetuneRequest],
    ) -> T | None:  # fmt: skip
        """What cells need; None where it cannot be had, which is the failure of all of them."""
        try:
            return make()
        except Unfinished:
            raise
        except Exception as error:
            cells = len(datasets) * len(entries) * len(self.grid.subset)
            first, self.number = self.number + 1, self.number + cells
            names = ", ".join(d.name for d in datasets)
            self.tell(f"[{first} to {self.number}/{self.total}] {names} / {backbone}")
            self._failed(f"{names} / {backbone} ({cells} cells)", error)
            return None

    def _failed(self, what: str, error: Exception) -> None:
        if not isinstance(error, (FeatprobeError, OSError)):
            self.tell("".join(traceback.format_exception(error)).rstrip())
        self.outcome.failures.append(f"{what}: {' '.join(reason(error).split())}")
        self.tell(f"failed: {self.outcome.failures[-1]}")


def _named(dataset: str, backbone: str, entry: str, subset: float) -> str:
    part = "" if subset == 1 else f", {100 * subset:g} % of train"
    return f"{dataset} / {backbone} / {entry}{part}"
