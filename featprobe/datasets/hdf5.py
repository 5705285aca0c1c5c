"""HDF5 arrays: items that are rows of ``x``, labels in ``y``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from featprobe.core.errors import InputError, reason
from featprobe.core.file_index import FileIndex
from featprobe.datasets.base import ArraySource, Dataset, Progress
from featprobe.datasets.targets import add_array
from featprobe.images.decoded_image import FrameRecipe

X_NAMES, Y_NAMES = ("x", "images", "image", "data"), ("y", "labels", "label", "target")


def row_digests(
    files: Sequence[tuple[Path, int]], memory: Path | None, progress: Progress | None = None
) -> list[str]:
    """A digest a row of files of so many rows: that of the file, remembered, and the number."""
    whole = FileIndex(memory).digests(p for p, _ in files)
    out = [f"{d}:{i}" for d, (_, n) in zip(whole, files) for i in range(n)]
    if progress:
        progress(len(out))
    return out


@dataclass(frozen=True)
class H5Source(ArraySource):
    """Items that are rows of open HDF5 arrays, read one at a time; ``files`` hold them."""

    files: Sequence[Path] = ()
    memory: Path | None = None

    def contents(self, progress: Progress | None = None) -> list[str]:
        sizes = [(p, len(a)) for p, a in zip(self.files, self.arrays)]
        return row_digests(sizes, self.memory, progress)


def open_arrays(path: Path) -> dict[str, Any]:
    """The arrays at the top of an HDF5 file, left on disk; :class:`InputError` when it is none."""
    import h5py

    try:
        f = h5py.File(path, "r", rdcc_nbytes=64 << 20)
    except OSError as error:
        raise InputError(f"{path}: not a readable HDF5 file: {reason(error)}") from None
    return {k: v for k, v in f.items() if isinstance(v, h5py.Dataset)}


def load_h5(path: Path, name: str, recipe: FrameRecipe, memory: Path | None = None) -> Dataset:
    """An HDF5 file with images ``x`` (n, H, W[, 3]) or (n, F, H, W), labels ``y`` (n,) or (n, C).

    ``x`` may be called images or data, ``y`` labels or target; without ``y`` there are no labels.
    """
    arrays = open_arrays(path)
    x = next((arrays[k] for k in X_NAMES if k in arrays), None)
    y = next((arrays[k] for k in Y_NAMES if k in arrays), None)
    if x is None or x.ndim not in (3, 4):
        have = ", ".join(f"{k} {v.shape}" for k, v in arrays.items()) or "nothing"
        raise InputError(
            f"{path}: no images: an array 'x' of shape (n, H, W), (n, H, W, 3) or (n, F, H, W) is "
            f"expected, the file has {have}"
        )
    data = Dataset(
        name=name, ids=np.array([f"{i:06d}" for i in range(len(x))]), recipe=recipe,
        source=H5Source([x], [path], memory),
    )  # fmt: skip
    if y is not None:
        if len(y) != len(x):
            raise InputError(f"{path}: {len(x)} images and {len(y)} labels")
        add_array(data, np.asarray(y), path)
    return data
