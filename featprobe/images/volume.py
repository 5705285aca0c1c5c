"""Volumes to frames in the radiological view, with geometry kept."""

from __future__ import annotations

import numpy as np

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


def as_frames(
    volume: np.ndarray, affine: np.ndarray, plane: str = "auto"
) -> tuple[np.ndarray, np.ndarray]:
    """Cut a volume (X, Y, Z[, 3]) with its RAS affine (4, 4) into frames (F, H, W[, 3]).

    Axes are permuted and flipped to the nearest anatomical ones; nothing is resampled. Returns
    the frames and the affine that maps (column, row, frame, 1) to RAS millimetres.
    """
    axes = world_axes(affine)
    order, signs = [], []
    for world, direction in VIEWS[choose_plane(affine, plane)]:
        axis = axes.index(world)
        order.append(axis)
        signs.append(direction * (1 if affine[world, axis] >= 0 else -1))
    move = np.zeros((4, 4))
    move[3, 3] = 1
    for new, (axis, sign) in enumerate(zip(order, signs)):
        move[axis, new] = sign
        move[axis, 3] = 0 if sign > 0 else volume.shape[axis] - 1
    columns_rows_frames = volume.transpose(order + list(range(3, volume.ndim)))
    flipped = columns_rows_frames[tuple(slice(None, None, s) for s in signs)]
    frames = flipped.transpose([2, 1, 0] + list(range(3, volume.ndim)))
    return np.ascontiguousarray(frames), affine @ move
