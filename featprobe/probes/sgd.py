"""The linear probe of DINOv2's evaluation: a sweep of learning rates under SGD."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from featprobe.core.devices import check_device
from featprobe.core.errors import InputError
from featprobe.core.options import Needs
from featprobe.features.augmented import AugmentedRows
from featprobe.probes.base import Probe, choose_held_out
from featprobe.probes.single_class import shares
from featprobe.probes.standardizer import Standardizer
from featprobe.solvers.grids import positive
from featprobe.solvers.sgd import Heads, Recipe, train_heads
from featprobe.solvers.training import columns_of, float32_rows, probabilities

# the learning rates of dinov2/eval/linear.py, to be multiplied with batch / 256
RATES = (1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1)


class SGDProbe(Probe):
    """A linear layer trained by gradient steps, every learning rate at once.

    The defaults are the protocol of facebookresearch/dinov2, ``dinov2/eval/linear.py`` (Oquab et
    al. 2023): 13 learning rates scaled by batch / 256, SGD with momentum 0.9 and no weight decay,
    cosine to 0, batches of 128, 12,500 steps, normal weights of standard deviation 0.01 and
    intercepts of 0 to start from, one softmax. Its 52 heads are these rates on the views ``cls``,
    ``cls+mean``, ``cls:4`` and ``cls:4+mean``, where ``mean`` is that of the last block's patch
    tokens alone. What differs on cached features: images are not augmented, so every epoch sees the
    same vectors, unless several views of each frame are stored
    (:class:`~featprobe.features.augmented.AugmentedRows`): epoch e then sees view e modulo their
    number; a set smaller than a batch is one batch; features are standardised on the training
    rows unless ``standardize`` is off, because no rate of the list suits features of any scale.

    ``lr``: candidates; None is DINOv2's list. ``scale_lr``: multiply them with batch / 256.
    ``optimizer``, ``batch``, ``epochs`` (instead of ``iterations``), ``momentum``,
    ``weight_decay``, ``schedule``, ``warmup``, ``clip``, ``patience``, ``reduction``, ``start``,
    ``seed``: see :class:`featprobe.solvers.sgd.Recipe`. With ``patience`` a stratified tenth of the
    rows is held out of the fit to tell when to stop. ``device``: ``auto`` is a GPU where there is
    one.

    Two classes are two columns of one softmax, or with ``two_classes="sigmoid"`` one column and a
    sigmoid (its steps are half as long: the other column does not move away). Multi-label targets
    are a sigmoid each, unknown ones masked, the loss averaged over those known. A rate at which
    training diverges scores every item by how often each class occurs, and :meth:`notes` says so.
    ``fit`` alone chooses among several rates on a stratified tenth and refits on all.
    """

    name = "sgd"
    epochs_of_views: ClassVar[bool] = True
    needs: ClassVar[Needs] = {
        "momentum": ("optimizer", ("sgd",)),
        "iterations": ("epochs", (None,)),
    }
    _one = False  # of two classes: one column; probes saved by earlier versions have two

    def __init__(
        self,
        lr: float | Sequence[float] | None = None,
        optimizer: str = "sgd",
        batch: int = 128,
        iterations: int = 12_500,
        epochs: float | None = None,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        schedule: str = "cosine",
        warmup: int = 0,
        clip: float | None = None,
        patience: int | None = None,
        scale_lr: bool = True,
        standardize: bool = True,
        seed: int = 0,
        device: str = "auto",
        reduction: str = "mean",
        two_classes: str = "softmax",
        start: str | None = None,
    ) -> None:
        self.lr, self.optimizer, self.batch = lr, optimizer, batch
        self.iterations, self.epochs, self.momentum = iterations, epochs, momentum
        self.weight_decay, self.schedule, self.warmup = weight_decay, schedule, warmup
        self.clip, self.patience, self.scale_lr = clip, patience, scale_lr
        self.standardize, self.seed, self.device = standardize, seed, device
        self.reduction, self.two_classes, self.start = reduction, two_classes, start

    def check(self) -> None:
        self._recipe()
        if self.two_classes not in ("softmax", "sigmoid"):
            raise InputError(f"two_classes {self.two_classes!r} is neither softmax nor sigmoid")
        check_device(self.device)
        if self.lr is not None:
            positive(np.atleast_1d(self.lr), "learning rate")

    def candidates(self) -> list[dict[str, Any]]:
        rates = RATES if self.lr is None else np.atleast_1d(np.asarray(self.lr, dtype=float))
        return [{"lr": float(r)} for r in rates]

    def simplicity(self) -> list[float]:
        return [-c["lr"] for c in self.candidates()]

    def choose(self, x: np.ndarray, y: np.ndarray) -> int:
        return choose_held_out(self, x, y)

    def fit_candidates(self, x: np.ndarray, y: np.ndarray) -> SGDProbe:
        scale = self.batch / 256 if self.scale_lr else 1.0
        rates = [c["lr"] * scale for c in self.candidates()]
        self._labels = y.ndim == 2
        recipe = self._recipe()
        self._one = not self._labels and self.two_classes == "sigmoid" and columns_of(y) == 2
        if self._one:
            recipe = replace(recipe, reduction="mean")  # the other is of labels
        views = x.views if isinstance(x, AugmentedRows) else (x,)
        self._standardize = Standardizer.of(views[0]) if self.standardize else None
        parts = None if self.patience is None else self.held_out(y)
        self._heads = train_heads(
            views,
            y[:, None].astype(float) if self._one else y,
            rates,
            recipe,
            transform=self._standardize,
            parts=parts,
            device=self.device,
        )
        self.__dict__.pop("_share", None)
        if self._heads.diverged.any():
            self._share = shares(y, columns_of(y))
        return self

    def score_candidates(self, x: np.ndarray) -> np.ndarray:
        logits = self._heads(float32_rows(AugmentedRows.first(x), self._standardize))
        p = probabilities(logits, "sigmoid" if self._labels or self._one else "softmax")
        if self._one:
            p = np.concatenate([1 - p, p], axis=2)
        if hasattr(self, "_share"):  # 0.5 of a label would count as a finding
            p[self._heads.diverged] = self._share
        return p

    def _recipe(self) -> Recipe:
        params = self.get_params()
        return Recipe(**{k: params[k] for k in Recipe.__dataclass_fields__})

    def notes(self) -> list[str]:
        heads: Heads | None = getattr(self, "_heads", None)
        if heads is None or not heads.diverged.any():
            return []
        pairs = zip(self.candidates(), heads.diverged)
        rates = ", ".join(f"{c['lr']:g}" for c, lost in pairs if lost)
        return [
            f"training diverged at lr {rates}: every item is scored by how often a class occurs"
        ]


PROBE = SGDProbe
