"""One process at work on the cells of a leaderboard: features, probes, trainings."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from featprobe.backbones.base import Backbone
from featprobe.core import paths as settings
from featprobe.core.fingerprint import digest
from featprobe.core.jsonvalues import plain
from featprobe.datasets.base import Dataset
from featprobe.evaluation import results
from featprobe.evaluation.evaluate import evaluate, request
from featprobe.evaluation.protocols import FewShot, Protocol
from featprobe.evaluation.results import Result
from featprobe.extraction.local import extract
from featprobe.extraction.open_store import items_of
from featprobe.features.feature_set import FeatureSet
from featprobe.features.wanted import outputs_of
from featprobe.leaderboard.cells import Cell
from featprobe.leaderboard.finetune_request import FinetuneRequest
from featprobe.leaderboard.grid import Grid
from featprobe.leaderboard.model_request import Model, joined_of
from featprobe.leaderboard.probe_request import ProbeRequest
from featprobe.leaderboard.schedule import Task
from featprobe.leaderboard.yaml_entries import Data, features_of
from featprobe.probes.selection import AUTO, Criterion
from featprobe.store.containers import open_store
from featprobe.store.locate import storage_path

Cache = str | os.PathLike[str] | None
Known = dict[str, dict[int | None, Result]]  # ``request`` -> shots -> the newest chosen Result


@dataclass
class Session:
    """What a process keeps between cells: the backbone and the features that it used last.

    ``known``: results that there are; ``begun`` is called when it is known whether a cell is among
    them, and what it is called with the view that it reads, before it is run.
    """

    grid: Grid
    cache: Cache
    progress: bool = False
    begun: Callable[[bool, str], None] = lambda there, name: None
    share: int = 1
    _open: dict[str, Dataset] = field(default_factory=dict)
    _backbone: tuple[Model, Backbone | Exception] | None = None
    _features: tuple[tuple[str, ...], FeatureSet, Sequence[str] | None] | None = None

    def __post_init__(self) -> None:
        self.root = settings.cache_root(self.cache)
        self.known = known(results.read(self.root, lambda text: None))

    def dataset(self, data: Data) -> Dataset:
        """The data set, opened once."""
        if data.place not in self._open:
            self._open[data.place] = data.open(self.cache)
        return self._open[data.place]

    def backbone(self, model: Model) -> Backbone:
        """The backbone; the one before it is let go. One that cannot be had is not tried again."""
        if self._backbone is None or self._backbone[0] != model:
            self._backbone = None  # one at a time
            try:
                self._backbone = model, model.load()
            except Exception as error:
                self._backbone = model, error
        found = self._backbone[1]
        if isinstance(found, Exception):
            raise found
        return found

    def perform(self, cells: Sequence[Cell], task: Task) -> str | tuple[list[Result], bool]:
        """The path of the features of a task, or the results of its cell and whether it ran."""
        cell = cells[task.cells[0]]
        if task.model is not None:
            return self.features(task.model, cell.data)
        return self.results(cell, task.stores)

    def features(self, model: Model, data: Data) -> str:
        """Extract what is missing; the path of the store."""
        dataset, options = self.dataset(data), self._outputs(model, data)
        if self.share > 1:  # of several processes each has a part of the cores
            part = max(1, min(8, (os.cpu_count() or 1) // self.share))
            options = {"workers": part, "streams": part} | options
        backbone = self.backbone(model)
        if features := features_of(options, backbone.outputs):
            options["features"] = tuple(features)
        made = extract(backbone, dataset, cache=self.cache, progress=self.progress, **options)
        path = str(made.store.path)
        self._features = (path,), made, None
        return path

    def _outputs(self, model: Model, data: Data) -> dict[str, Any]:
        """The options of extraction; where they name no outputs, the usual ones and what presets
        read of this backbone besides (a neck, logits)."""
        options = dict(self.grid.extract)
        if options.get("features"):
            return options
        backbone = self.backbone(model)
        views = [
            view
            for cell in self.grid.cells
            if model in cell.model.sources and cell.data.place == data.place
            and isinstance(cell.work, ProbeRequest)
            for view in cell.model.views_of(model) or cell.work.read_of(backbone.offer)
        ]  # fmt: skip
        usual = backbone.default_outputs
        more = [n for n in outputs_of(views) if n in backbone.outputs and n not in usual]
        return options | ({"features": (*usual, *more)} if more else {})

    def results(self, cell: Cell, stores: Sequence[str]) -> tuple[list[Result], bool]:
        """The chosen results of a cell, of several shots one each, and whether it had to run.

        ``stores``: the paths of its features, none for a training.
        """
        name = cell.name
        if cell.probes:
            features, view = self.opened(cell, stores)
            requested, protocol, make = self.probe(cell, features, view)
            if isinstance(cell.work, ProbeRequest) and view is None:
                name = cell.name_with(cell.work.name_of(features))
        else:
            requested, protocol, make = self._tuning(cell)
        found = all_of(self.known.get(requested, {}), protocol)
        self.begun(found is not None, name)
        if found is not None:
            return found, False
        made = {r.shots: r for r in make() if r.selected}
        self.known[requested] = made
        return list(made.values()), True

    def opened(self, cell: Cell, stores: Sequence[str]) -> tuple[FeatureSet, Sequence[str] | None]:
        """The features of a cell, opened once for cells that follow each other, and of joined ones
        their view. Raises :class:`InputError` for parts of other items, labels or splits."""
        key = (*stores, *([cell.model.name] if cell.model.parts else []))
        if self._features is None or self._features[0] != key:
            found = [open_store(storage_path(s)) for s in stores]
            if cell.model.parts:
                self._features = key, *joined_of(cell.model, found)
            else:
                self._features = key, FeatureSet(found[0]), None
        return self._features[1:]

    def probe(
        self, cell: Cell, features: FeatureSet, view: Sequence[str] | None = None
    ) -> tuple[str, Protocol, Callable[[], Sequence[Result]]]:
        """What is requested by a cell of these features, its protocol, and what makes it.

        ``view``: of joined features, see :meth:`opened`."""
        grid, work = self.grid, cell.work
        assert not isinstance(work, FinetuneRequest)
        protocol = cell.protocol.make(cell.seed, work.refit, grid.split_version)
        how = {"select": grid.select, "metric": grid.metric, **work.how}
        if not cell.protocol.choosing:  # there is no val to choose by anything
            how = {k: v for k, v in how.items() if k not in ("select", "one_se")}
        how |= {"resamples": grid.resamples} | ({} if view is None else {"view": view})
        probe = work.on(features)

        def make() -> Sequence[Result]:
            return evaluate(features, probe.fresh(), protocol, **how, cache=self.cache, save=True)

        return request(features, probe, protocol, **how), protocol, make

    def _tuning(self, cell: Cell) -> tuple[str, Protocol, Callable[[], Sequence[Result]]]:
        assert isinstance(cell.work, FinetuneRequest)
        grid, subset = self.grid, cell.protocol.subset
        dataset, backbone = self.dataset(cell.data), self.backbone(cell.model)
        entry = self.chosen_by(cell.work, dataset).on(backbone)
        requested = training_request(backbone, dataset, entry, subset, grid.split_version)

        def make() -> Sequence[Result]:
            from featprobe.finetuning.run import finetune

            options: dict[str, Any] = {
                k: v for k, v in grid.extract.items() if k in ("device", "workers")
            }
            made = finetune(
                backbone, dataset, entry.recipe, entry.training, lrs=entry.lrs, subset=subset,
                label=entry.label, cache=self.cache, resamples=grid.resamples, save=True,
                progress=self.progress, split_version=grid.split_version,
                segmentation=entry.segmentation, **options,
            )  # fmt: skip
            for result in made:
                result.request = requested
                results.amend(self.root, result)
            return made

        return requested, cell.protocol.make(cell.seed), make

    def chosen_by(self, entry: FinetuneRequest, dataset: Dataset) -> FinetuneRequest:
        """The fine-tuning with what the file chooses by, where it has nothing of its own."""
        own = entry.training.select != AUTO or entry.segmentation is not None
        if own or dataset.task is None:
            return entry
        by = Criterion.of(dataset.task, self.grid.select, reported=self.grid.metric)
        training = replace(entry.training, select=AUTO if by.usual else by.by)
        return replace(entry, training=training)


def known(found: Sequence[Result]) -> Known:
    """Chosen results by what was asked for."""
    out: Known = {}
    for r in found:
        if r.request and r.selected:
            out.setdefault(r.request, {})[r.shots] = r
    return out


def all_of(found: Mapping[int | None, Result], protocol: Protocol) -> list[Result] | None:
    """The results of a protocol, None where one of them is missing."""
    wanted = protocol.shots if isinstance(protocol, FewShot) else (None,)
    return [found[n] for n in wanted] if all(n in found for n in wanted) else None


def training_request(
    backbone: Backbone, dataset: Dataset, tuning: FinetuneRequest, subset: float, split_version: int
) -> str:
    """Digest of all that a fine-tuning depends on, and of what it is called: its ``request``.

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
