"""What a segmentation of one item reached, in the voxels of its image."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from featprobe.images.grids import VOID
from featprobe.metrics.segmentation import FIELDS


def mask_scores(
    predicted: np.ndarray, truth: np.ndarray, spacing: Sequence[float] | None, classes: int,
    surfaces: bool = True,
) -> np.ndarray:  # fmt: skip
    """(C, 8) the :data:`~featprobe.metrics.segmentation.FIELDS` of each class without background.

    ``predicted``, ``truth``: labels (X, Y, Z) of which 0 is background, C = ``classes`` - 1; or
    bool (C, X, Y, Z) of multi-label masks, C = ``classes``. Voxels of ``truth`` that are 255 take
    no part: they are background in both. ``spacing``: of the axes in mm; None: distances are in
    voxels. An axis of one voxel has no surface of its own. Without ``surfaces`` both distances are
    NaN, which is much faster.

    Dice, IoU; ``hd95``: the larger of the 95th percentiles of the distances from each surface to
    the other, ``asd``: the mean of all these distances, surfaces being the voxels of a mask with a
    face to what is not of it (as MONAI's ``compute_hausdorff_distance`` and symmetric
    ``compute_average_surface_distance`` have it); ``volume_error``: | predicted - truth | / truth.
    Truth and answer both empty: nothing is defined (NaN) but the counts. One of them empty: Dice
    and IoU 0, both distances the diagonal of the image, so that saying nothing is never better
    than saying something wrong; the volume error of an empty truth is not defined.
    """
    shape = truth.shape[-3:]
    step = np.ones(3) if spacing is None else np.asarray(spacing, dtype=float)
    diagonal = float(np.linalg.norm(np.array(shape) * step))
    kept = [k for k in range(3) if shape[k] > 1] or [0, 1]
    if len(kept) == 1:
        kept = sorted({*kept, 0 if kept[0] != 0 else 1})
    inner = tuple(shape[k] for k in kept)
    out = np.empty((classes if truth.ndim == 4 else classes - 1, len(FIELDS)))
    for c in range(len(out)):
        if truth.ndim == 4:
            known = truth[c] != VOID if truth.dtype != bool else np.ones(shape, bool)
            a, b = (predicted[c] != 0) & known, (truth[c] == 1) & known
        else:
            known = truth != VOID
            a, b = (predicted == c + 1) & known, truth == c + 1
        out[c] = _one(a.reshape(inner), b.reshape(inner), step[kept], diagonal, surfaces)
    return out


def _one(
    a: np.ndarray, b: np.ndarray, step: np.ndarray, diagonal: float, surfaces: bool
) -> list[float]:
    tp, text, true = (int(np.count_nonzero(x)) for x in (a & b, a, b))
    counts = [float(tp), float(text - tp), float(true - tp)]
    if not text and not true:
        return [math.nan] * 5 + counts
    dice, iou = 2 * tp / (text + true), tp / (text + true - tp)
    if not text or not true:
        return [dice, iou, diagonal, diagonal, 1.0 if true else math.nan, *counts]
    hd95, asd = _distances(a, b, step) if surfaces else (math.nan, math.nan)
    return [dice, iou, hd95, asd, abs(text - true) / true, *counts]


def _distances(a: np.ndarray, b: np.ndarray, step: np.ndarray) -> tuple[float, float]:
    """HD95 and average symmetric surface distance of two masks that are not empty."""
    from scipy import ndimage

    found = np.argwhere(a | b)
    box = tuple(slice(int(low), int(high) + 1) for low, high in zip(found.min(0), found.max(0)))
    surfaces = [x & ~ndimage.binary_erosion(x) for x in (a[box], b[box])]
    far = [ndimage.distance_transform_edt(~s, sampling=step) for s in surfaces]
    there, back = far[1][surfaces[0]], far[0][surfaces[1]]
    hd95 = max(np.percentile(there, 95), np.percentile(back, 95))
    return float(hd95), float(np.concatenate([there, back]).mean())
