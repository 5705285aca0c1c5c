"""Features in the basis in which their covariance is diagonal."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from featprobe.solvers.symmetric import eigh

SURE = 1e-8  # eigenvalues above this part of the largest are not blurred by rounding of the matrix
BLOCK = 8192  # rows in float64 at a time


@dataclass(frozen=True)
class Axes:
    """Orthonormal principal axes (D, r): ``matrix``, or ``samples.T @ matrix`` where ``samples``
    (n, D), fewer than D, span them; this product is only made for who wants the axes themselves.
    """

    matrix: np.ndarray
    samples: np.ndarray | None = None

    def whole(self) -> np.ndarray:
        """(D, r)."""
        return self.matrix if self.samples is None else self.samples.T @ self.matrix

    def back(self, w: np.ndarray) -> np.ndarray:
        """Coefficients of the features (..., D) of coefficients (..., r) along the axes."""
        rows = w.reshape(prod(w.shape[:-1]), w.shape[-1])  # one product
        if self.samples is None or len(rows) > len(self.samples):
            coef = rows @ self.whole().T
        else:
            coef = (rows @ self.matrix.T) @ self.samples
        return coef.reshape(*w.shape[:-1], coef.shape[1])


@dataclass(frozen=True)
class Eigenbasis:
    """Centred features ``z`` (N, r) = (x - mean) @ axes, r the numerical rank.

    ``extended`` (N, r + 1): these and a column of ones, which an intercept multiplies. ``values``
    (r,): the variances of the columns of ``z``, falling. Everything but the features is float64.
    """

    mean: np.ndarray
    values: np.ndarray
    axes: Axes
    extended: np.ndarray

    @property
    def z(self) -> np.ndarray:
        """(N, r)."""
        return self.extended[:, :-1]

    @classmethod
    def of(cls, x: np.ndarray, dtype: np.dtype) -> Eigenbasis:
        """The basis of x (N, D), with the features in ``dtype``."""
        mean, values, axes = _basis(x)
        out = np.ones((len(x), len(values) + 1), dtype)
        if axes.samples is not None:  # (x - mean) @ axes, which a kernel's eigenvectors are already
            out[:, :-1] = axes.matrix * (values * len(x))
            return cls(mean, values, axes, out)
        for rows in blocks(x):
            out[rows, :-1] = (x[rows] - mean) @ axes.matrix
        return cls(mean, values, axes, out)


def covariance_basis(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean (D,), variances (r,), falling, and principal axes (D, r) of x (N, D), in float64.

    Through the D x D covariance, or the N x N kernel where that is smaller. An eigenvalue of these
    is right to some 1e-16 of the largest, so that one of features at very different scales would be
    lost in rounding: what lies below 1e-8 of the largest is turned again, by a covariance of its
    own. The axes are orthonormal, and only directions in which x itself has nothing but rounding
    are left out: standard deviations are right over twelve decades and more.
    """
    mean, values, axes = _basis(x)
    return mean, values, axes.whole()


def _basis(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, Axes]:
    n, d = x.shape
    mean = x.mean(0, dtype=np.float64)
    if n >= d:
        values, axes = _turned(x, mean, None)
    else:
        centred = x - mean
        values, vectors = eigh(centred @ centred.T / n)
        if (values[1:] > SURE * values[-1]).all():  # centred rows lack one direction
            values, vectors = values[:0:-1], vectors[:, :0:-1]
            return mean, values, Axes(vectors / np.sqrt(n * values), centred)
        values, axes = _turned(x, mean, np.linalg.qr(centred.T)[0])
    falling = np.argsort(-values, kind="stable")
    return mean, values[falling], Axes(np.ascontiguousarray(axes[:, falling]))


def _turned(
    x: np.ndarray, mean: np.ndarray, within: np.ndarray | None, floor: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Variances (r,) and principal axes (D, r) of x in the span of orthonormal ``within`` (D, k).

    None is all of it. Variances up to ``floor`` are rounding.
    """
    size = x.shape[1] if within is None else within.shape[1]
    covariance, square = np.zeros((size, size)), 0.0
    for rows in blocks(x):
        centred = x[rows] - mean
        seen = centred if within is None else centred @ within
        covariance += seen.T @ seen
        square += float(np.square(x[rows], dtype=np.float64).sum())
    values, vectors = eigh(covariance / len(x))
    floor = floor or (4 * np.finfo(np.float64).eps) ** 2 * square / len(x)
    axes = vectors if within is None else within @ vectors
    clear = values > max(SURE * values[-1], floor)
    rest = axes[:, ~clear]
    if not clear.any() or not rest.shape[1]:
        return values[clear], axes[:, clear]
    below, others = _turned(x, mean, rest, floor)
    return np.r_[values[clear], below], np.concatenate([axes[:, clear], others], axis=1)


def blocks(x: np.ndarray) -> list[slice]:
    """The rows of x, as many at a time as are taken in float64."""
    return [slice(s, s + BLOCK) for s in range(0, len(x), BLOCK)]
