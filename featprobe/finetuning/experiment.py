"""What is asked of a fine-tuning: nothing in it changes while it runs."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from featprobe.backbones.base import Backbone
from featprobe.core.fingerprint import digest
from featprobe.evaluation.fitted import Data
from featprobe.evaluation.levels import LevelReading
from featprobe.evaluation.protocols import Full
from featprobe.finetuning.images import Images
from featprobe.finetuning.loader import FrameLoader
from featprobe.finetuning.network import Head, Network, wanted_of, width_of
from featprobe.finetuning.objective import Objective
from featprobe.finetuning.recipes.base import Recipe
from featprobe.finetuning.settings import Training
from featprobe.solvers.training import steps_per_epoch

if TYPE_CHECKING:
    from accelerate import Accelerator

FORMAT = 1  # of what a training depends on


@dataclass(frozen=True)
class Experiment:
    """A recipe and settings on the items of a data set; one learning rate of it is a trial.

    ``backbone``: as it was given, which no trial changes. ``labeled``: the items that could be
    read; ``data``: those with a label, under the split; ``items`` (N,): the item of ``labeled`` of
    each row of ``data``. ``training``: as it was asked for, see :attr:`effective`; ``lrs``: the
    rates among which val chooses. ``reading``: how test is reported. ``cache``: the cache;
    ``kept_in``: where the training is kept, if not there. ``accelerator``: what it runs on.
    ``judge``: from a :class:`~featprobe.finetuning.state.TrainState` to what val says of it, see
    :func:`~featprobe.finetuning.validation.judged`, which it is where it is None.

    ``lr`` and ``refit_epochs`` are those of a :meth:`trial`.
    """

    backbone: Backbone
    labeled: Images
    data: Data
    items: np.ndarray
    protocol: Full
    recipe: Recipe
    training: Training
    lrs: tuple[float, ...]
    reading: LevelReading
    accelerator: Accelerator
    cache: Path
    kept_in: Path | None = None
    progress: bool | Literal["json"] = False
    judge: Callable[[Any], tuple[tuple[float, float], float]] | None = None
    lr: float = math.nan
    refit_epochs: int | None = None

    unit: ClassVar[str] = "items"  # of a batch

    def trial(self, lr: float, refit_epochs: int | None = None) -> Experiment:
        """The experiment at one peak rate of the backbone.

        ``refit_epochs``: trained on train and val together, for so many epochs, instead of looking
        at val.
        """
        return replace(self, lr=lr, refit_epochs=refit_epochs)

    @property
    def refits(self) -> bool:
        """Whether this trial trains on train and val."""
        return self.refit_epochs is not None

    @property
    def fit(self) -> np.ndarray:
        """Rows of ``data`` that are trained on."""
        split = self.data.split
        return np.r_[split.train, split.val] if self.refits else split.train

    @property
    def val(self) -> np.ndarray:
        """Rows of ``data`` by which epochs are compared; without any the last weights are kept."""
        return np.empty(0, dtype=np.int64) if self.refits else self.data.split.val

    @property
    def y(self) -> np.ndarray:
        """(N,) or (N, C) targets of all labelled items."""
        return self.data.y

    @cached_property
    def effective(self) -> Training:
        """The settings that a trial trains with: rates that are the recipe's own are filled in, and
        a refit takes as long as was best."""
        t = replace(self.training, head_lr=self.training.head_lr or self.recipe.head_lr)
        if self.refit_epochs is None:
            return t
        steps = self.refit_epochs * steps_per_epoch(len(self.fit), t.batch)
        warmup = min(t.warmup, steps) if t.warmup >= 1 else t.warmup
        return replace(
            t, epochs=self.refit_epochs, steps=None, patience=None, keep="last", warmup=warmup
        )

    @property
    def epoch(self) -> int:
        """Steps of an epoch."""
        return steps_per_epoch(len(self.fit), self.training.batch)

    @property
    def steps(self) -> int:
        """Steps of a whole trial."""
        t = self.effective
        return t.steps or max(1, math.ceil(t.epochs * self.epoch))

    @cached_property
    def objective(self) -> Objective:
        """The loss, which knows the targets that are trained on; raises :class:`InputError`."""
        t, task = self.training, self.data.task
        return Objective.of(self.y[self.fit], task, self.labeled.classes, t.smoothing, t.balanced)

    @cached_property
    def loader(self) -> FrameLoader:
        """Reads frames and targets of rows of ``data``."""
        targets = self.objective.targets(self.y)
        return FrameLoader(self.labeled.frames, self.items, targets, self.training.train_frames)

    def mass(self, rows: np.ndarray) -> float:
        """Over what the loss of these rows is the mean."""
        return self.objective.mass(self.loader.targets[rows])

    def network(self, backbone: Backbone) -> Network:
        """A backbone with a fresh head, drawn from torch's generator."""
        t = self.effective
        wanted = wanted_of(backbone, t.view)
        head = Head(width_of(backbone, wanted), self.data.columns, t.pool, t.head_dropout)
        return Network(backbone, wanted, head)

    @cached_property
    def depends_on(self) -> dict[str, Any]:
        """Everything that the weights depend on but the learning rate, as JSON values."""
        labeled, data = self.labeled, self.data
        return {
            "format": FORMAT,
            "key": labeled.key.to_dict(),
            "labels": labeled.items.labels_digest,
            "split": data.split.to_dict(data.ids, data.groups)["digest"],
            "task": data.task,
            "classes": list(labeled.classes),
            "recipe": self.recipe.name,
            "options": self.recipe.to_dict(),
            "training": {k: v for k, v in self.training.to_dict().items() if k != "lr"},
            "select": data.criterion.by,
            "subset": self.protocol.subset,
            "processes": self.accelerator.num_processes,
            "device": self.accelerator.device.type,
        }

    @property
    def spec(self) -> dict[str, Any]:
        """Everything that the weights of a trial depend on, as JSON values."""
        return {
            **self.depends_on, "lr": self.lr, "rows": "train and val" if self.refits else "train",
        }  # fmt: skip

    @property
    def folder(self) -> Path:
        """Where its trainings and what comes of them are kept."""
        if self.kept_in is not None:
            return self.kept_in
        return self.cache / "finetuned" / self.labeled.dataset / self.folder_name

    @property
    def folder_name(self) -> str:
        """That of the folder in the cache."""
        named = self.labeled.backbone.replace("/", "_")
        return f"{named}-{self.recipe.name}-{digest(self.depends_on)[:12]}"

    @property
    def file(self) -> Path:
        """The checkpoint of a trial."""
        return self.folder / f"{self._trial_name}.pt"

    @property
    def label(self) -> str:
        """What a trial is called while it runs."""
        where = f"{self.labeled.dataset} x {self.backbone.name}"
        return f"{where} {self.recipe.name} {self._trial_name}"

    @property
    def _trial_name(self) -> str:
        return f"lr={float(self.lr)}" + ("-whole" if self.refits else "")

    def say(self, text: str) -> None:
        """Print a line where progress is shown."""
        if self.progress:
            print(text, file=sys.stderr, flush=True)
