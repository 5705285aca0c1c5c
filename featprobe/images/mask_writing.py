"""Masks and probabilities as files on the grid of their image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from featprobe.core.errors import InputError
from featprobe.images import nifti
from featprobe.images.decoded_image import FrameRecipe, ImageHeader
from featprobe.images.masks import array_shape

# by which a written PNG is seen; ColorBrewer's Set1 after black (Harrower, Brewer 2003)
PALETTE = (
    (0, 0, 0), (228, 26, 28), (55, 126, 184), (77, 175, 74), (152, 78, 163), (255, 127, 0),
    (255, 255, 51), (166, 86, 40), (247, 129, 191), (153, 153, 153),
)  # fmt: skip


def write_mask(
    stem: Path, values: np.ndarray, header: ImageHeader, image: Path | None = None,
    classes: Sequence[str] = (),
) -> list[Path]:  # fmt: skip
    """Write class indices on the grid of an image; the files.

    ``stem``: path without suffix. ``values``: integers of the shape of the image's array, or bool
    (K, shape) of a multi-label mask, each class a file ``stem_CLASS`` then. A volume becomes
    ``.nii.gz``; with ``image``, its NIfTI file, sform, qform and units are the image's bit for bit.
    A picture becomes a PNG whose palette shows the classes and whose indices are they, as EXIF
    turns it; a stack of frames a TIFF. Raises :class:`InputError` for values of another shape.
    """
    if values.ndim == 4:
        names = classes or [str(k) for k in range(len(values))]
        return [
            path
            for name, part in zip(names, values)
            for path in write_mask(
                stem.with_name(f"{stem.name}_{_plain(name)}"), part.astype(np.uint8), header, image
            )
        ]
    _check(values.shape, header)
    labels = values.astype(np.uint8 if values.max(initial=0) < 256 else np.uint16)
    stem.parent.mkdir(parents=True, exist_ok=True)
    if header.affine is not None:
        path = stem.with_name(stem.name + ".nii.gz")
        _nifti(path, labels, header, image)
    elif len(labels) == 1:
        path = stem.with_name(stem.name + ".png")
        picture = Image.fromarray(labels[0])
        if labels.dtype == np.uint8:
            picture = Image.fromarray(labels[0], "P")
            picture.putpalette(
                [c for k in range(256) for c in PALETTE[k % len(PALETTE) if k else 0]]
            )
        picture.save(path)
    else:
        import tifffile

        path = stem.with_name(stem.name + ".tif")
        tifffile.imwrite(path, labels, photometric="minisblack", compression="zlib")
    return [path]


def write_probabilities(
    stem: Path, values: np.ndarray, header: ImageHeader, image: Path | None = None,
    classes: Sequence[str] = (),
) -> Path:  # fmt: skip
    """Write (C, shape) probabilities as float32: NIfTI (X, Y, Z, C) of a volume, else npz.

    The npz holds ``probabilities`` (C, F, H, W) and ``classes``. All else is as of
    :func:`write_mask`.
    """
    _check(values.shape[1:], header)
    stem.parent.mkdir(parents=True, exist_ok=True)
    values = values.astype(np.float32)
    if header.affine is not None:
        path = stem.with_name(stem.name + ".nii.gz")
        _nifti(path, np.moveaxis(values, 0, -1), header, image)
        return path
    path = stem.with_name(stem.name + ".npz")
    np.savez_compressed(path, probabilities=values, classes=np.array(classes, dtype=np.str_))
    return path


def _nifti(path: Path, values: np.ndarray, header: ImageHeader, image: Path | None) -> None:
    import nibabel

    own: Any = None
    if image is not None and image.name.lower().endswith((".nii", ".nii.gz")):
        own = nifti.opened(image, FrameRecipe(channel=0))
    if own is None:
        made: Any = nibabel.Nifti1Image(values, header.affine)
    else:
        kind = nibabel.Nifti2Image if own.header["sizeof_hdr"] == 540 else nibabel.Nifti1Image
        head = own.header.copy()
        head.set_data_dtype(values.dtype)
        head.set_slope_inter(1, 0)
        head["cal_min"] = head["cal_max"] = 0
        made = kind(values, None, head)  # without an affine nibabel leaves sform and qform alone
    nibabel.save(made, path)


def _check(shape: tuple[int, ...], header: ImageHeader) -> None:
    if tuple(shape) != array_shape(header):
        raise InputError(f"a mask of shape {tuple(shape)} on an image of {array_shape(header)}")


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-." else "_" for c in name)
