"""How well labels on a grid can match a mask at all: what a token grid leaves of Dice."""

from __future__ import annotations

import numpy as np

from featprobe.core.errors import InputError
from featprobe.images.grids import VOID, Cut, FrameGrid, among, nearest

_ROUNDS = 50
_SLIVER = 1e-4  # of a cell, below which it is beyond the image


def best_labels(
    grid: FrameGrid, values: np.ndarray, size: tuple[int, int] | None = None, classes: int = 2
) -> tuple[np.ndarray, np.ndarray]:
    """The labels (F, h, w) of a grid of ``size`` that match a mask best, and their Dice (classes,).

    Every voxel takes the label of the nearest cell of the nearest frame, as of
    :meth:`FrameGrid.to_voxels`, and the mean Dice of the classes 1, 2, ... that occur is the
    greatest that any labels of the cells reach: with one class exactly, as a cell belongs to it
    where its share of the class is above half of the Dice (Dinkelbach's method for a ratio of sums,
    Management Science 13, 1967); with several, a maximum that no exchange of all cells at once
    betters. A cell without a voxel has the label at its centre. Void takes no part. Dice is NaN of
    a class that does not occur. ``values``: (shape). Raises :class:`InputError` for frames of
    several planes, whose cells overlap.
    """
    if len(grid.cuts) > 1:
        raise InputError("the best labels are of frames of one plane")
    cut = grid.cuts[0]
    h, w = size or grid.size
    cell = _cells(cut, grid.shape, (h, w))
    stack = values.transpose(cut.frames.axis, cut.rows.axis, cut.columns.axis)
    known = stack != VOID
    n = len(cut.taken) * h * w
    total = np.bincount(stack[known], minlength=classes).astype(float)[:classes]
    inside = known & (cell >= 0)
    there = np.bincount(cell[inside] * classes + stack[inside], minlength=n * classes)
    there = there.reshape(n, classes).astype(float)
    labels = _maximised(there, total)
    held = there.sum(1)
    dice = _dice(there, held, total, labels)
    own = grid.to_frames(np.where(values == VOID, 0, values), (h, w))
    return np.where((held == 0).reshape(own.shape), own, labels.reshape(own.shape)), dice


def occupancy(
    grid: FrameGrid, values: np.ndarray, size: tuple[int, int], classes: int
) -> np.ndarray:
    """The share of each class in each cell (F, classes, h, w) float32 of a grid over the input.

    By the area of pixels under a cell, of that part of it that is image and not void; a cell beyond
    the image, and one that is void, is class 0.
    """
    out = []
    for cut in grid.cuts:
        stack = values.transpose(cut.frames.axis, cut.rows.axis, cut.columns.axis)
        frames = stack[nearest(cut.frames.line(cut.taken), len(stack))]
        rows, columns = (
            _overlap(cut, k, cells, stack.shape[k + 1]) for k, cells in enumerate(size)
        )
        shares = np.stack(
            [rows @ (frames == k).astype(np.float32) @ columns.T for k in range(classes)], 1
        )
        whole = shares.sum(1, keepdims=True)
        shares[:, :1] += whole < _SLIVER
        out.append(shares / shares.sum(1, keepdims=True))
    return np.concatenate(out)


def _overlap(cut: Cut, which: int, cells: int, n: int) -> np.ndarray:
    """(cells, n): the part of each cell that each voxel along rows (0) or columns (1) fills."""
    axis = (cut.rows, cut.columns)[which]
    line = (cut.view.rows, cut.view.columns)[which]
    length = cut.view.size[which]
    edges = axis.line(line(np.arange(cells + 1) * length / cells - 0.5))
    low, high = np.minimum(edges[:-1], edges[1:]), np.maximum(edges[:-1], edges[1:])
    voxels = np.arange(n)
    part = np.minimum(high[:, None], voxels + 0.5) - np.maximum(low[:, None], voxels - 0.5)
    return (np.maximum(part, 0) / (high - low)[:, None]).astype(np.float32)


def _cells(cut: Cut, shape: tuple[int, int, int], size: tuple[int, int]) -> np.ndarray:
    """(slices, rows, columns) the cell of each voxel, -1 of what is not seen."""
    low, high, weight = among(cut, shape[cut.frames.axis])
    parts = [np.where(weight < 0.5, low, high)]
    for places, n in zip(cut.places(size, shape), size):
        known = ~np.isnan(places)
        parts.append(np.where(known, nearest(np.where(known, places, 0), n), -1))
    frame, row, column = parts[0][:, None, None], parts[1][:, None], parts[2]
    cell = (frame * size[0] + row) * size[1] + column
    return np.where((frame >= 0) & (row >= 0) & (column >= 0), cell, -1)


def _dice(there: np.ndarray, held: np.ndarray, total: np.ndarray, labels: np.ndarray) -> np.ndarray:
    k = len(total)
    right = np.bincount(labels, there[np.arange(len(labels)), labels], k)
    size = np.bincount(labels, held, k)
    with np.errstate(invalid="ignore"):
        return np.where(total > 0, 2 * right / (total + size), np.nan)


def _maximised(there: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Labels of cells by gain: what a cell adds to the Dice of its class at the Dice reached."""
    held = there.sum(1)
    best, most = np.zeros(len(held), np.int64), -1.0
    dice: np.ndarray = np.zeros(len(total))
    size: np.ndarray = np.zeros(len(total))
    for _ in range(_ROUNDS):
        gain = (2 * there - dice * held[:, None]) / np.maximum(total + size, 1)
        gain[:, 0] = 0
        gain[:, total == 0] = np.minimum(gain[:, total == 0], 0)
        labels = gain.argmax(1)
        found = np.nan_to_num(_dice(there, held, total, labels))
        mean = float(found[1:].sum())
        if mean > most:
            best, most = labels, mean
        new = np.bincount(labels, held, len(total))
        if np.array_equal(new, size) and np.allclose(found, dice, atol=0):
            break
        dice, size = found, new
    return best
