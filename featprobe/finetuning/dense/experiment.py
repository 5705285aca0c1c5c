"""A fine-tuning to masks: where it differs from one to labels of items."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from featprobe.backbones.base import Backbone
from featprobe.core.fingerprint import digest
from featprobe.finetuning.dense.loader import DenseLoader
from featprobe.finetuning.dense.network import DenseNetwork
from featprobe.finetuning.dense.settings import Segmentation
from featprobe.finetuning.experiment import Experiment
from featprobe.segmentation.items import MaskedItems
from featprobe.segmentation.losses import Loss
from featprobe.segmentation.reporting import labels_digest


@dataclass(frozen=True)
class DenseObjective:
    """The loss of one decoder's logits."""

    loss: Loss

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        """The scalar loss of logits (f, K, H, W) for labels (f, H, W) or (f, K, H, W)."""
        found: Tensor = self.loss(logits.float()[None], target)[0]
        return found


@dataclass(frozen=True, kw_only=True)
class DenseExperiment(Experiment):
    """An :class:`~featprobe.finetuning.experiment.Experiment` whose items are ``masked``.

    Rows that are trained on are frames, as a decoder on stored tokens has them: a batch is of
    frames, an epoch passes all of them once. Rows of the split, and of ``val``, are items.
    """

    masked: MaskedItems
    segmentation: Segmentation
    unit: ClassVar[str] = "frames"

    @cached_property
    def loader(self) -> DenseLoader:
        split = self.data.split
        wanted = np.r_[split.train, split.val]
        return DenseLoader(self.labeled.frames, self.masked, wanted, self.progress)

    @cached_property
    def fit(self) -> np.ndarray:
        """Rows of all frames that are trained on."""
        return self.loader.rows_of(self.fit_items)

    @property
    def fit_items(self) -> np.ndarray:
        """MaskedItems that are trained on."""
        split = self.data.split
        return np.r_[split.train, split.val] if self.refits else split.train

    @cached_property
    def objective(self) -> DenseObjective:  # type: ignore[override]
        return DenseObjective(self.segmentation.loss)

    def mass(self, rows: np.ndarray) -> float:
        return float(self.loader.known[rows].sum())

    def network(self, backbone: Backbone) -> DenseNetwork:
        decoder = self.segmentation.network
        return DenseNetwork(backbone, decoder, self.masked.shape(decoder))

    @cached_property
    def depends_on(self) -> dict[str, Any]:
        return {
            **super().depends_on, "labels": labels_digest(self.masked),
            "classes": list(self.masked.classes), **self.segmentation.to_dict(),
        }  # fmt: skip

    @property
    def folder_name(self) -> str:
        named = self.labeled.backbone.replace("/", "_")
        parts = [
            named,
            self.recipe.name,
            self.segmentation.network.name,
            digest(self.depends_on)[:12],
        ]
        return "-".join(parts)

    @property
    def label(self) -> str:
        where = f"{self.labeled.dataset} x {self.backbone.name}"
        return f"{where} {self.recipe.name} {self.segmentation.network.name} {self._trial_name}"
