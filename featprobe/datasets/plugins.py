"""Data sets that other packages and scripts add: entries of the catalog, or functions.

@featprobe.register("dataset", "our_films", modality="radiographs")
def our_films(root):
    return featprobe.Dataset.from_files(sorted(root.glob("*.png")), ...)
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from featprobe.core.errors import InputError
from featprobe.core.plugins import came, entry_facts
from featprobe.datasets.base import Dataset
from featprobe.datasets.entry import DatasetEntry
from featprobe.images.decoded_image import FrameRecipe

FACTS = ("title", "modality", "task", "classes", "items", "group", "split", "licence", "citation",
         "home", "layout", "folder")  # fmt: skip


def plugin(name: str, value: Any, of: str, **facts: Any) -> DatasetEntry:
    """An :class:`DatasetEntry`, or a function that returns a Dataset.

    A function of ``root`` reads files, which lie in ``--root`` or ``$FEATPROBE_DATA/NAME``; one of
    nothing brings its own. ``facts``: what ``featprobe data`` shows of it (:data:`FACTS`), as in an
    DatasetEntry.
    """
    entry = entry_facts("dataset", name, value, facts, DatasetEntry, FACTS, "Dataset")
    if entry is None:
        return replace(value, name=name)
    takes = list(inspect.signature(value).parameters)
    if takes not in ([], ["root"]):
        raise InputError(
            f"dataset {name}: its function takes ({', '.join(takes)}), known are () and (root)"
        )
    usual = {"title": f"of {of}", "modality": "", "task": "", "classes": (), "home": of}
    return DatasetEntry(
        **{**usual, **entry}, name=name, build=_builder(name, value, bool(takes)),
        generate=None if takes else lambda folder: None,
    )  # fmt: skip


def _builder(
    name: str, function: Callable[..., Any], rooted: bool
) -> Callable[[Path, FrameRecipe, Path], Dataset]:
    def build(root: Path, recipe: FrameRecipe, memory: Path) -> Dataset:
        data = function(root) if rooted else function()
        if not isinstance(data, Dataset):
            raise InputError(
                f"dataset {name}: its function must return a Dataset, such as that of "
                f"Dataset.from_arrays, not {came(data)}"
            )
        data.name, data.recipe = name, recipe
        return data

    return build
