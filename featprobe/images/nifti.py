"""NIfTI files, Analyze pairs and FreeSurfer's MGH files through nibabel."""

from __future__ import annotations

import gzip
import math
from pathlib import Path
from typing import Any

import numpy as np

from featprobe.core.errors import UnreadableItem
from featprobe.core.opening import is_held, raw, reading
from featprobe.images.decoded_image import FrameRecipe, ImageHeader, Volume, finite, smallest
from featprobe.images.limits import check_pixels, check_stored

SUFFIXES = (".nii", ".nii.gz", ".hdr", ".mgz", ".mgh")  # a pair's .img goes with its .hdr
_GZIP = b"\x1f\x8b"


def extent(path: Path, recipe: FrameRecipe) -> ImageHeader:
    """Size and geometry, from the header only."""
    return _open(path, recipe)[1]


def load(path: Path, recipe: FrameRecipe) -> Volume:
    """Read a volume, scaled by its slope and intercept.

    Integer values stay integers where the header does not scale them; otherwise float32. NaN and
    infinities become the lowest finite value, with a note. Of a file with four axes
    ``recipe.channel`` is read. RGB voxels become colour.
    """
    image, size = _open(path, recipe)
    proxy = image.dataobj
    part = _part(image.shape, recipe)
    if proxy.dtype.names:
        array = np.stack([np.asarray(proxy)[part][name] for name in "RGB"], axis=-1)
        return Volume(array.reshape(*size.shape, 3), _affine(path, image))
    scaled = proxy.slope != 1 or proxy.inter != 0
    array = np.asarray(proxy[part] if scaled else proxy.get_unscaled()[part])
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if scaled or array.dtype.kind == "f":  # a float header means a measured scale: stay float32
        with np.errstate(over="ignore"):
            array = array.astype(np.float32)
    elif array.dtype not in (np.uint8, np.int16, np.uint16, np.int32):
        array = smallest(array)
    array, notes = finite(array.reshape(size.shape), path.name)
    return Volume(array, _affine(path, image), notes=notes)


def opened(path: Path, recipe: FrameRecipe) -> Any:
    """nibabel's image, its voxels not read, by the content where its suffix says otherwise."""
    return _open(path, recipe)[0]


def _open(path: Path, recipe: FrameRecipe) -> tuple[Any, ImageHeader]:
    import nibabel

    if path.name.lower().endswith(".hdr"):
        _check_pair(path)
    image: Any = _image(path, nibabel)
    shape = tuple(int(n) for n in image.shape)
    if min(shape, default=0) < 1:
        raise UnreadableItem(f"{path}: a volume of shape {shape}")
    volume = three_axes(path, shape, recipe)
    check_pixels(path, *shape)
    data = Path(image.file_map["image"].filename or path)
    needed = math.prod(shape) * image.dataobj.dtype.itemsize
    check_stored(data, needed, data.suffix.lower() in (".gz", ".mgz") or _is_gzip(data))
    return image, ImageHeader(volume, _affine(path, image))


def _image(path: Path, nibabel: Any) -> Any:
    """By the content where it is not what the suffix says: gzip under .nii, plain under .nii.gz."""
    name, packed = path.name.lower(), _is_gzip(path)
    single = name.endswith((".nii", ".nii.gz"))
    if not single or (packed == name.endswith(".gz") and not is_held(path)):
        return nibabel.load(path)
    data: Any = gzip.open(reading(path)) if packed else reading(path)  # noqa: SIM115
    size = int.from_bytes(data.read(4), "little")
    data.seek(0)
    kind = nibabel.Nifti2Image if size in (540, 469893120) else nibabel.Nifti1Image
    return kind.from_file_map({"image": nibabel.FileHolder(fileobj=data)})


def _is_gzip(path: Path) -> bool:
    with raw(path) as f:
        return f.read(2) == _GZIP


def _check_pair(path: Path) -> None:
    if not path.with_suffix(".img").exists() and not path.with_suffix(".img.gz").exists():
        raise UnreadableItem(f"{path}: the .img file that holds its voxels is not beside it")


def _affine(path: Path, image: Any) -> np.ndarray:
    """The sform, the qform where that is singular, as a header of zeros is; else what it says."""
    affine = np.asarray(image.affine, dtype=float)
    if not _regular(affine) and hasattr(image.header, "get_qform"):
        qform, code = image.header.get_qform(coded=True)
        affine = np.asarray(qform, dtype=float) if code else affine
    if not _regular(affine):
        raise UnreadableItem(f"{path}: its orientation is not finite or has an axis of no length")
    return affine


def _regular(affine: np.ndarray) -> bool:
    return bool(np.isfinite(affine).all() and np.abs(affine[:3, :3]).max(axis=0).all())


def _part(shape: tuple[int, ...], recipe: FrameRecipe) -> tuple[Any, ...]:
    """The index of the volume to read: all of three axes, the channel of a fourth."""
    longer = [axis for axis, n in enumerate(shape) if axis > 2 and n > 1]
    return tuple(
        (recipe.channel if axis in longer else 0) if axis > 2 else slice(None)
        for axis in range(len(shape))
    )


def three_axes(path: Path, shape: tuple[int, ...], recipe: FrameRecipe) -> tuple[int, int, int]:
    """The shape of the volume to read; further axes of length one are dropped, missing ones added.

    Raises :class:`UnreadableItem` naming the option when there is a fourth axis and
    ``recipe.channel`` does not choose on it.
    """
    longer = [n for n in shape[3:] if n > 1]
    if len(longer) > 1:
        raise UnreadableItem(f"{path}: {len(shape)} axes {shape}; at most four are read")
    if longer and recipe.channel is None:
        raise UnreadableItem(
            f"{path}: {longer[0]} volumes in one file {shape}; choose one with "
            f"--channel 0 to {longer[0] - 1}"
        )
    if longer and recipe.channel is not None and recipe.channel >= longer[0]:
        raise UnreadableItem(
            f"{path}: no --channel {recipe.channel}: it has {longer[0]} volumes, 0 to "
            f"{longer[0] - 1}"
        )
    x, y, z = (*shape[:3], 1, 1)[:3]
    return x, y, z
