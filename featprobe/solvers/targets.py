"""What log-losses of logistic problems are of: classes, or independent labels."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from featprobe.core.errors import InputError
from featprobe.core.numeric import sigmoid, softmax
from featprobe.solvers.losses import sigmoid_loss, softmax_loss


@dataclass(frozen=True)
class Targets:
    """What the log-losses are of.

    ``codes`` (1, N): classes of a softmax, else None. ``sign`` (K, N): -1 of positives and 1 of
    negatives of each sigmoid, else None. ``weight`` (1 or K, N), None where all are 1.
    """

    classes: int
    codes: np.ndarray | None
    sign: np.ndarray | None
    weight: np.ndarray | None

    @classmethod
    def of(cls, y: np.ndarray, sample_weight: np.ndarray | None = None) -> Targets:
        """Of int (N,) classes or float (N, K) labels.

        As :func:`~featprobe.solvers.logistic.logistic_path` takes them.
        """
        y = np.asarray(y)
        options = None
        if sample_weight is not None:
            options = np.atleast_2d(np.asarray(sample_weight, dtype=float).T)
            if options.shape not in ((1, len(y)), y.T.shape) or not (options >= 0).all():
                raise InputError(
                    f"sample weights must be {len(y)} numbers that are not negative, not of shape "
                    f"{options.T.shape}"
                )
        if y.ndim == 1 and int(y.max()) > 1:
            return cls(int(y.max()) + 1, y[None].astype(np.int64), None, options)
        labels = np.atleast_2d(y.T).astype(float)
        known = ~np.isnan(labels)
        if not known.all():
            options = known * (1.0 if options is None else options)
        return cls(len(labels), None, np.where(labels == 1, -1.0, 1.0), options)

    @property
    def per(self) -> int:
        """Independent problems at one C: one softmax, or a sigmoid for each label."""
        return 1 if self.sign is None else self.classes

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """(K, n) of logits (K, n) at one C."""
        return softmax(logits, axis=0) if self.sign is None else sigmoid(logits)

    def weights(self, rows: np.ndarray | slice) -> np.ndarray | None:
        """(1 or K, n) of some samples; None where all are 1."""
        return None if self.weight is None else self.weight[:, rows]

    def intercepts(self) -> np.ndarray:
        """(K,) optimal intercepts of features that say nothing."""
        if self.sign is None:
            positive = np.arange(self.classes)[:, None] == self.codes
        else:
            positive = self.sign < 0
        weight = np.ones((1, positive.shape[1])) if self.weight is None else self.weight
        floor = 1 / (positive.shape[1] + 1)
        rate = (positive * weight).sum(1) / np.maximum(weight.sum(1), 1e-12)
        rate = np.clip(rate, floor, 1 - floor)
        return np.log(rate) if self.sign is None else np.log(rate / (1 - rate))

    def astype(self, dtype: np.dtype) -> Targets:
        """The same in another precision."""
        sign, weight = (None if a is None else a.astype(dtype) for a in (self.sign, self.weight))
        return replace(self, sign=sign, weight=weight)

    def losses(
        self, logits: np.ndarray, labels: np.ndarray, rows: slice
    ) -> tuple[np.ndarray, np.ndarray]:
        """Summed losses (P,) and derivatives by the logits (columns, n) of some samples.

        ``labels`` (P,): which problem each is; the logits may be overwritten.
        """
        if self.codes is not None:
            weight = None if self.weight is None else self.weight[:, rows]
            by_class = logits.reshape(len(labels), self.classes, -1)
            return softmax_loss(by_class, self.codes[:, rows], weight)[0], logits
        assert self.sign is not None
        weight = None if self.weight is None else self.weight[labels % len(self.weight), rows]
        return sigmoid_loss(logits, self.sign[labels, rows], weight)
