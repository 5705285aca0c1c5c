"""Volumes to frames in the radiological view, with geometry kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from featprobe.core.errors import UnreadableItem
from featprobe.images.limits import max_pixels

# For each plane: (world axis, direction) of image columns, rows and frames, in RAS axes 0, 1, 2.
# Axial frames rise from the feet and show the patient's right on the left, anterior on top.
VIEWS = {
    "axial": ((0, -1), (1, -1), (2, +1)),
    "coronal": ((0, -1), (2, -1), (1, -1)),
    "sagittal": ((1, -1), (2, -1), (0, -1)),
}
_ACROSS = {0: "sagittal", 1: "coronal", 2: "axial"}


def world_axes(affine: np.ndarray) -> list[int]:
    """For each array axis, the world axis it runs along most closely (each used once)."""
    cosines = np.abs(affine[:3, :3]) / np.maximum(np.linalg.norm(affine[:3, :3], axis=0), 1e-12)
    axes = [-1, -1, -1]
    for _ in range(3):  # the best match first, so that oblique volumes still get three axes
        world, axis = np.unravel_index(np.argmax(cosines), (3, 3))
        axes[int(axis)] = int(world)
        cosines[world, :] = -1
        cosines[:, axis] = -1
    return axes


def choose_plane(affine: np.ndarray, plane: str = "auto") -> str:
    """The plane to cut: the one asked for, or the plane of acquisition for ``auto``."""
    if plane != "auto":
        return plane
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    coarse = int(np.argmax(spacing))
    if spacing[coarse] >= 1.5 * np.delete(spacing, coarse).max():
        return _ACROSS[world_axes(affine)[coarse]]
    return "axial"


def frame_count(shape: tuple[int, ...], affine: np.ndarray, plane: str = "auto") -> int:
    """Frames that :func:`as_frames` will return for a volume of this shape."""
    across = VIEWS[choose_plane(affine, plane)][2][0]
    return int(shape[world_axes(affine).index(across)])


def orientation(affine: np.ndarray, plane: str = "auto") -> tuple[list[int], list[int]]:
    """The array axes that become columns, rows and frames, and the direction (1, -1) of each."""
    axes = world_axes(affine)
    order, signs = [], []
    for world, direction in VIEWS[choose_plane(affine, plane)]:
        axis = axes.index(world)
        order.append(axis)
        signs.append(direction * (1 if affine[world, axis] >= 0 else -1))
    return order, signs


def as_frames(
    volume: np.ndarray, affine: np.ndarray, plane: str = "auto"
) -> tuple[np.ndarray, np.ndarray]:
    """Cut a volume (X, Y, Z[, 3]) with its RAS affine (4, 4) into frames (F, H, W[, 3]).

    Axes are permuted and flipped to the nearest anatomical ones; nothing is resampled. Returns
    the frames and the affine that maps (column, row, frame, 1) to RAS millimetres.
    """
    order, signs = orientation(affine, plane)
    move = np.zeros((4, 4))
    move[3, 3] = 1
    for new, (axis, sign) in enumerate(zip(order, signs)):
        move[axis, new] = sign
        move[axis, 3] = 0 if sign > 0 else volume.shape[axis] - 1
    columns_rows_frames = volume.transpose(order + list(range(3, volume.ndim)))
    flipped = columns_rows_frames[tuple(slice(None, None, s) for s in signs)]
    frames = flipped.transpose([2, 1, 0] + list(range(3, volume.ndim)))
    return np.ascontiguousarray(frames), affine @ move


def oblique(affine: np.ndarray) -> tuple[str, ...]:
    """A note with the angle when an axis is more than a degree off the nearest anatomical one."""
    cosines = np.abs(affine[:3, :3]) / np.maximum(np.linalg.norm(affine[:3, :3], axis=0), 1e-12)
    least = min(cosines[world, axis] for axis, world in enumerate(world_axes(affine)))
    angle = float(np.degrees(np.arccos(min(1.0, least))))
    if angle <= 1:
        return ()
    return (f"oblique: {angle:.1f} degrees off the nearest anatomical axes, cut along its own",)


def resampled_grid(
    shape: tuple[int, ...], affine: np.ndarray, spacing: Sequence[float]
) -> tuple[tuple[int, int, int], np.ndarray]:
    """Shape and affine of a volume (X, Y, Z) resampled to ``spacing``.

    ``spacing``: millimetres along the axes nearest to left-right, back-front and foot-head; 0
    leaves one as it is. The new grid has the spacing exactly and the centre of the old one; each
    axis has ``round(n * old / new)`` voxels, at least one.
    """
    old = np.linalg.norm(affine[:3, :3], axis=0)
    wanted = np.array([spacing[world] for world in world_axes(affine)])
    ratio = np.where((wanted > 0) & (old > 0), wanted / np.maximum(old, 1e-12), 1.0)
    n = np.array(shape[:3])
    size = np.maximum(1, np.floor(n / ratio + 0.5))
    if size.prod() > max_pixels():
        raise UnreadableItem(
            f"{' x '.join(f'{v:.0f}' for v in size)} voxels after resampling are over the limit "
            f"of {max_pixels()}; use a larger spacing or set FEATPROBE_MAX_PIXELS to allow it"
        )
    new = size.astype(np.int64)
    move = np.diag([*ratio, 1.0])
    move[:3, 3] = (n - 1) / 2 - ratio * (new - 1) / 2
    return (int(new[0]), int(new[1]), int(new[2])), affine @ move


def resample(
    volume: np.ndarray, affine: np.ndarray, spacing: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Linear interpolation of a volume (X, Y, Z[, 3]) onto :func:`resampled_grid`.

    Along an axis that becomes coarser the triangle widens with the new voxel, so nothing aliases.
    Beyond the outermost voxel centres the outermost value holds. Integers are rounded and keep
    their dtype.
    """
    shape, new_affine = resampled_grid(volume.shape, affine, spacing)
    ratios = np.linalg.norm(new_affine[:3, :3], axis=0) / np.maximum(
        np.linalg.norm(affine[:3, :3], axis=0), 1e-12
    )
    out = volume
    for axis, (n, ratio) in enumerate(zip(shape, ratios)):
        if n != volume.shape[axis] or not np.isclose(ratio, 1, rtol=1e-6):
            out = _along(out, axis, n, float(ratio))
    if out is not volume and volume.dtype.kind in "iu":
        out = np.rint(out)
    return out.astype(volume.dtype, copy=False), new_affine


def _along(volume: np.ndarray, axis: int, n: int, ratio: float) -> np.ndarray:
    """n samples along one axis, ``ratio`` old voxels apart and centred, as float32."""
    from scipy import sparse

    old = volume.shape[axis]
    width = max(1.0, ratio)
    at = (old - 1) / 2 + ratio * (np.arange(n) - (n - 1) / 2)
    reach = int(np.ceil(width))
    near = np.floor(at).astype(int)[:, None] + np.arange(-reach, reach + 2)
    weight = np.maximum(0.0, 1 - np.abs(near - at[:, None]) / width)
    weight /= weight.sum(1, keepdims=True)
    rows = np.repeat(np.arange(n), near.shape[1])
    columns = np.clip(near, 0, old - 1).ravel()
    matrix = sparse.csr_array((weight.ravel().astype(np.float32), (rows, columns)), shape=(n, old))
    front = np.moveaxis(volume, axis, 0)
    flat = matrix @ front.reshape(old, -1).astype(np.float32)
    return np.moveaxis(flat.reshape(n, *front.shape[1:]), 0, axis)
