"""One door to every file format: what a path is, how many frames it has, its pixels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from featprobe.errors import MissingPath, UnreadableItem, reason
from featprobe.images import dicom, nifti, raster
from featprobe.images.picture import FrameRecipe, Picture


def kind_of(path: Path) -> str | None:
    """``"raster"``, ``"nifti"``, ``"dicom"``, or None for a file that is no image by its name.

    Only a file without any suffix is opened, to look for the DICOM mark.
    """
    name = path.name.lower()
    if name.endswith(nifti.SUFFIXES):
        return "nifti"
    if name.endswith(raster.SUFFIXES):
        return "raster"
    if name.endswith(dicom.SUFFIXES):
        return "dicom"
    if "." not in name or name.rsplit(".", 1)[1].isdigit():
        return "dicom" if dicom.is_dicom(path) else None
    return None


def count_frames(paths: Sequence[Path], recipe: FrameRecipe) -> int:
    """Frames of an item (one file, or the ordered files of a DICOM series), from headers only."""
    kind = _kind(paths)
    try:
        if kind == "nifti":
            return nifti.count_frames(paths[0], recipe.plane)
        if kind == "dicom":
            return dicom.count_frames(paths, recipe.plane)
        return raster.count_frames(paths[0])
    except Exception as error:
        raise _unreadable(paths[0], error) from error


def read(paths: Sequence[Path], recipe: FrameRecipe) -> Picture:
    """Decode an item. Whatever a decoder raises becomes :class:`UnreadableItem` with the path."""
    kind = _kind(paths)
    try:
        if kind == "nifti":
            return nifti.read(paths[0], recipe.plane)
        if kind == "dicom":
            return dicom.read(paths, recipe.plane)
        return raster.read(paths[0])
    except Exception as error:
        raise _unreadable(paths[0], error) from error


def _kind(paths: Sequence[Path]) -> str:
    path = paths[0]
    if not path.exists():
        raise MissingPath(f"{path}: no such file")
    kind = kind_of(path)
    if kind is None:
        raise UnreadableItem(f"{path}: not an image file of a known format")
    if path.stat().st_size == 0:
        raise UnreadableItem(f"{path}: the file is empty")
    return kind


def _unreadable(path: Path, error: Exception) -> UnreadableItem:
    text = reason(error)
    return UnreadableItem(text if str(path) in text else f"{path}: cannot be read: {text}")
