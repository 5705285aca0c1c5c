"""NIfTI files through nibabel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from featprobe.errors import UnreadableItem
from featprobe.images.picture import Picture, finite
from featprobe.images.volume import as_frames, frame_count

SUFFIXES = (".nii", ".nii.gz")


def count_frames(path: Path, plane: str = "auto") -> int:
    """Number of frames, from the header only."""
    import nibabel

    image: Any = nibabel.load(path)
    return frame_count(_three(path, image.shape), np.asarray(image.affine), plane)


def read(path: Path, plane: str = "auto") -> Picture:
    """Read a volume, scaled by its slope and intercept, cut into frames.

    Integer values stay integers where the header does not scale them; otherwise float32. NaN and
    infinities become the lowest finite value, with a note.
    """
    import nibabel

    image: Any = nibabel.load(path)
    shape = _three(path, image.shape)
    proxy = image.dataobj
    if proxy.slope == 1 and proxy.inter == 0 and proxy.dtype.kind in "iu":
        array = np.asarray(proxy.get_unscaled())
        array = array.astype(array.dtype.newbyteorder("="))
        if array.dtype not in (np.uint8, np.int16, np.uint16, np.int32):
            array = array.astype(np.int16 if array.dtype == np.int8 else np.float32)
    else:
        array = np.asarray(proxy).astype(np.float32)
    array, notes = finite(array.reshape(shape), path.name)
    frames, affine = as_frames(array, np.asarray(image.affine), plane)
    return Picture(frames, affine=affine, notes=notes)


def _three(path: Path, shape: tuple[int, ...]) -> tuple[int, int, int]:
    """The spatial shape: trailing axes of length one are dropped, a missing one is added."""
    kept = list(shape)
    while len(kept) > 3 and kept[-1] == 1:
        kept.pop()
    kept += [1] * (3 - len(kept))
    if len(kept) != 3 or 0 in kept:
        raise UnreadableItem(f"{path}: a volume of shape {tuple(shape)}; 2 or 3 axes are read")
    return kept[0], kept[1], kept[2]
