"""What a fine-tuning minimises, and how the head's outputs are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from featprobe.core.errors import InputError
from featprobe.solvers.training import Objective as Kind
from featprobe.solvers.training import loss, probabilities

KINDS: dict[str, Kind] = {
    "multiclass": "softmax", "ordinal": "softmax", "multilabel": "sigmoid", "regression": "value",
}  # fmt: skip


@dataclass(frozen=True)
class Objective:
    """A loss that knows the training targets' weights and scale.

    ``kind``: softmax of classes, a sigmoid for each label, or a value. ``columns``: outputs C of
    the head. ``weight`` (C,): of classes; of labels, of their ones against their zeros.
    ``smoothing``: part of a target that is spread evenly. Values are trained towards
    ``(y - centre) / scale``.
    """

    kind: Kind
    columns: int
    smoothing: float = 0.0
    weight: tuple[float, ...] | None = None
    centre: float = 0.0
    scale: float = 1.0

    @classmethod
    def of(
        cls, y_train: np.ndarray, task: str, classes: Sequence[str],
        smoothing: float = 0.0, balanced: bool = False,
    ) -> Objective:  # fmt: skip
        """For the targets of the training items, as :class:`featprobe.datasets.base.Dataset` has
        them: int (N,) with -1 unknown, float (N, C) of 0, 1 and NaN, or float (N,).

        ``balanced``: a class weighs n / (classes present * its items), one without items 0, as in
        scikit-learn; the ones of a label weigh its zeros / its ones (1 where either is missing).

        Raises :class:`InputError` where no target is known, where one is not among the classes or
        infinite, and for smoothing or balancing of values.
        """
        kind = KINDS[task]
        y = np.asarray(y_train)
        known = y >= 0 if kind == "softmax" else ~np.isnan(y)
        if not known.any():
            raise InputError("every target of the training items is unknown; there is no loss")
        if kind == "value":
            return cls._of_values(y[known], smoothing, balanced)
        columns = len(classes)
        if kind == "sigmoid" and y.shape[1:] != (columns,):
            raise InputError(f"targets {y.shape} do not fit {columns} labels")
        if kind == "softmax" and y.max() >= columns:
            raise InputError(f"target {y.max()} is not among the {columns} classes, 0 the first")
        weight = None
        if balanced:
            found = _of_classes(y[known], columns) if kind == "softmax" else _of_labels(y)
            weight = tuple(found.tolist())
        return cls(kind, columns, smoothing, weight)

    @classmethod
    def _of_values(cls, y: np.ndarray, smoothing: float, balanced: bool) -> Objective:
        if smoothing or balanced:
            what = "smoothing" if smoothing else "balanced"
            raise InputError(f"{what} is for classes and labels; leave it out for regression")
        if np.isinf(y).any():
            raise InputError("a target of the training items is infinite; relabel it")
        return cls("value", 1, centre=float(y.mean()), scale=float(y.std()) or 1.0)

    def targets(self, y: np.ndarray) -> Tensor:
        """What the loss takes: int64 (N,) for classes, else float32, values standardised."""
        if self.kind == "softmax":
            return torch.from_numpy(y.astype(np.int64))
        return torch.from_numpy(((y - self.centre) / self.scale).astype(np.float32))

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        """The scalar loss of logits (B, C) and rows of :meth:`targets` on the same device.

        It is computed in float32. Unknown targets have no part in it; where none is known it is 0,
        with a gradient of 0.
        """
        logits = logits.float()
        weight = None if self.weight is None else logits.new_tensor(self.weight)
        return loss(logits, target, self.kind, weight, self.smoothing)

    def mass(self, target: Tensor) -> float:
        """Over what the loss of these rows of :meth:`targets` is the mean: the number of known
        targets, or the sum of the weights of their classes."""
        if self.kind != "softmax":
            return float((~target.isnan()).sum())
        known = target[target >= 0]
        if self.weight is None:
            return float(len(known))
        return float(torch.tensor(self.weight, dtype=torch.float64)[known].sum())

    def scores(self, logits: np.ndarray) -> np.ndarray:
        """Probabilities, or values in their own unit, (..., C) of logits (..., C), float64."""
        return probabilities(logits, self.kind) * self.scale + self.centre


def _of_classes(y: np.ndarray, columns: int) -> np.ndarray:
    count = np.bincount(y, minlength=columns)
    weight = len(y) / ((count > 0).sum() * np.maximum(count, 1))
    return np.where(count > 0, weight, 0.0)


def _of_labels(y: np.ndarray) -> np.ndarray:
    zeros, ones = (y == 0).sum(0), (y == 1).sum(0)
    return np.where((zeros > 0) & (ones > 0), zeros / np.maximum(ones, 1), 1.0)
