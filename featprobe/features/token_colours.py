"""Tokens as colours: principal components of several images together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from featprobe.core.errors import InputError


def pca_colours(
    tokens: Sequence[np.ndarray], foreground: float | None = 0.5
) -> tuple[list[np.ndarray], float]:
    """Tokens (h, w, D) of several images as colours (h, w, 3) in [0, 1], NaN for background.

    One PCA over all images, so that the same colour is the same direction (as Oquab et al., DINOv2,
    arXiv 2304.07193, show patch features): the first component of all tokens, scaled to 0 to 1,
    parts foreground, above the threshold ``foreground``, from background; the next PCA is of the
    foreground alone, and its first three components, each scaled to 0 to 1 over it, are red, green
    and blue. Foreground is the side of which there is less at the borders of images. None: all is
    foreground.

    Also returned: the share of the variance of what is coloured that the three components keep.
    Raises :class:`InputError` for tokens of fewer than three values, and where a threshold leaves
    fewer than four tokens.
    """
    width = tokens[0].shape[-1]
    if width < 3:
        raise InputError(f"tokens of {width} values have no three components to be colours")
    rows = np.concatenate([t.reshape(-1, width) for t in tokens]).astype(np.float64)
    inside = np.ones(len(rows), bool)
    if foreground is not None:
        first = _scaled(_components(rows, 1)[0])[:, 0]
        inside = first > foreground
        borders = np.concatenate([_border(t.shape[:2]).ravel() for t in tokens])
        if inside[borders].mean() > inside[~borders].mean() if (~borders).any() else False:
            inside = first < 1 - foreground
    if inside.sum() < 4:
        raise InputError(
            f"foreground {foreground}: {int(inside.sum())} of {len(rows)} tokens are above it; "
            "take a lower threshold, or none"
        )
    scores, kept = _components(rows[inside], 3)
    out = np.full((len(rows), 3), np.nan)
    out[inside] = _scaled(scores)
    ends = np.cumsum([t.shape[0] * t.shape[1] for t in tokens])[:-1]
    parts = np.split(out, ends)
    return [p.reshape(*t.shape[:2], 3) for p, t in zip(parts, tokens)], kept


def _components(rows: np.ndarray, n: int) -> tuple[np.ndarray, float]:
    """Scores (N, n) on principal components, and the share of the variance they keep."""
    centred = rows - rows.mean(0)
    values, vectors = np.linalg.eigh(centred.T @ centred)
    kept = vectors[:, ::-1][:, :n]
    kept = kept * np.where(kept[np.abs(kept).argmax(0), np.arange(n)] < 0, -1, 1)
    whole = max(float(values.sum()), np.finfo(float).tiny)
    return centred @ kept, float(values[::-1][:n].sum()) / whole


def _scaled(scores: np.ndarray) -> np.ndarray:
    low, high = scores.min(0), scores.max(0)
    return np.asarray((scores - low) / np.where(high > low, high - low, 1))


def _border(shape: tuple[int, ...]) -> np.ndarray:
    out = np.ones(shape, bool)
    out[1:-1, 1:-1] = False
    return out
