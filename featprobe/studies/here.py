"""What of a study is on this machine: the cells that can run, and where the rest is to be had."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

from featprobe.backbones.hub_files import weights_here
from featprobe.backbones.library_weights import library_weights
from featprobe.backbones.load import resolve
from featprobe.backbones.spec import LIBRARIES
from featprobe.core.errors import FeatprobeError, InputError, nearest, reason
from featprobe.datasets.load import entry_named
from featprobe.leaderboard.cells import Cell
from featprobe.leaderboard.grid import Grid
from featprobe.leaderboard.model_request import Model
from featprobe.leaderboard.yaml_entries import Data
from featprobe.studies.decoding import Decoding
from featprobe.studies.study import Study

Cache = str | os.PathLike[str] | None


@dataclass(frozen=True)
class Part:
    """What of a study can run here: cells and ``decodings``; ``missing``: of the others, data set
    or backbone -> why, and where it is to be had; ``without``, ``undecoded``: what lacks one."""

    grid: Grid
    missing: Mapping[str, str]
    without: tuple[Cell, ...] = ()
    decodings: tuple[Decoding, ...] = ()
    undecoded: tuple[Decoding, ...] = ()


def chosen(
    study: Study, data: Sequence[str], models: Sequence[str], frozen: bool = False
) -> tuple[Grid, tuple[Decoding, ...]]:
    """The cells and decodings with these data sets (their common names too) and backbones, by
    default all; ``frozen``: without trainings. Raises :class:`UnknownName` for one that none has.
    """
    grid = study.grid()
    known = {n for c in grid.cells for n in c.called["data"]}
    own = {n for d in study.decodings for n in (d.data.name, d.data.text)}
    data = [d if d in known | own else entry_named(d) or d for d in data]
    decodings = [d for d in study.decodings if d.is_of(data, models)]
    rest = [d for d in data if d in known or d not in own]
    cells = grid.only(rest, models).cells if rest or not data else ()
    cells = tuple(c for c in cells if c.probes or not frozen)
    if not cells and not decodings:
        raise InputError(f"{grid.file}: nothing is left to run")
    return replace(grid, cells=cells), tuple(decodings)


def with_options(
    grid: Grid, decodings: Sequence[Decoding], weights: Mapping[str, Sequence[str]],
    init: str | None, image_size: int | None,
) -> tuple[Grid, tuple[Decoding, ...]]:  # fmt: skip
    """Other options of :func:`~featprobe.backbones.load.load_backbone` for the backbones.

    ``weights``: name -> checkpoint files; ``init`` and ``image_size`` are of all without files.
    Raises :class:`InputError` for a name that no cell has.
    """
    every = [*(c.model for c in grid.cells), *(d.model for d in decodings)]
    names = {n: None for model in every for m in model.sources for n in m.names}
    for name in weights:
        if name not in names:
            raise InputError(
                f"--weights {name}=...: no cell has this backbone.{nearest(name, names)} There: "
                f"{', '.join(names)}"
            )

    def changed(model: Model) -> Model:
        options = dict(model.options)
        files = next((weights[n] for n in model.names if n in weights), None)
        if files:
            options["weights"] = tuple(files)
        elif init:
            options = {k: v for k, v in options.items() if k != "weights"} | {"init": init}
        if image_size:
            options["image_size"] = image_size
        return replace(model, options=tuple(sorted(options.items())))

    cells = tuple(replace(c, model=c.model.changed(changed)) for c in grid.cells)
    grid = replace(grid, cells=cells, models=tuple(m.changed(changed) for m in grid.models))
    return grid, tuple(replace(d, model=changed(d.model)) for d in decodings)


def of_this_machine(
    grid: Grid, decodings: Sequence[Decoding] = (), cache: Cache = None, download: bool = False
) -> Part:
    """What can run here. Data sets are opened, no pixel is decoded; of weights is only looked
    whether they are there. ``download``: weights that can be downloaded count as here."""
    parts: list[Cell | Decoding] = [*grid.cells, *decodings]
    missing: dict[str, str] = {}
    gone: set[str | Model] = set()
    for where in {c.data.place: c.data for c in parts}.values():
        if why := _data_missing(where, cache):
            missing[f"data {where.name}"] = why
            gone.add(where.place)
    for model in dict.fromkeys(m for c in parts for m in c.model.sources):
        if why := _weights_missing(model, download):
            missing[f"weights {model.text}"] = why
            gone.add(model)

    def lacks(part: Cell | Decoding) -> bool:
        return part.data.place in gone or any(m in gone for m in part.model.sources)

    return Part(
        replace(grid, cells=tuple(c for c in grid.cells if not lacks(c))), missing,
        tuple(filter(lacks, grid.cells)), tuple(d for d in decodings if not lacks(d)),
        tuple(filter(lacks, decodings)),
    )  # fmt: skip


def _data_missing(data: Data, cache: Cache) -> str:
    try:
        data.open(cache)
    except (FeatprobeError, OSError) as error:
        return reason(error).removeprefix(f"{data.place}: ")
    return ""


def _weights_missing(model: Model, download: bool) -> str:
    """Why a backbone cannot be loaded here, empty where it can."""
    options: dict[str, Any] = dict(model.options)
    source = resolve(model.text)
    library = source.place.partition(":")[0]
    if library in LIBRARIES and not find_spec(library):
        return f"pip install 'featprobe[{library}]'"
    plugin = source.spec is not None and source.spec.build is not None
    if options.get("init") or options.get("weights") or plugin:
        return ""
    here = library_weights(source) if library in LIBRARIES else weights_here(source)
    if here or (download and source.place):
        return ""
    files = " and ".join(source.spec.files) if source.spec is not None else ""
    places = [p for p in (source.place, files) if p]
    how = f"--weights {model.text}=FILE"
    how = f"--download, or {how}" if source.place else how
    return f"to be had from {' or '.join(places) or 'its authors'} ({how}, or --init random)"
