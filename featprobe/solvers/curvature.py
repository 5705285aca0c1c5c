"""What L-BFGS takes for the inverse Hessian of logistic problems before it has seen a step.

The Hessian of a softmax is ``mean_n (diag(p_n) - p_n p_n') (x) z_n z_n'``. At the start of a path
all samples weigh alike, and it is ``A (x) G``: A (K, K) the mean over the samples of ``diag(p_n) -
p_n p_n'``, G the covariance of the features, whose axes are those of the eigenbasis. On the axes of
both it is a diagonal whatever the ridge is.

Where classes are told apart a few samples carry all curvature, others for each class. Then each
class has a block of its own, the features' covariance weighted by ``p_nk (1 - p_nk)``, and axes of
its own: of one sigmoid, or of each label, that is the Hessian itself. Of a softmax the blocks
beside the diagonal are left out (block Jacobi); steps are brought back to a sum of zero over the
classes.
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
class Mixed:
    """Of ``A (x) G + ridge`` with the features' own axes, of P problems of a softmax.

    ``classes`` (K, K): axes of A; ``inverse`` (P, K, r + 1): one over the curvature along them.
    """

    classes: np.ndarray
    inverse: np.ndarray

    def __call__(self, q: np.ndarray) -> np.ndarray:
        along = self.classes.T @ q.reshape(self.inverse.shape)
        along *= self.inverse
        return (self.classes @ along).reshape(q.shape)

    def take(self, rows: np.ndarray) -> Mixed:
        return Mixed(self.classes, self.inverse[rows])

    def astype(self, dtype: np.dtype) -> Mixed:
        return Mixed(self.classes.astype(dtype), self.inverse.astype(dtype))


@dataclass(frozen=True)
class Turned:
    """Of sigmoids, or of the ``each`` classes of softmaxes, on axes of their own.

    ``axes`` (L, m, m) and ``mean`` (L, m) are those of the leading directions, ``label`` (B,) says
    which a block takes; ``inverse`` (B, r) and ``level`` (B, 1): one over the curvature along the
    axes, and of the intercepts. B is the problems times ``each``.
    """

    axes: np.ndarray
    mean: np.ndarray
    inverse: np.ndarray
    level: np.ndarray
    label: np.ndarray
    each: int = 1

    def __call__(self, q: np.ndarray) -> np.ndarray:
        rows, m = q.reshape(len(self.label), -1), self.axes.shape[1]
        out = np.empty_like(rows)
        np.multiply(rows[:, m:-1], self.inverse[:, m:], out=out[:, m:-1])
        level = rows[:, -1:]
        np.multiply(level, self.level, out=out[:, -1:])
        if m:  # an intercept moves with the mean of the weighted samples: they are centred there
            mean = self.mean[self.label]
            turned = self._turn(rows[:, :m] - level * mean, self.axes)
            turned *= self.inverse[:, :m]
            out[:, :m] = self._turn(turned, self.axes.transpose(0, 2, 1))
            out[:, -1] -= np.einsum("bm,bm->b", out[:, :m], mean)
        if self.each > 1:
            of = out.reshape(-1, self.each, out.shape[1])
            of -= of.mean(1, keepdims=True)
        return out.reshape(q.shape)

    def _turn(self, q: np.ndarray, axes: np.ndarray) -> np.ndarray:
        if len(axes) == 1:
            return q @ axes[0]
        out = np.empty_like(q)
        for label in np.unique(self.label):
            these = self.label == label
            out[these] = q[these] @ axes[label]
        return out

    def take(self, rows: np.ndarray) -> Turned:
        blocks = (rows[:, None] * self.each + np.arange(self.each)).ravel()
        return replace(
            self, inverse=self.inverse[blocks], level=self.level[blocks], label=self.label[blocks]
        )

    def astype(self, dtype: np.dtype) -> Turned:
        names = ("axes", "mean", "inverse", "level")
        return replace(self, **{name: getattr(self, name).astype(dtype) for name in names})


@dataclass(frozen=True)
class Alike:
    """The model of a softmax near a point at which all samples weigh alike.

    ``classes`` (K, K), ``factor`` (K,): axes and variances of A; ``values`` (r,): of the features.
    """

    classes: np.ndarray
    factor: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, p: np.ndarray, weight: np.ndarray | None) -> Self:
        """``p`` (K, n): probabilities of some samples, ``weight`` (1, n) of these or None."""
        weighted = p if weight is None else p * weight
        mix = np.diag(weighted.mean(1, dtype=np.float64)) - weighted @ p.T / p.shape[1]
        factor, classes = eigh(mix)
        return cls(classes.astype(p.dtype), np.where(factor > FLAT * factor[-1], factor, 0), values)

    def near(self, p: np.ndarray, weight: np.ndarray | None) -> Self:
        """At other probabilities."""
        return self.of(self.values, p, weight)

    def inverse(self, ridges: np.ndarray) -> Mixed:
        """With ``ridges`` (G,): of G problems."""
        flat = self.factor <= FEWEST  # a change that is the same for all classes
        along = ridges[:, None, None] + self.factor[:, None] * self.values
        level = np.broadcast_to(np.where(flat, 1, self.factor), along.shape[:2])
        inverse = 1 / np.maximum(np.concatenate([along, level[:, :, None]], 2), FEWEST)
        inverse[:, flat] = 0
        return Mixed(self.classes, inverse.astype(self.classes.dtype))


@dataclass(frozen=True)
class Apart:
    """The model of sigmoids, or of the classes of a softmax, near a point.

    ``factor`` (K,) is the mean p (1 - p) of each. G is of the leading m directions: ``axes``
    (L, m, m), weighted means ``mean`` (L, m) and ``spectrum`` (L, r), the rest of which are the
    features' variances; L is 1, or K. ``each``: 1, or the K classes of a softmax.
    """

    factor: np.ndarray
    axes: np.ndarray
    mean: np.ndarray
    spectrum: np.ndarray
    each: int = 1

    @classmethod
    def of(cls, values: np.ndarray, p: np.ndarray, weight: np.ndarray | None) -> Self:
        """That of samples which weigh alike: nothing is turned. ``p`` (K, n) of some samples."""
        axes, mean = np.zeros((1, 0, 0), p.dtype), np.zeros((1, 0), p.dtype)
        return cls(_spread(p, weight).mean(1, dtype=np.float64), axes, mean, values[None])

    def near(self, p: np.ndarray, weight: np.ndarray | None) -> Self:
        """The same axes at other probabilities."""
        return replace(self, factor=_spread(p, weight).mean(1, dtype=np.float64))

    @classmethod
    def turned(
        cls, z: np.ndarray, values: np.ndarray, p: np.ndarray, weight: np.ndarray | None,
        each: int, pool: ThreadPoolExecutor,
    ) -> Self:  # fmt: skip
        """With axes of each, at probabilities ``p`` (K, n) of features ``z`` (n, r).

        ``values`` (r,): variances of ``z``.
        """
        n, m = len(z), leading(values)
        spread = _spread(p, weight)
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

        axes, mean, spectrum = (np.stack(a) for a in zip(*pool.map(weighted, spread)))
        return cls(spread.mean(1, dtype=np.float64), axes, mean, spectrum, each)

    def inverse(self, ridges: np.ndarray) -> Turned:
        """With ``ridges`` (G,): of all labels of each ridge in turn, or of G softmaxes."""
        dtype, count = self.axes.dtype, len(ridges)
        along = self.factor[:, None] * self.spectrum  # (K, r)
        inverse = (1 / np.maximum(ridges[:, None, None] + along, FEWEST)).astype(dtype)
        level = 1 / np.where(self.factor <= FEWEST, np.inf, self.factor)
        label = np.arange(len(self.factor)) % len(self.axes)
        return Turned(
            self.axes, self.mean, inverse.reshape(count * len(along), along.shape[1]),
            np.tile(level, count)[:, None].astype(dtype), np.tile(label, count), self.each,
        )  # fmt: skip


Curvature = Alike | Apart


def leading(values: np.ndarray) -> int:
    """How many directions of these variances (r,), falling, G is of."""
    return min(TURNED, int((values > SURE * values[:1]).sum()))


def _spread(p: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    """p (1 - p), weighted (K, n)."""
    spread = p * (1 - p)
    return spread if weight is None else spread * weight
