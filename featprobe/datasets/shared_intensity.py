"""One intensity range for all items of a data set, found before the items are read.

A range chosen item by item can go with the class: a site that stores floats beside one that stores
bytes. What a rule leaves open is settled from items all over the data set and becomes
``range=A,B``, which is part of the key and printed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from featprobe.core.errors import FeatprobeError, InputError
from featprobe.datasets.base import Dataset
from featprobe.datasets.file_paths import FilePaths
from featprobe.images.decoded_image import DecodedImage, FrameRecipe
from featprobe.images.intensity import natural_white

LOOKED_AT = 256  # items, evenly spaced
_VALUES = 20_000  # of an item
_PERCENTILES = (0.5, 99.5)
_OTHER_COLOUR = (".tif", ".tiff", ".npy", ".npz", ".h5", ".hdf5", ".mat")  # than of bytes


def settle(dataset: Dataset) -> None:
    """Replace an intensity rule of the data set by the range that it results in, in place.

    ``dataset``: the 0.5th to 99.5th percentile of up to 20,000 values of each of up to 256 items,
    padding left out. ``auto``, where the colours are not of 8 bits: 0 (or -white) to the next of 1,
    255, 1023, 4095, 16383, 65535 above the highest value. Nothing happens otherwise.
    """
    rule = dataset.recipe.intensity
    if rule == "dataset":
        if dataset.recipe.modalities:
            raise InputError(
                f"{dataset.name}: intensity 'dataset' is one range for all items; modalities have "
                "each their own: use percentile=0.5,99.5"
            )
        found = _pooled(dataset)
    elif rule == "auto" and _may_hold_colour(dataset):
        found = _white(dataset)
    else:
        return
    if found is not None:
        settled = f"range={found[0]:.6g},{found[1]:.6g}"
        dataset.recipe = replace(dataset.recipe, intensity=settled)
        dataset.notes.append(
            f"note: black and white are one for all items: {settled}, settled from {rule!r}"
        )


def as_made(dataset: Dataset, recipe: FrameRecipe) -> None:
    """Take over the range of another data set with an otherwise equal recipe."""
    rule = dataset.recipe.intensity
    taken = replace(dataset.recipe, intensity=recipe.intensity)
    if rule in ("auto", "dataset") and recipe.intensity.startswith("range=") and taken == recipe:
        dataset.recipe = recipe


def _some(dataset: Dataset) -> Iterator[DecodedImage]:
    """Pictures of items all over the data set that can be read."""
    reader = replace(dataset.recipe, intensity="auto")
    at = np.unique(np.linspace(0, len(dataset) - 1, LOOKED_AT).round().astype(int))
    for i in at.tolist():
        try:
            yield dataset.source.read(i, reader)
        except (FeatprobeError, OSError):  # extraction names it
            continue


def _pooled(dataset: Dataset) -> tuple[float, float] | None:
    values = []
    for picture in _some(dataset):
        flat = (picture.pixels if picture.whole is None else picture.whole).ravel()
        inside = flat if picture.padding is None else flat[flat > picture.padding]
        values.append(inside[:: max(1, len(inside) // _VALUES)].astype(np.float64))
    if not values:
        return None
    low, high = np.percentile(np.concatenate(values), _PERCENTILES)
    return float(low), float(high if high > low else low + 1)


def _may_hold_colour(dataset: Dataset) -> bool:
    arrays = getattr(dataset.source, "arrays", None)
    if arrays is not None:
        return any(a.dtype != np.uint8 and a.shape[-1] == 3 and a.ndim > 3 for a in arrays)
    paths = getattr(dataset.source, "paths", ())
    ends = _OTHER_COLOUR if not dataset.recipe.modalities else ()
    return any(n.lower().endswith(ends) for n in FilePaths.of(paths).names()) if ends else False


def _white(dataset: Dataset) -> tuple[float, float] | None:
    low, high, floating, others = 0.0, 0.0, False, 0
    for picture in _some(dataset):
        pixels = picture.pixels
        if pixels.ndim < 4 or pixels.dtype == np.uint8:
            others += 1
            if others > 7 and not high:  # grey all along
                return None
            continue
        low, high = min(low, float(pixels.min())), max(high, float(pixels.max()))
        floating |= pixels.dtype.kind == "f"
    if not high and not low:
        return None
    if others:
        dataset.warn(
            "black and white",
            [
                "some items are colour that is not of 8 bits and others are not: their ranges are "
                "chosen item by item; --intensity dataset gives all one"
            ],
        )
        return None
    white = natural_white(max(-low, high), floating)
    return (-white if low < 0 else 0.0), white
