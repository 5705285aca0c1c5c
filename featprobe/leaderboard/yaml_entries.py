"""Data sets, backbones and extraction as a leaderboard's file asks for them."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, get_type_hints

from featprobe.backbones.base import Backbone
from featprobe.backbones.load import label_of, load_backbone, resolve
from featprobe.backbones.offer import Offer
from featprobe.backbones.plugins import models
from featprobe.backbones.spec import Preprocess, known_outputs
from featprobe.backbones.transforms import transformed
from featprobe.core.errors import FeatprobeError, InputError, UnknownName, nearest
from featprobe.core.paths import expanded
from featprobe.core.yaml_file import at, checked
from featprobe.datasets.base import Dataset
from featprobe.datasets.load import CATALOG as DATA
from featprobe.datasets.load import dataset_name, entry_named, load_dataset, understood
from featprobe.extraction.options import Options
from featprobe.extraction.resolve import settle
from featprobe.images.decoded_image import FrameRecipe
from featprobe.leaderboard.yaml_schema import existing, listed
from featprobe.store.containers import SUFFIXES
from featprobe.store.format import DTYPES

NAMES = str | Sequence[str]
LOADING = {
    "data": str, "root": str, "name": str, "label": NAMES, "group": str, "task": str,
    "split": str, "option": Mapping[str, Any], "separator": str, "uncertain": str,
    "missing": NAMES, "path": str, "split_column": str, "split_map": Mapping[str, str],
    "labels": NAMES, "label_map": Mapping[str, str],
}  # fmt: skip
FRAMES = get_type_hints(FrameRecipe) | {
    "spacing": float | Sequence[float], "modalities": tuple[str, ...],
}  # fmt: skip
ENTRY = LOADING | FRAMES | {"transform": str}
MODEL = {
    "model": str, "revision": str, "weights": tuple[str, ...], "init": str, "seed": int,
    "strip_prefix": str, "ignore_keys": tuple[str, ...], "transform": str,
    "image_size": int | Sequence[int],
}  # fmt: skip
EXTRACT = {"blocks": int, "features": tuple[str, ...], "store": str, "dtype": str} | {
    f.name: get_type_hints(Options)[f.name]
    for f in fields(Options)
    if f.name not in ("part", "progress")
}


@dataclass(frozen=True)
class Data:
    """A data set; ``place`` is where the file names it. ``transform``: what backbones see of it
    (:mod:`featprobe.backbones.transforms`), over what each has or is given."""

    place: str
    text: str
    loading: Mapping[str, Any]
    transform: str | None = None

    @property
    def name(self) -> str:
        """What it is called in tables and in the cache."""
        own = self.loading.get("name")
        if own or self.text in DATA:
            return str(own or self.text)
        return dataset_name(expanded(self.text))

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
        """What it will be called in tables; nothing is loaded."""
        given = dict(self.options)
        keys = ("weights", "image_size", "init", "seed", "transform")
        try:
            return label_of(resolve(self.text), **{k: v for k, v in given.items() if k in keys})
        except FeatprobeError:
            return self.text

    def seeing(self, data: Data) -> Model:
        """The backbone with the transform of a data set over its own; an error names the place."""
        if data.transform is None:
            return self
        options = dict(self.options)
        own = options.get("transform")
        options["transform"] = f"{own},{data.transform}" if own else data.transform
        with at(data.place):
            spec = resolve(self.text).spec
            transformed(Preprocess((224, 224), None), options["transform"], spec)
        return replace(self, options=tuple(sorted(options.items())))

    @cached_property
    def offer(self) -> Offer | None:
        """What the catalog says that it has; None of others."""
        try:
            spec = resolve(self.text).spec
        except FeatprobeError:
            return None
        if spec is None or not spec.outputs:
            return None
        deep = {n: spec.blocks if n in ("cls", "mean", "tokens") else 1 for n in spec.outputs}
        return Offer.of(spec.name, deep)

    @property
    def names(self) -> tuple[str, ...]:
        """All that it may be called by a user."""
        return self.name, self.text


def make_data(entry: dict[str, Any], folder: Path, place: str) -> Data:
    """The data set of an entry, paths relative to the folder; errors name the place."""
    given = checked(entry, ENTRY, place)
    transform = given.pop("transform", None)
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
        if key == "split" and named and DATA.get(named).named_split(given.get(key)):
            continue
        if key in given:
            given[key] = existing(given[key], folder, place)
    loading = given.pop("option", {}) | given
    with at(place):
        understood(text, named, {k: v for k, v in loading.items() if k not in ("root", "split")})
    return Data(place, text, loading, transform)


def make_models(
    entry: dict[str, Any], folder: Path, place: str, sizes: Sequence[int | None] = (None,)
) -> list[Model]:
    """The backbones of an entry, one for each of its image sizes, else of those of the file.

    ``sizes``: pixels, None for the size of the checkpoint. Errors name the place.
    """
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
    sizes = listed(given.pop("image_size")) if "image_size" in given else sizes
    if given.get("seed", 0) < 0 or any(n is not None and n < 1 for n in sizes):
        raise InputError(f"{place}: seed must be at least 0 and image_size at least 1")
    if "weights" in given:
        given["weights"] = tuple(existing(w, folder, place) for w in given["weights"])
    with at(place):
        spec = resolve(text).spec
        if "transform" in given:
            transformed(Preprocess((224, 224), None), given["transform"], spec)
    sized = [given if n is None else given | {"image_size": n} for n in dict.fromkeys(sizes)]
    return [Model(text, tuple(sorted(options.items())), place) for options in sized]


def make_extract(given: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Options of :func:`~featprobe.extraction.local.extract`; errors name the place."""
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


def features_of(extract: Mapping[str, Any], there: Collection[str]) -> list[str]:
    """Of the ``features`` of a file those that a backbone has, ``there``, as a file is of several;
    all of them where it has none, for the extraction to refuse."""
    asked = list(extract.get("features") or ())
    return [text for text in asked if text.partition(":")[0] in there] or asked
