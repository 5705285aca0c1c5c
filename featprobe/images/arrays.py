"""Arrays in npy, npz, HDF5 and MATLAB files: one image, or one stack of frames, a file.

Axes: (H, W), (H, W, 3), (F, H, W) or (F, H, W, 3). A last axis of three or four is colour, its
fourth channel (alpha) dropped; a last axis of one is dropped. MATLAB's frames lie on its last axis:
(H, W, F), (H, W, 3, F). A file of several arrays needs the recipe's ``key``: a name, or a path such
as ``cjdata/image`` into HDF5 groups and MATLAB structs (a struct of a MATLAB file before 7.3 is
decoded at planning).
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from featprobe.core.errors import UnreadableItem, nearest
from featprobe.core.opening import reading
from featprobe.images.decoded_image import DecodedImage, FrameRecipe, ImageHeader, finite, smallest
from featprobe.images.limits import check_pixels, check_stored

SUFFIXES = (".npy", ".npz", ".h5", ".hdf5", ".mat")


@dataclass(frozen=True)
class _Stored:
    """An array in a file, not read yet: its ``shape`` as :class:`DecodedImage` orders axes."""

    shape: tuple[int, ...]
    read: Callable[[], np.ndarray]


def extent(path: Path, recipe: FrameRecipe) -> ImageHeader:
    """Number and size of the frames, from the header only."""
    with _stored(path, recipe) as stored:
        frames, height, width = stack_shape(path, stored.shape)
        return ImageHeader((width, height, frames))


def load(path: Path, recipe: FrameRecipe) -> DecodedImage:
    """Read the array as frames, in the smallest dtype that holds its values."""
    with _stored(path, recipe) as stored:
        stack_shape(path, stored.shape)  # before reading: it refuses what is no image
        return as_decoded_image(path, stored.read())


def as_decoded_image(path: Path, array: np.ndarray) -> DecodedImage:
    """An array with axes as in a file, as frames."""
    shape = stack_shape(path, array.shape)
    color = array.shape[-1] in (3, 4) and array.ndim > 2
    array = smallest(array.astype(array.dtype.newbyteorder("="), copy=False))
    array, notes = finite(array, path.name)
    array = array[..., :3].reshape(*shape, 3) if color else array.reshape(shape)
    return DecodedImage(array, notes=notes)


def stack_shape(path: Path, shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(frames, height, width) of an array; :class:`UnreadableItem` when it is no image."""
    kept = shape[:-1] if len(shape) > 2 and shape[-1] == 1 else shape
    if len(kept) > 2 and kept[-1] in (3, 4):
        kept = kept[:-1]
    if len(kept) not in (2, 3) or 0 in kept:
        raise UnreadableItem(
            f"{path}: an array of shape {shape} is neither (H, W), (H, W, 3), (F, H, W) nor "
            "(F, H, W, 3)"
        )
    frames, height, width = kept if len(kept) == 3 else (1, *kept)
    check_pixels(path, frames, height, width)
    return frames, height, width


@contextmanager
def _stored(path: Path, recipe: FrameRecipe) -> Iterator[_Stored]:
    name = path.name.lower()
    if name.endswith(".npy"):
        with reading(path) as f:
            yield _npy(path, f)
    elif name.endswith(".npz"):
        with reading(path) as f, zipfile.ZipFile(f) as archive:
            yield _npz(path, archive, recipe.key)
    elif name.endswith(".mat") and not _is_hdf5(path):
        with reading(path) as f:
            yield _mat(path, f, recipe.key)
    else:
        import h5py

        with h5py.File(path, "r") as file:
            yield _hdf5(path, file, recipe.key, matlab=name.endswith(".mat"))


def _npy(path: Path, file: IO[bytes]) -> _Stored:
    shape, needed = _npy_header(path, file)
    check_stored(path, needed)

    def read() -> np.ndarray:
        file.seek(0)
        return np.asarray(np.lib.format.read_array(file, allow_pickle=False))

    return _Stored(shape, read)


def _npy_header(path: Path, file: IO[bytes]) -> tuple[tuple[int, ...], int]:
    """The shape of an array in numpy's format, and how many bytes its values have."""
    version = np.lib.format.read_magic(file)
    header = {(1, 0): np.lib.format.read_array_header_1_0}.get(
        version, np.lib.format.read_array_header_2_0
    )
    shape, _, dtype = header(file)
    if dtype.hasobject:
        raise UnreadableItem(f"{path}: it holds Python objects, not pixels")
    return tuple(shape), math.prod(shape) * dtype.itemsize


def _npz(path: Path, archive: zipfile.ZipFile, key: str | None) -> _Stored:
    names = [n.removesuffix(".npy") for n in archive.namelist()]
    member = _pick(path, key, names) + ".npy"
    info = archive.getinfo(member)
    with archive.open(member) as f:
        shape, needed = _npy_header(path, f)
    if needed > info.file_size:
        raise UnreadableItem(f"{path}: {member} is damaged or cut short")
    check_stored(path, needed, deflated=True)

    def read() -> np.ndarray:
        with archive.open(member) as f:
            return np.lib.format.read_array(f, allow_pickle=False)

    return _Stored(shape, read)


def _is_hdf5(path: Path) -> bool:
    """Whether the signature of HDF5 stands where its superblock may be (format 3.0, II.A)."""
    with reading(path) as f:
        for at in (0, 512, 1024, 2048):
            f.seek(at)
            if f.read(8) == b"\x89HDF\r\n\x1a\n":
                return True
    return False


def _hdf5(path: Path, file: Any, key: str | None, matlab: bool) -> _Stored:
    import h5py

    names: list[str] = []

    def visit(name: str, node: Any) -> None:
        image = isinstance(node, h5py.Dataset) and node.dtype.kind in "biuf"
        if image and sum(n > 1 for n in node.shape) > 1 and not name.startswith("#"):
            names.append(name)

    file.visititems(visit)
    data = file[_pick(path, key, names)]
    if data.external:
        raise UnreadableItem(f"{path}: {data.name} keeps its values in other files: not read")
    if matlab:  # MATLAB writes its arrays column by column: axes are reversed
        shape, order = _matlab_order(data.shape[::-1])
        return _Stored(shape, lambda: data[()].T.transpose(order))
    return _Stored(data.shape, lambda: data[()])


def _mat(path: Path, file: IO[bytes], key: str | None) -> _Stored:
    import scipy.io

    file.seek(0)
    shapes = {n: s for n, s, kind in scipy.io.whosmat(file) if kind not in ("char", "cell")}
    check_stored(path, max((math.prod(s) for s in shapes.values()), default=0), deflated=True)
    images = [n for n, s in shapes.items() if sum(k > 1 for k in s) > 1]
    if key is None or "/" not in key:
        name = _pick(path, key, images)
        shape, order = _matlab_order(shapes[name])
        return _Stored(shape, lambda: _variable(file, name).transpose(order))
    first, *fields = key.split("/")
    value = _variable(file, _pick(path, first, list(shapes)))
    for field in fields:
        if not value.dtype.names or value.size != 1:
            raise UnreadableItem(f"{path}: {first!r} is no struct with a field {field!r}")
        value = value[_pick(path, field, list(value.dtype.names))].item()
    shape, order = _matlab_order(value.shape)
    return _Stored(shape, lambda: value.transpose(order))


def _variable(file: IO[bytes], name: str) -> np.ndarray:
    import scipy.io

    file.seek(0)
    return np.asarray(scipy.io.loadmat(file, variable_names=[name])[name])


def _matlab_order(shape: tuple[int, ...]) -> tuple[tuple[int, ...], list[int]]:
    """The shape with frames first, and the transposition that gives it."""
    order = list(range(len(shape)))
    if len(shape) == 4 or (len(shape) == 3 and shape[2] not in (1, 3, 4)):
        order = [order[-1], *order[:-1]]
    return tuple(int(shape[k]) for k in order), order


def _pick(path: Path, key: str | None, names: Sequence[str]) -> str:
    """The key asked for, or the only one there is."""
    if key is None and len(names) == 1:
        return names[0]
    listed = ", ".join(sorted(names)[:12]) or "none"
    if key is None:
        raise UnreadableItem(
            f"{path}: {len(names)} arrays that may be images ({listed}); choose one with --key"
        )
    if key.strip("/") not in names:
        raise UnreadableItem(f"{path}: no array {key!r}.{nearest(key, names)} It has: {listed}")
    return key.strip("/")
