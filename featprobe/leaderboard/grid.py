"""The YAML of a leaderboard, read and checked before anything runs.

    data: [digits, {data: ./films, name: films, group: folder}]
    models: [tiny_vit14, {model: tiny_vit14, init: random}]
    extract: {blocks: 4, batch_size: 16}
    probes: [knn, {probe: logistic, refit: false, features: [cls]}, {preset: dinov2-linear}]
    finetune: [frozen, {recipe: lora, rank: 8, epochs: 10, lr: [1e-4, 1e-3]}, {preset: rad-lora}]
    subset: [0.1, 1]
    against: linear
    metric: auroc
    select: auto
    resamples: 1000
    seed: 0
    out: table

Paths are relative to the file. Of several values of ``lr`` val chooses, by ``select``, which an
entry may have of its own; ``auto`` follows ``metric``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_type_hints

from featprobe.backbones.base import Backbone
from featprobe.backbones.load import load_backbone, resolve
from featprobe.backbones.plugins import models
from featprobe.backbones.spec import known_outputs
from featprobe.core.errors import InputError, UnknownName, nearest
from featprobe.core.paths import expanded
from featprobe.core.yaml_file import at, checked, read_yaml
from featprobe.datasets.base import Dataset
from featprobe.datasets.load import CATALOG as DATA
from featprobe.datasets.load import entry_named, load_dataset, understood
from featprobe.extraction.options import Options
from featprobe.extraction.resolve import settle
from featprobe.images.decoded_image import FrameRecipe
from featprobe.leaderboard.finetune_request import FinetuneRequest, make_finetune_request
from featprobe.leaderboard.probe_request import ProbeRequest, make_probe_request
from featprobe.leaderboard.yaml_schema import entries, existing, listed
from featprobe.metrics import measures as metrics
from featprobe.probes.selection import AUTO, selectable
from featprobe.splits.partition import VERSION, check_version
from featprobe.store.containers import SUFFIXES
from featprobe.store.format import DTYPES

NAMES = str | Sequence[str]
NEEDS = "a mapping is needed, with keys such as 'data' and 'models'"
TOP = {
    "data": Any, "models": Any, "extract": Mapping[str, Any], "probes": Any, "finetune": Any,
    "subset": float | Sequence[float], "against": str, "metric": str, "select": str,
    "resamples": int, "seed": int, "split_version": int, "out": str,
}  # fmt: skip
LOADING = {
    "data": str, "root": str, "name": str, "label": NAMES, "group": str, "task": str,
    "split": str, "option": Mapping[str, Any], "separator": str, "uncertain": str,
    "missing": NAMES, "path": str, "split_column": str, "split_map": Mapping[str, str],
}  # fmt: skip
FRAMES = get_type_hints(FrameRecipe) | {
    "spacing": float | Sequence[float], "modalities": tuple[str, ...],
}  # fmt: skip
MODEL = {
    "model": str, "revision": str, "weights": tuple[str, ...], "init": str, "seed": int,
    "strip_prefix": str, "ignore_keys": tuple[str, ...],
    "image_size": int,
}  # fmt: skip
EXTRACT = {"blocks": int, "features": tuple[str, ...], "store": str, "dtype": str} | {
    f.name: get_type_hints(Options)[f.name]
    for f in fields(Options)
    if f.name not in ("part", "progress")
}


@dataclass(frozen=True)
class Data:
    """A data set; ``place`` is where the file names it."""

    place: str
    text: str
    loading: Mapping[str, Any]

    def open(self, cache: str | os.PathLike[str] | None) -> Dataset:
        """The data set; no pixels are decoded. An error names the place."""
        with at(self.place):
            return load_dataset(self.text, cache=cache, **self.loading)


@dataclass(frozen=True)
class Model:
    """A backbone; ``options`` of :func:`~featprobe.backbones.load.load_backbone` are pairs."""

    text: str
    options: tuple[tuple[str, Any], ...]
    place: str = field(compare=False)

    def load(self) -> Backbone:
        """The backbone, of its own for each caller. An error names the place."""
        with at(self.place):
            return load_backbone(self.text, **dict(self.options))

    @property
    def name(self) -> str:
        """What it is called while it is not loaded."""
        return f"{self.text} (random)" if dict(self.options).get("init") else self.text


@dataclass(frozen=True)
class Grid:
    """All that a leaderboard is to hold.

    ``extract``: options of :func:`~featprobe.extraction.local.extract`. ``subset``: fractions of
    train. ``against``: the name in tables of what all others are compared with. ``out``: the files
    are called so, with endings.
    """

    file: Path
    data: tuple[Data, ...]
    models: tuple[Model, ...]
    extract: Mapping[str, Any]
    probes: tuple[ProbeRequest, ...]
    finetune: tuple[tuple[Model | None, FinetuneRequest], ...]
    subset: tuple[float, ...]
    against: str | None
    metric: str | None
    select: str
    resamples: int
    seed: int
    split_version: int
    out: Path | None


def read(file: Path) -> Grid:
    """Read and check the file; nothing is downloaded, and no image or weight is read.

    Raises :class:`InputError`, :class:`UnknownName` with the nearest name, or :class:`MissingPath`,
    in one line with the file and the place in it.
    """
    top = checked(read_yaml(file, NEEDS), TOP, str(file))
    folder, where = file.parent, f"{file}: "
    seed, resamples = top.get("seed", 0), top.get("resamples", 1000)
    if seed < 0 or resamples < 10:
        raise InputError(f"{file}: seed must be at least 0 and resamples at least 10")
    data = [_data(e, folder, p) for p, e in _entries(top, "data", "data", file)]
    models = [_model(e, folder, p) for p, e in _entries(top, "models", "model", file)]
    probes = [make_probe_request(e, p) for p, e in _entries(top, "probes", "probe", file)]
    tunings = [_tuning(e, folder, seed, p) for p, e in _entries(top, "finetune", "recipe", file)]
    if not data:
        raise InputError(f"{file}: 'data' is needed, such as 'data: [digits]'")
    if not probes and not tunings:
        raise InputError(f"{file}: 'probes' or 'finetune' is needed, such as 'probes: [knn]'")
    if not models and (probes or any(own is None for own, _ in tunings)):
        raise InputError(f"{file}: 'models' is needed, such as 'models: [tiny_vit14]'")
    with at(where + "metric"):
        if "metric" in top:
            metrics.about(top["metric"])
    with at(where + "select"):
        selectable(top.get("select", AUTO))
    with at(where + "split_version"):
        check_version(top.get("split_version", VERSION))
    _unlike([p.name for p in probes], [t.label for _, t in tunings], file)
    _known(top.get("against"), [p.name for p in probes] + [t.name for _, t in tunings], file)
    return Grid(
        file, tuple(data), tuple(models), _extract(top.get("extract", {}), where + "extract"),
        tuple(probes), tuple(tunings), _subset(listed(top.get("subset", 1)), where + "subset"),
        top.get("against"), top.get("metric"), top.get("select", AUTO), resamples, seed,
        top.get("split_version", VERSION),
        folder / expanded(top["out"]) if "out" in top else None,
    )  # fmt: skip


def _entries(
    top: Mapping[str, Any], section: str, key: str, file: Path
) -> list[tuple[str, dict[str, Any]]]:
    value = top.get(section)
    return entries(value, key, f"{file}: {section}") if value not in (None, []) else []


def _data(entry: dict[str, Any], folder: Path, place: str) -> Data:
    given = checked(entry, LOADING | FRAMES, place)
    if "data" not in given:
        raise InputError(f"{place}: 'data' is needed, a catalog name or a path")
    text = given.pop("data")
    named = entry_named(text, folder)
    if named:
        text = named
    else:
        if re.fullmatch(r"[\w-]+", text) and not (folder / text).exists():
            raise UnknownName(
                f"{place}: unknown data set {text!r}: no such folder beside the file and no such "
                f"catalog name.{nearest(text, DATA.names())} See 'featprobe data'"
            )
        text = existing(text, folder, place)
    for key in ("root", "split"):
        if key in given:
            given[key] = existing(given[key], folder, place)
    loading = given.pop("option", {}) | given
    with at(place):
        understood(text, named, {k: v for k, v in loading.items() if k not in ("root", "split")})
    return Data(place, text, loading)


def _model(entry: dict[str, Any], folder: Path, place: str) -> Model:
    given = checked(entry, MODEL, place)
    if "model" not in given:
        raise InputError(f"{place}: 'model' is needed, a name as of 'featprobe extract --model'")
    text = given.pop("model")
    if text not in models() and (text.startswith((".", "~")) or (folder / text).exists()):
        text = existing(text, folder, place)
    if given.get("init") not in (None, "random"):
        raise InputError(f"{place}: init can only be 'random', not {given['init']!r}")
    if "init" in given and "weights" in given:
        raise InputError(f"{place}: 'init: random' and 'weights' exclude each other")
    if given.get("seed", 0) < 0 or given.get("image_size", 1) < 1:
        raise InputError(f"{place}: seed must be at least 0 and image_size at least 1")
    if "weights" in given:
        given["weights"] = tuple(existing(w, folder, place) for w in given["weights"])
    with at(place):
        resolve(text)
    return Model(text, tuple(sorted(given.items())), place)


def _tuning(
    entry: dict[str, Any], folder: Path, seed: int, place: str
) -> tuple[Model | None, FinetuneRequest]:
    own = None
    if "model" in entry:
        entry = dict(entry)
        model = entries(entry.pop("model"), "model", f"{place}, model")
        if len(model) != 1:
            raise InputError(f"{place}: model is one, not {len(model)}")
        own = _model(model[0][1], folder, f"{place}, model")
    return own, make_finetune_request(entry, folder, seed, place)


def _extract(given: Mapping[str, Any], place: str) -> dict[str, Any]:
    options = checked(given, EXTRACT, place)
    for key, known in (("store", tuple(SUFFIXES)), ("dtype", DTYPES)):
        if options.get(key, known[0]) not in known:
            raise InputError(f"{place}: {key} {options[key]!r} is none of {', '.join(known)}")
    if options.get("blocks", 1) < 1:
        raise InputError(f"{place}: blocks {options['blocks']} must be at least 1")
    with at(place):
        known_outputs(options.get("features", ()))
        settle(Options(**{k: v for k, v in options.items() if k in Options.__dataclass_fields__}))
    return options


def _subset(given: list[float], place: str) -> tuple[float, ...]:
    for part in given:
        if not 0 < part <= 1:
            raise InputError(f"{place}: {part:g} must be above 0 and at most 1, the whole of train")
    return tuple(dict.fromkeys(float(part) for part in given))


def _known(against: str | None, names: list[str], file: Path) -> None:
    if against is not None and against not in names:
        raise UnknownName(
            f"{file}: against: nothing here is called {against!r}.{nearest(against, names)} "
            f"There: {', '.join(dict.fromkeys(names))}"
        )


def _unlike(probes: list[str], labels: list[str], file: Path) -> None:
    """A name that a user gives must tell a fine-tuning from probes and other named ones."""
    given = [label for label in labels if label]
    for name in given:
        if name in probes or given.count(name) > 1:
            raise InputError(f"{file}: finetune: two entries are called {name!r}; name one else")
