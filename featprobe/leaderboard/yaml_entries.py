"""Data sets and extraction as a leaderboard's file asks for them."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

from featprobe.backbones.spec import known_outputs
from featprobe.core.errors import InputError, UnknownName, nearest
from featprobe.core.paths import expanded
from featprobe.core.yaml_file import at, checked
from featprobe.datasets.base import Dataset
from featprobe.datasets.load import CATALOG as DATA
from featprobe.datasets.load import dataset_name, entry_named, load_dataset, understood
from featprobe.extraction.options import Options
from featprobe.extraction.resolve import settle
from featprobe.images.decoded_image import FrameRecipe
from featprobe.leaderboard.yaml_schema import existing
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
