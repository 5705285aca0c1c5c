"""What a leaderboard would do: what is cached, what must be extracted and run, time and disk.

Nothing is extracted, fitted, hashed or downloaded. Disk is computed from the shapes of outputs and
the number of frames. Time is what the cache has measured: frames a second of a backbone, seconds of
a probe or a training; where it has measured nothing, nothing is said.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from statistics import median
from types import SimpleNamespace
from typing import Any

from featprobe.backbones.hub_files import weights_here
from featprobe.backbones.load import resolve
from featprobe.backbones.spec import LIBRARIES, Preprocess
from featprobe.core import paths as settings
from featprobe.core.errors import FeatprobeError, reason
from featprobe.datasets.base import Dataset
from featprobe.evaluation.results import Result
from featprobe.evaluation.results import read as read_results
from featprobe.extraction.options import Options
from featprobe.extraction.resolve import settle
from featprobe.leaderboard.cell_work import Cache, Session, all_of, training_request
from featprobe.leaderboard.cells import Cell
from featprobe.leaderboard.finetune_request import FinetuneRequest
from featprobe.leaderboard.grid import Grid
from featprobe.leaderboard.known_features import KnownFeatures
from featprobe.leaderboard.model_request import Model
from featprobe.leaderboard.yaml_entries import Data
from featprobe.store.base import FeatureStore

CACHED, PARTIAL, ABSENT, BLOCKED = "cached", "partly cached", "to extract", "missing"


@dataclass
class Features:
    """Of one backbone on one data set: their ``state`` (one of the four above), ``frames`` that
    they are of and that are ``new``, ``bytes`` on disk and ``seconds`` of what is new; None where
    that is not known. ``exact``: whether all frames were counted."""

    data: str
    model: str
    state: str
    frames: int | None = None
    new: int | None = None
    bytes: int | None = None
    seconds: float | None = None
    exact: bool = True
    why: str = ""


@dataclass
class Cells:
    """The cells of one probe or training under one protocol: how many, how many are ``cached``, how
    many lack data or weights, and the ``seconds`` of those that would run, None where unknown."""

    work: str
    protocol: str
    total: int = 0
    cached: int = 0
    missing: int = 0
    seconds: float | None = 0.0

    @property
    def to_run(self) -> int:
        """How many would run."""
        return self.total - self.cached - self.missing


@dataclass
class Forecast:
    """``missing``: what is not here -> why and what to do; ``free``: bytes on the cache's disk."""

    features: list[Features] = field(default_factory=list)
    cells: list[Cells] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    free: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, with sums; a sum counts what is known, and says how much is not."""
        new = [f for f in self.features if f.state in (PARTIAL, ABSENT)]
        run = [c for c in self.cells if c.to_run]
        times = [f.seconds for f in new] + [c.seconds for c in run]
        return {
            "features": [asdict(f) for f in self.features],
            "cells": [{**asdict(c), "to_run": c.to_run} for c in self.cells],
            "missing": self.missing,
            "total": {
                "cells": sum(c.total for c in self.cells),
                "cached": sum(c.cached for c in self.cells),
                "to_run": sum(c.to_run for c in self.cells),
                "missing": sum(c.missing for c in self.cells),
                "extractions": len(new),
                "bytes": sum(f.bytes or 0 for f in new),
                "bytes_unknown": sum(f.bytes is None for f in new),
                "seconds": round(sum(t for t in times if t is not None), 3),
                "seconds_unknown": sum(t is None for t in times),
                "free": self.free,
            },
        }


def forecast(grid: Grid, cache: Cache = None, cells: Sequence[Cell] | None = None) -> Forecast:
    """What running the cells of a file (by default all) would take.

    Data sets are opened and headers read. One that is not here is in ``missing``, as are weights,
    and extras that are not installed.
    """
    return _Forecaster(grid, cache).of(list(grid.cells if cells is None else cells))


class _Forecaster:
    def __init__(self, grid: Grid, cache: Cache) -> None:
        self.session, self.out = Session(grid, cache), Forecast()
        names = Options.__dataclass_fields__
        o = settle(Options(**{k: v for k, v in grid.extract.items() if k in names}))
        self.known = KnownFeatures.of(settings.feature_root(cache), grid.extract, o)
        self.kept = read_results(self.session.root, lambda text: None)
        self.stores: dict[tuple[str, Model], FeatureStore | None] = {}
        self.here: dict[Model, bool] = {}  # whether weights are: a file has many cells of a model
        self.gone: set[str] = set()  # places of data sets that are not here
        root = next(p for p in (self.session.root, *self.session.root.parents) if p.exists())
        self.out.free = shutil.disk_usage(root).free

    def of(self, cells: Sequence[Cell]) -> Forecast:
        """The forecast of these cells."""
        for cell in cells:
            for model in cell.model.sources if cell.probes else ():
                if (cell.data.place, model) not in self.stores:
                    self.out.features.append(self._features(cell.data, model))
        by: dict[tuple[str, str], Cells] = {}
        for cell in cells:
            key = cell.work.name, cell.protocol.name or "full"
            self._count(cell, by.setdefault(key, Cells(*key)))
        self.out.cells = list(by.values())
        return self.out

    def _features(self, data: Data, model: Model) -> Features:
        self.stores[data.place, model] = None
        name, dataset = model.name, self._dataset(data)
        if dataset is None:
            return Features(data.name, name, BLOCKED, why="data")
        store = self.known.store(dataset, model)
        self.stores[data.place, model] = store
        frames, exact = self.known.frames(dataset)
        if store is not None and store.complete:
            return Features(dataset.name, name, CACHED, store.layout.frames, 0, 0, 0.0)
        shapes, rate = self.known.shapes(model), self.known.rate(model)
        new = frames
        if store is not None:
            bounds = map(store.layout.bounds, store.pending())
            new, shapes = sum(b - a for a, b in bounds), store.layout.arrays
        found = Features(
            dataset.name, name, ABSENT if store is None else PARTIAL, frames, new,
            None if shapes is None else self.known.bytes(shapes, new),
            None if rate is None else round(new / rate, 3), exact,
        )  # fmt: skip
        if not self._weights(model):
            found.state, found.why = BLOCKED, "weights"
        return found

    def _dataset(self, data: Data) -> Dataset | None:
        if data.place in self.gone:
            return None
        try:
            return self.session.dataset(data)
        except (FeatprobeError, OSError) as error:
            self.out.missing[f"data {data.name}"] = reason(error).removeprefix(f"{data.place}: ")
            self.gone.add(data.place)
            return None

    def _weights(self, model: Model) -> bool:
        """Whether a backbone can be loaded without a download, as far as that can be told."""
        if model not in self.here:
            self.here[model] = self._found(model)
        return self.here[model]

    def _found(self, model: Model) -> bool:
        source, given = resolve(model.text), dict(model.options)
        library = source.place.partition(":")[0]
        key = f"weights {model.text}"
        if library in LIBRARIES:
            if not find_spec(library):
                self.out.missing[key] = f"pip install 'featprobe[{library}]'"
            elif not given.get("init") and "weights" not in given:
                self.out.missing.setdefault(key, f"{library} keeps them; it is not known if here")
                return True
            return find_spec(library) is not None
        plugin = source.spec is not None and source.spec.build is not None
        if given.get("init") or "weights" in given or plugin or weights_here(source):
            return True
        files = ", ".join(source.spec.files) if source.spec is not None else ""
        self.out.missing[key] = (
            f"downloaded from {source.place} when it runs" if source.place
            else f"give 'weights: FILE' ({files or 'the authors keep them'})"
        )  # fmt: skip
        return bool(source.place)  # a download is a part of the run

    def _count(self, cell: Cell, of: Cells) -> None:
        of.total += 1
        dataset = self._dataset(cell.data)
        lacking = [m for m in cell.model.sources if not self._weights(m)]  # each is told of
        if dataset is None or lacking:
            of.missing += 1
        elif self._there(cell, dataset):
            of.cached += 1
        elif of.seconds is not None:
            seconds = self._seconds(cell)
            of.seconds = None if seconds is None else round(of.seconds + seconds, 3)

    def _there(self, cell: Cell, dataset: Dataset) -> bool:
        """Whether its results are in the cache."""
        if cell.probes:
            stores = [self.stores.get((cell.data.place, m)) for m in cell.model.sources]
            if not all(s is not None and s.complete for s in stores):
                return False
            try:
                opened = self.session.opened(cell, [str(s.path) for s in stores if s is not None])
                requested, protocol, _ = self.session.probe(cell, *opened)
            except FeatprobeError:  # which running it would say
                return False
            return all_of(self.session.known.get(requested, {}), protocol) is not None
        assert isinstance(cell.work, FinetuneRequest)
        entry = self.session.chosen_by(cell.work, dataset)
        keys = {
            (r.provenance["key"]["weights"], r.view): r.provenance["key"] for r in self.kept
            if (r.dataset, r.backbone, r.probe) == (dataset.name, cell.model.name, "finetune")
        }  # fmt: skip
        # no training of this backbone is cached under other weights
        for (_, view), key in keys.items():
            made: Any = SimpleNamespace(
                name=cell.model.name, weights_sha256=key["weights"],
                preprocess=Preprocess.from_dict(key["preprocess"]),
            )  # fmt: skip
            version = self.session.grid.split_version
            tuned = entry if entry.views is None else entry.at(view)  # what its preset came to
            requested = training_request(made, dataset, tuned, cell.protocol.subset, version)
            if requested in self.session.known:
                return True
        return False

    def _seconds(self, cell: Cell) -> float | None:
        """What such a cell took on this data set before: the median of those that are kept."""
        alike: list[Result] = [r for r in self.kept if r.dataset == cell.data.name]
        if isinstance(cell.work, FinetuneRequest):
            recipe = cell.work.recipe.name
            took = [
                r.seconds for r in alike
                if r.probe == "finetune" and r.params.get("recipe") == recipe
                and r.backbone == cell.model.name
            ]  # fmt: skip
        else:
            took = [
                r.seconds for r in alike
                if r.probe == cell.work.probe.name and r.protocol == cell.protocol.kind
            ]  # fmt: skip
        results = len(getattr(cell.protocol.make(), "shots", (1,)))
        return median(took) * results if took else None
