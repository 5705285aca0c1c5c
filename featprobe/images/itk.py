"""NRRD and MetaImage files through SimpleITK (extra ``sitk``)."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np

from featprobe.core.errors import MissingExtra, UnreadableItem
from featprobe.images.decoded_image import FrameRecipe, ImageHeader, Volume, finite, smallest
from featprobe.images.limits import check_pixels, check_stored
from featprobe.images.nifti import three_axes

SUFFIXES = (".nrrd", ".nhdr", ".mha", ".mhd")
_TO_RAS = np.diag([-1.0, -1.0, 1.0])
_BYTES = {"8-bit": 1, "16-bit": 2, "32-bit": 4, "64-bit": 8, "float": 4, "double": 8}


def extent(path: Path, recipe: FrameRecipe) -> ImageHeader:
    """Size and geometry, from the header only."""
    reader = _reader(path)
    return ImageHeader(three_axes(path, _axes(reader), recipe), _affine(path, reader))


def load(path: Path, recipe: FrameRecipe) -> Volume:
    """Read a volume; of several volumes or components ``recipe.channel``, three of uint8 as RGB."""
    reader = _reader(path)
    shape = three_axes(path, _axes(reader), recipe)
    import SimpleITK

    array = SimpleITK.GetArrayFromImage(reader.Execute())  # slowest axis first, components last
    color = _is_color(reader)
    if reader.GetNumberOfComponents() > 1 and not color:
        array = np.moveaxis(array, -1, 0)
    array = array.transpose([*range(array.ndim - color - 1, -1, -1), *([array.ndim - 1] * color)])
    for axis in range(array.ndim - color - 1, 2, -1):
        array = array.take((recipe.channel or 0) if array.shape[axis] > 1 else 0, axis)
    array = array.reshape(*shape, *([3] * color))
    if array.dtype not in (np.uint8, np.int16, np.uint16, np.int32, np.float32):
        array = smallest(array)
    array, notes = finite(array, path.name)
    return Volume(array, _affine(path, reader), notes=notes)


def detached(path: Path) -> tuple[Path, ...]:
    """The files in which a header keeps its voxels, none where it holds them itself.

    Raises :class:`UnreadableItem` for a name that leaves the header's folder or is no plain name.
    """
    with open(path, "rb") as f:
        head = f.read(1 << 16).decode("latin-1")
    found = re.search(r"^(?:ElementDataFile\s*=|data ?file:)\s*(.*\S)", head, re.M | re.I)
    if found is None or found[1].upper() == "LOCAL":
        return ()
    names = [found[1]]
    if found[1].upper().startswith("LIST"):
        names = [line.strip() for line in head[found.end() :].splitlines() if line.strip()]
    folder = path.parent.resolve()
    files = tuple(path.parent / name for name in names)
    for name, file in zip(names, files):
        if not file.resolve().is_relative_to(folder):
            raise UnreadableItem(f"{path}: its data file {name!r} lies outside its folder")
        if not file.exists():
            raise UnreadableItem(f"{path}: its data file {name!r} is not there")
    return files


def _reader(path: Path) -> Any:
    try:
        import SimpleITK
    except ImportError:
        raise MissingExtra(
            f"{path}: NRRD and MetaImage files need SimpleITK: pip install 'featprobe[sitk]'"
        ) from None
    stored = detached(path) or (path,)
    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    reader = SimpleITK.ImageFileReader()
    kind = "NrrdImageIO" if path.suffix.lower() in (".nrrd", ".nhdr") else "MetaImageIO"
    reader.SetImageIO(kind)
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise UnreadableItem(f"{path}: {_last(error)}") from error
    axes = _axes(reader)
    check_pixels(path, *axes)
    name = SimpleITK.GetPixelIDValueAsString(reader.GetPixelID())
    size = next((b for text, b in _BYTES.items() if text in name), 1)
    needed = math.prod(reader.GetSize()) * reader.GetNumberOfComponents() * size
    if needed > sum(f.stat().st_size for f in stored):  # then it must be deflated
        check_stored(max(stored, key=lambda f: f.stat().st_size), needed // len(stored), True)
    return reader


def _axes(reader: Any) -> tuple[int, ...]:
    """Spatial axes, then components unless they are colour."""
    size = tuple(int(n) for n in reader.GetSize())
    components = int(reader.GetNumberOfComponents())
    if components == 1 or _is_color(reader):
        return size
    return (*size, *([1] * (3 - len(size))), components)


def _is_color(reader: Any) -> bool:
    import SimpleITK

    return reader.GetNumberOfComponents() == 3 and reader.GetPixelID() == SimpleITK.sitkVectorUInt8


def _affine(path: Path, reader: Any) -> np.ndarray:
    """RAS affine of (i, j, k) from ITK's LPS origin, spacing and direction."""
    n = len(reader.GetSize())
    k = min(3, n)
    direction, spacing, origin = np.eye(3), np.ones(3), np.zeros(3)
    direction[:k, :k] = np.reshape(reader.GetDirection(), (n, n))[:k, :k]
    spacing[:k], origin[:k] = reader.GetSpacing()[:k], reader.GetOrigin()[:k]
    affine = np.eye(4)
    affine[:3, :3] = _TO_RAS @ direction * spacing
    affine[:3, 3] = _TO_RAS @ origin
    if not np.isfinite(affine).all() or not np.abs(affine[:3, :3]).max(axis=0).all():
        raise UnreadableItem(f"{path}: its orientation is not finite or has an axis of no length")
    return affine


def _last(error: Exception) -> str:
    """The reason at the end of an ITK message."""
    return str(error).strip().splitlines()[-1].strip()[:300]
