"""Options of loading that have no effect on a data set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featprobe.images.decoded_image import FrameRecipe
from featprobe.images.rules import PRESETS

if TYPE_CHECKING:
    from featprobe.datasets.base import Dataset

LOOKED_AT = 50  # DICOM items whose modality is read

# option -> the kinds of files it is for, what these are called
FOR = {
    "key": ({"array"}, "an npz, HDF5 or MATLAB file"),
    "channel": ({"nifti", "itk", "array"}, "a file with four axes"),
    "spacing": ({"nifti", "itk", "dicom", "array"}, "a volume with voxel spacing"),
    "plane": ({"nifti", "itk", "dicom", "array"}, "a volume"),
    "decode": ({"picture"}, "a JPEG"),
}
STACKS = ("frames", "channels")  # of items with several frames


def unused_options(data: Dataset) -> list[str]:
    """Describe each option of the frame recipe that was changed without effect, one line each.

    Also for a CT window on items that are no CT, as far as names and headers tell: such a window
    is in Hounsfield units.
    """
    usual = FrameRecipe()
    options = {
        f.name: value
        for f in fields(usual)
        if (value := getattr(data.recipe, f.name)) != getattr(usual, f.name)
    }
    return list(_lines(data, options, sorted(data.formats())))


def _lines(data: Dataset, given: dict[str, Any], kinds: Sequence[str]) -> Iterator[str]:
    for name, (those, called) in FOR.items():
        if name in given and not those & set(kinds):
            yield f"{name} {given[name]} has no effect: no item is {called}"
    paths: Sequence[tuple[Path, ...]] = getattr(data.source, "paths", ())
    flat = bool(paths) and kinds == ["picture"] and set(data.files_per_item()) == {1}
    for name in STACKS:
        if name in given and flat:
            yield f"{name} {given[name]} has no effect: every item is one picture"
    if "fusion" in given and not data.recipe.modalities:
        yield f"fusion {given['fusion']} has no effect without modalities"
    window = next((w for w in data.recipe.intensity.split("+") if w in PRESETS), None)
    if window is None:
        return
    others = _other_modalities(paths) if kinds == ["dicom"] else "pictures" if flat else ""
    if others:
        yield (
            f"intensity {data.recipe.intensity}: {window} is a window of CT in Hounsfield units, "
            f"and these are {others}; use auto, minmax or percentile=A,B"
        )


def _other_modalities(paths: Sequence[tuple[Path, ...]]) -> str:
    """The modalities of DICOM items, from up to :data:`LOOKED_AT` headers; empty with a CT."""
    import pydicom

    found = set()
    for item in paths[:: -(-len(paths) // LOOKED_AT) or 1]:
        try:
            header = pydicom.dcmread(
                item[0], force=True, stop_before_pixels=True, specific_tags=["Modality"]
            )
        except Exception:  # an unreadable item has its own message later
            continue
        found.add(str(header.get("Modality", "")))
    return "" if found & {"CT", ""} else ", ".join(sorted(found))
