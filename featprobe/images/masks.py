"""Segmentation masks: whole numbers on the grid of an image, brought to its order of axes.

A mask file holds values (labels, 0 and 255, indices of a palette, colours); which class a value is
says the data set (:mod:`featprobe.datasets.masks`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from featprobe.core.errors import MissingPath, UnreadableItem, reason
from featprobe.images import arrays, files, tiff
from featprobe.images.decoded_image import FrameRecipe, ImageHeader, smallest
from featprobe.images.raster import opened
from featprobe.images.volume import world_axes

NAMES = ("mask", "masks", "label", "labels", "seg", "segmentation", "gt", "annotation")
ALIGNED = 0.1  # of a voxel: how far corners of a mask may lie from those of its image
COLOUR = 1 << 24  # added to 0xRRGGBB, so that no colour is taken for a label
_WHOLE = 1e-3
_BRIGHT = 128


class OtherGrid(UnreadableItem):
    """A mask that does not lie on the grid of its image."""


class UnknownValue(UnreadableItem):
    """A value of a mask that is no class."""


@dataclass(frozen=True)
class Mask:
    """The mask of one item on the grid of its image.

    ``values``: integers on the three axes of the image's array ((X, Y, Z) of a volume, (F, H, W) of
    a stack, (1, H, W) of an image), of a multi-label mask bool with the classes before them,
    (K, ...). ``spacing``: millimetres along these axes, None where they are not known. ``affine``
    (4, 4): from array indices to RAS millimetres, the image's. ``path``: of the (first) file.
    """

    values: np.ndarray
    spacing: tuple[float, float, float] | None = None
    affine: np.ndarray | None = None
    path: Path | None = None


@dataclass(frozen=True)
class Stored:
    """A mask as its file has it: whole numbers (three axes), ``affine`` or None, and whether values
    are colours, ``COLOUR + 0xRRGGBB``."""

    values: np.ndarray
    affine: np.ndarray | None = None
    colour: bool = False


def load(path: Path) -> Stored:
    """Read a mask file: NIfTI, NRRD, MetaImage, npz and other arrays, PNG and other pictures.

    Palettes give their indices, colours whole colours; grey in three equal channels is grey. A
    float array is a mask where all values are whole. Raises :class:`UnreadableItem` with the path.
    """
    try:
        if not path.exists():
            raise MissingPath(f"{path}: no such file")
        return _load(path)
    except Exception as error:
        text = reason(error)
        raise UnreadableItem(text if str(path) in text else f"{path}: {text}") from error


def _load(path: Path) -> Stored:
    if path.stat().st_size == 0:
        raise UnreadableItem("the file is empty")
    kind = files.kind_of(path)
    if kind == "raster" and not tiff.is_tiff(path):
        return _decoded(path)
    if kind == "array":
        return whole(arrays.load(path, FrameRecipe(key=_key(path))).pixels)
    if kind is None:
        raise UnreadableItem("not an image file of a known format")
    decoded = files.decoded((path,), FrameRecipe())
    if any("NaN" in note for note in decoded.notes):
        raise UnreadableItem("values that are NaN or infinite are no labels")
    return whole(decoded.pixels, decoded.affine)


def whole(values: np.ndarray, affine: np.ndarray | None = None) -> Stored:
    """Values (three axes), or colours (three axes, 3), as whole numbers."""
    if values.dtype == bool:
        values = values.astype(np.uint8)
    if values.dtype.kind == "f":
        near = np.rint(values)
        if not np.abs(values - near).max() <= _WHOLE:
            odd = values[~(np.abs(values - near) <= _WHOLE)].flat[0]
            raise UnreadableItem(f"value {odd:g} is no whole number, so this is no mask of labels")
        values = smallest(near)
    if values.ndim == 3:
        return Stored(values, affine)
    if (values == values[..., :1]).all():
        return Stored(values[..., 0], affine)
    return Stored(packed(values), affine, colour=True)


def packed(colours: np.ndarray) -> np.ndarray:
    """``COLOUR + 0xRRGGBB`` (int32) of colours (..., 3) of bytes."""
    if colours.min() < 0 or colours.max() > 255:
        raise UnreadableItem("colours of a mask have more than 8 bits")
    c = colours.astype(np.int32)
    return np.asarray(COLOUR + (c[..., 0] << 16) + (c[..., 1] << 8) + c[..., 2])


def _decoded(path: Path) -> Stored:
    with opened(path) as image:
        image.load()
        lossy = image.format == "JPEG"
        turned: Any = ImageOps.exif_transpose(image)
        if turned.mode in ("P", "L", "I", "F") or turned.mode.startswith("I;16"):
            values = np.asarray(turned)
        elif turned.mode == "1":
            values = np.asarray(turned).astype(np.uint8)
        elif turned.mode in ("LA", "La", "PA"):
            values = np.asarray(turned)[..., 0]
        else:
            values = np.asarray(turned.convert("RGB"))
    stored = whole(values[None])
    return _black_or_white(stored) if lossy else stored


def _black_or_white(stored: Stored) -> Stored:
    """A mask in a JPEG, which blurs values: 0 and 255, cut at half."""
    if stored.colour or 0 < stored.values.max() < _BRIGHT:
        raise UnreadableItem("a JPEG keeps no labels: only masks in black and white are read")
    return Stored(np.where(stored.values >= _BRIGHT, 255, 0).astype(np.uint8))


def palette(path: Path) -> dict[int, int] | None:
    """Index -> ``COLOUR + 0xRRGGBB`` of a picture with a palette, None of others."""
    with Image.open(path) as image:
        colours = image.getpalette("RGB") if image.mode in ("P", "PA") else None
    if not colours:
        return None
    table = packed(np.array(colours, np.uint8).reshape(-1, 3))
    return dict(enumerate(table.tolist()))


def _key(path: Path) -> str | None:
    """Of several arrays of an npz the one whose name says that it is a mask."""
    if path.suffix.lower() != ".npz":
        return None
    with np.load(path) as found:
        names = list(found.files)
    return next((n for wanted in NAMES for n in names if n.lower() == wanted), None) if (
        len(names) > 1
    ) else None  # fmt: skip


def array_shape(header: ImageHeader) -> tuple[int, int, int]:
    """The shape of an item's array: (X, Y, Z) of a volume, (F, H, W) without geometry."""
    shape = header.shape
    return shape if header.affine is not None else (shape[2], shape[1], shape[0])


def conformed(stored: Stored, header: ImageHeader, orientation: int = 1) -> np.ndarray:
    """The values of a mask in the order of its image's array, axes permuted and flipped exactly.

    ``header``: of the image. ``orientation``: EXIF's of the image, for a mask that was drawn on its
    pixels as they are stored. Raises :class:`OtherGrid` that says how the mask's grid differs.
    """
    values, shape = stored.values, array_shape(header)
    if header.affine is None or stored.affine is None:
        if values.shape == shape:
            return values
        if orientation >= 5 and values.shape == (shape[0], shape[2], shape[1]):
            return _turned(values, orientation)
        if header.affine is None and stored.affine is not None and values.T.shape == shape:
            return np.ascontiguousarray(values.T)  # (W, H, 1) of a NIfTI on a picture
        raise OtherGrid(f"it has shape {_by(values.shape)}, its image {_by(shape)}")
    between = np.linalg.solve(header.affine, stored.affine)
    axes = world_axes(between)  # of the mask, which axis of the image each runs along
    signs = [1 if between[a, k] >= 0 else -1 for k, a in enumerate(axes)]
    back = [axes.index(a) for a in range(3)]
    out = values[tuple(slice(None, None, s) for s in signs)].transpose(back)
    if out.shape != shape:
        raise OtherGrid(
            f"it has shape {_by(out.shape)}, its image {_by(shape)} (axes as the image has them)"
        )
    off = _offset(between, values.shape, axes, signs)
    if off > ALIGNED:
        raise OtherGrid(_difference(header.affine, stored.affine, between, axes, off))
    return np.ascontiguousarray(out)


def _offset(
    between: np.ndarray, shape: tuple[int, ...], axes: list[int], signs: list[int]
) -> float:
    """How far the centres of the corner voxels of two grids lie apart, in voxels of the image."""
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in shape], indexing="ij")).reshape(3, -1)
    there = between[:3, :3] @ corners + between[:3, 3:]
    expected = np.empty_like(there)
    for k, (a, s) in enumerate(zip(axes, signs)):
        expected[a] = corners[k] if s > 0 else shape[k] - 1 - corners[k]
    return float(np.abs(there - expected).max())


def _difference(
    image: np.ndarray, mask: np.ndarray, between: np.ndarray, axes: list[int], off: float
) -> str:
    spacings = [np.linalg.norm(a[:3, :3], axis=0) for a in (image, mask)]
    spacings[1] = spacings[1][[axes.index(a) for a in range(3)]]
    if not np.allclose(spacings[0], spacings[1], rtol=1e-3):
        text = " mm, its image ".join(_by(np.round(s, 4).tolist()) for s in spacings[::-1])
        return f"it has voxels of {text} mm"
    cosine = np.abs(between[axes, range(3)] / np.linalg.norm(between[:3, :3], axis=0)).min()
    if cosine < np.cos(np.radians(1)):
        angle = np.degrees(np.arccos(min(1.0, float(cosine))))
        return f"it is turned by {angle:.1f} degrees against its image"
    return f"it lies {off:.3g} voxels off its image (another affine)"


def _turned(values: np.ndarray, orientation: int) -> np.ndarray:
    """Frames (F, H, W) as EXIF's orientation (5 to 8) shows them."""
    turned = {5: lambda v: v.swapaxes(1, 2), 6: lambda v: np.rot90(v, -1, (1, 2)),
              7: lambda v: np.rot90(v, 2, (1, 2)).swapaxes(1, 2),
              8: lambda v: np.rot90(v, 1, (1, 2))}[orientation](values)  # fmt: skip
    return np.ascontiguousarray(turned)


def _by(numbers: Any) -> str:
    return " x ".join(f"{n:g}" for n in numbers)


def spacing_of(header: ImageHeader) -> tuple[float, float, float] | None:
    """Millimetres along the axes of an item's array, None without geometry."""
    if header.affine is None:
        return None
    x, y, z = (float(v) for v in np.linalg.norm(header.affine[:3, :3], axis=0))
    return x, y, z
