"""What L-BFGS takes for the inverse Hessian of logistic problems before it has seen a step.

The Hessian of a softmax is ``mean_n (diag(p_n) - p_n p_n') (x) z_n z_n'``. Its Kronecker model is
``A (x) G``: A (K, K) the mean over the samples of ``diag(p_n) - p_n p_n'``, G the covariance of the
features weighted by ``s_n = sum_k p_nk (1 - p_nk)``. Turned to the axes of both, the model is a
diagonal whatever the ridge is. Of one sigmoid (K = 1) it is the Hessian itself.

At the start of a path all samples weigh alike, G is the covariance and its axes are those of the
eigenbasis: nothing has to be turned. Where classes are told apart a few samples carry all
curvature, and G is worth its price.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np

from featprobe.solvers.symmetric import eigh

FLAT = 1e-6  # axes of A below this part of its largest: a shift of all classes, which is no change
SURE = 1e-8  # variances below this part of the largest are lost in the rounding of G
TURNED = 1024  # directions, those of the largest variances first
FEWEST = 1e-30  # curvature


class Inverse(Protocol):
    """The inverse of a model of the Hessians of P problems."""

    def __call__(self, q: np.ndarray) -> np.ndarray:
        """Of points (P, M)."""
        ...

    def take(self, rows: np.ndarray) -> Self:
        """Of some of the problems."""
        ...

    def astype(self, dtype: np.dtype) -> Self:
        """In another precision."""
        ...


@dataclass(frozen=True)
class Diagonal:
    """``inverse`` (P, M): of a diagonal model."""

    inverse: np.ndarray

    def __call__(self, q: np.ndarray) -> np.ndarray:
        return q * self.inverse

    def take(self, rows: np.ndarray) -> Diagonal:
        return Diagonal(self.inverse[rows])

    def astype(self, dtype: np.dtype) -> Diagonal:
        return Diagonal(self.inverse.astype(dtype))


@dataclass(frozen=True)
class Kronecker:
    """The inverse of a :class:`Curvature` with ridges, of problems of ``label`` (P,).

    ``classes`` (K, K), ``axes`` (L, m, m) and ``mean`` (L, m) are the model's; ``inverse``
    (P, K, r) and ``level`` (P, K): one over the curvature along its axes, and of the intercepts.
    """

    classes: np.ndarray
    axes: np.ndarray
    mean: np.ndarray
    inverse: np.ndarray
    level: np.ndarray
    label: np.ndarray

    def __call__(self, q: np.ndarray) -> np.ndarray:
        problems, k, _ = self.inverse.shape
        m = self.axes.shape[1]
        rows = q.reshape(problems, k, -1)
        if k > 1:
            rows = self.classes.T @ rows
        level = rows[:, :, -1:]
        out = np.empty_like(rows)
        np.multiply(rows[:, :, m:-1], self.inverse[:, :, m:], out=out[:, :, m:-1])
        np.multiply(rows[:, :, -1], self.level, out=out[:, :, -1])
        if m:  # an intercept moves with the mean of the weighted samples: they are centred there
            mean = self.mean[self.label][:, None]
            turned = self._turn(rows[:, :, :m] - level * mean, self.axes)
            turned *= self.inverse[:, :, :m]
            out[:, :, :m] = self._turn(turned, self.axes.transpose(0, 2, 1))
            out[:, :, -1] -= (out[:, :, :m] * mean).sum(2)
        if k > 1:
            out = self.classes @ out
        return out.reshape(q.shape)

    def _turn(self, q: np.ndarray, axes: np.ndarray) -> np.ndarray:
        if len(axes) == 1:
            return (q.reshape(-1, q.shape[2]) @ axes[0]).reshape(q.shape)
        out = np.empty_like(q)
        for label in np.unique(self.label):
            these = self.label == label
            out[these] = q[these] @ axes[label]
        return out

    def take(self, rows: np.ndarray) -> Kronecker:
        return replace(
            self, inverse=self.inverse[rows], level=self.level[rows], label=self.label[rows]
        )

    def astype(self, dtype: np.dtype) -> Kronecker:
        cast = {
            name: getattr(self, name).astype(dtype)
            for name in ("classes", "axes", "mean", "inverse", "level")
        }
        return replace(self, **cast)


@dataclass(frozen=True)
class Curvature:
    """The model of the Hessian near a point.

    ``joint``: of one softmax, whose A has axes ``classes`` (K, K) and variances ``factor`` (K,);
    else ``factor`` (labels,) is the mean p (1 - p) of each sigmoid, and ``classes`` is (1, 1).
    G is of the leading m directions: ``axes`` (L, m, m), weighted means ``mean`` (L, m) and
    ``spectrum`` (L, r), the rest of which are the features' variances; L is 1, or the labels.
    """

    joint: bool
    classes: np.ndarray
    factor: np.ndarray
    axes: np.ndarray
    mean: np.ndarray
    spectrum: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, p: np.ndarray, weight: np.ndarray | None, joint: bool) -> Self:
        """That of samples which weigh alike: nothing is turned. ``p`` (K, n) of some samples."""
        dtype = p.dtype
        return cls(
            joint, *_mixing(p, weight, joint), np.zeros((1, 0, 0), dtype), np.zeros((1, 0), dtype),
            values[None],
        )  # fmt: skip

    def near(self, p: np.ndarray, weight: np.ndarray | None) -> Curvature:
        """The same axes of the features, with the classes' part at other probabilities."""
        classes, factor = _mixing(p, weight, self.joint)
        return replace(self, classes=classes, factor=factor)

    @classmethod
    def turned(
        cls, z: np.ndarray, values: np.ndarray, p: np.ndarray, weight: np.ndarray | None,
        joint: bool, apart: bool, pool: ThreadPoolExecutor,
    ) -> Self:  # fmt: skip
        """The whole model at probabilities ``p`` (K, n) of features ``z`` (n, r).

        ``values`` (r,): variances of ``z``; ``apart``: each label has a G of its own.
        """
        n, m = len(z), leading(values)
        spread = p * (1 - p) if weight is None else p * (1 - p) * weight
        rows = spread if apart else spread.sum(0, keepdims=True)
        front = z[:, :m]

        def weighted(s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            s = s / max(float(s.sum(dtype=np.float64)), FEWEST)
            mean = s @ front
            gram = np.zeros((m, m), z.dtype)
            for start in range(0, n, 4096):
                part = front[start : start + 4096]
                gram += (part * s[start : start + 4096, None]).T @ part
            # float32 would lose the small variances of features that differ by decades
            found, axes = eigh((gram - np.outer(mean, mean)).astype(np.float64))
            axes = axes.astype(z.dtype)
            return axes, mean, np.r_[np.maximum(found, 0), values[m:]]

        axes, mean, spectrum = (np.stack(a) for a in zip(*pool.map(weighted, rows)))
        return cls(joint, *_mixing(p, weight, joint), axes, mean, spectrum)

    def inverse(self, ridges: np.ndarray) -> Kronecker:
        """With ``ridges`` (G,): of G problems, or of all labels of each ridge in turn."""
        dtype = self.axes.dtype
        flat = self.factor <= FEWEST
        level = np.where(flat, 0, 1 / np.where(flat, 1, self.factor))
        if self.joint:  # (1, K, r)
            along = self.factor[None, :, None] * self.spectrum[:, None]
            each, labels = len(self.factor), np.zeros(1, np.int64)
        else:  # (labels, 1, r)
            along = self.factor[:, None, None] * self.spectrum[:, None]
            level, each = level[:, None], 1
            labels = np.arange(len(self.factor)) if len(self.axes) > 1 else 0 * np.arange(len(flat))
        inverse = 1 / np.maximum(ridges[:, None, None, None] + along, FEWEST)
        if self.joint:
            inverse[:, :, flat] = 0
        count = len(ridges)
        return Kronecker(
            self.classes, self.axes, self.mean,
            inverse.reshape(inverse.shape[0] * inverse.shape[1], each, -1 if inverse.size else 0)
            .astype(dtype),
            np.tile(level.reshape(-1, each), (count, 1)).astype(dtype), np.tile(labels, count),
        )  # fmt: skip


def leading(values: np.ndarray) -> int:
    """How many directions of these variances (r,), falling, G is of."""
    return min(TURNED, int((values > SURE * values[:1]).sum()))


def _mixing(p: np.ndarray, weight: np.ndarray | None, joint: bool) -> tuple[np.ndarray, np.ndarray]:
    """Axes of the classes and curvature along each, at probabilities (K, n)."""
    weighted = p if weight is None else p * weight
    if not joint:
        return np.eye(1, dtype=p.dtype), (weighted * (1 - p)).mean(1, dtype=np.float64)
    mix = np.diag(weighted.mean(1, dtype=np.float64)) - weighted @ p.T / p.shape[1]
    factor, classes = eigh(mix)
    return classes.astype(p.dtype), np.where(factor > FLAT * factor[-1], factor, 0)
