"""How a fine-tuning runs, as plain values."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from featprobe.backbones.spec import AUGMENTATIONS, known_outputs
from featprobe.core.display import changed_fields
from featprobe.core.errors import InputError, UnknownName, nearest
from featprobe.core.options import Checked, Needs
from featprobe.probes.selection import AUTO, selectable

OPTIMIZERS = ("adamw", "adam", "sgd")
SCHEDULES = ("cosine", "constant")
REDUCTIONS = ("mean", "sum")
POOLS = ("mean", "max", "attention")
PRECISIONS = ("float32", "bf16", "fp16")
KEEP = ("best", "last")
LATER = (("select", AUTO), ("reduction", "mean"))  # as earlier trainings do not say them
HEAD_LR = 1e-3  # where neither a training nor its recipe says another


@dataclass(frozen=True)
class Training(Checked):
    """Everything beside the recipe that the trained weights depend on.

    ``epochs`` over the training items, or ``steps``. ``batch``: items a step, cut into
    ``accumulate`` parts that go through the network one after another. ``lr``: peak rate of the
    backbone's parameters, ``head_lr``: the head's; None is the recipe's own. ``layer_decay``: each
    block's rate is that of the block above it times this (Bao et al. 2022, BEiT). ``warmup``: below
    1 a part of the steps, else their number, linear from 0. ``schedule``: ``cosine`` to
    ``final_lr`` times the peak, or ``constant``. ``weight_decay`` is not applied to biases, norms
    and other vectors unless ``decay_all``. ``clip``: largest norm of the gradient, None for any.
    ``reduction``: the loss of labels is its ``mean`` over the known ones of a batch, or this
    times the items of the batch, ``sum``: what Baharoon et al. 2023 add up over items, each the
    mean over its labels; of classes and values it is the mean. ``smoothing`` of labels.
    ``balanced``: classes, and the two values of a label, weigh the same. ``head_dropout``
    before the head. ``patience``: epochs without a better val after which training ends.
    ``keep``: the weights of the ``best`` epoch on val, or of the ``last``. ``ema``: decay of an
    average of the weights that is what is scored and kept, None for none. ``standardize``: the
    head sees features scaled by the mean and deviation that those of the training items have at
    the start.
    ``view``: the outputs that the head sees, None for the backbone's ``cls`` or ``mean``.
    ``pool``: how the frames of an item become one row. ``train_frames``: at most so many frames of
    an item, drawn anew at each step. ``augment``: names of
    :data:`~featprobe.backbones.spec.AUGMENTATIONS`. ``refit``: train
    once more on train and val, for as long as was best. ``precision``: float32, bf16 or fp16.
    ``checkpointing``: blocks are computed again in the backward pass instead of kept. ``select``:
    by what epochs and rates are compared on val, see
    :class:`~featprobe.probes.selection.Criterion`.
    """

    epochs: float = 20
    steps: int | None = None
    batch: int = 32
    accumulate: int = 1
    optimizer: str = "adamw"
    momentum: float = 0.9
    lr: float | None = None
    head_lr: float | None = None
    layer_decay: float = 1.0
    weight_decay: float = 0.05
    decay_all: bool = False
    warmup: float = 0.1
    schedule: str = "cosine"
    final_lr: float = 0.0
    clip: float | None = 1.0
    reduction: str = "mean"
    smoothing: float = 0.0
    balanced: bool = False
    head_dropout: float = 0.0
    patience: int | None = None
    keep: str = "best"
    ema: float | None = None
    standardize: bool = True
    view: str | None = None
    pool: str = "mean"
    train_frames: int | None = None
    augment: tuple[str, ...] = ()
    refit: bool = False
    precision: str | None = None
    checkpointing: bool = False
    seed: int = 0
    select: str = AUTO

    needs: ClassVar[Needs] = {
        "momentum": ("optimizer", ("sgd",)),
        "final_lr": ("schedule", ("cosine",)),
        "epochs": ("steps", (None,)),
    }

    __repr__ = changed_fields

    def owner(self) -> str:
        return "a training"

    def check(self) -> None:
        for name, known in (
            ("optimizer", OPTIMIZERS), ("schedule", SCHEDULES), ("pool", POOLS), ("keep", KEEP),
            ("reduction", REDUCTIONS),
        ):  # fmt: skip
            value = getattr(self, name)
            if value not in known:
                raise UnknownName(
                    f"unknown {name} {value!r}.{nearest(str(value), known)} "
                    f"Known: {', '.join(known)}"
                )
        selectable(self.select)
        if self.view is not None:
            known_outputs(self.view.split("+"))
        for name in self.augment:
            if name not in AUGMENTATIONS:
                raise UnknownName(
                    f"unknown augmentation {name!r}.{nearest(name, AUGMENTATIONS)} "
                    f"Known: {', '.join(AUGMENTATIONS)}"
                )
        for name in ("batch", "accumulate", "steps", "patience", "train_frames"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} {value} must be at least 1")
        if self.batch % self.accumulate:
            raise InputError(
                f"a batch of {self.batch} cannot be cut into {self.accumulate} equal parts"
            )
        if self.precision not in (None, *PRECISIONS):
            raise UnknownName(
                f"unknown precision {self.precision!r}.{nearest(self.precision, PRECISIONS)} "
                f"Known: {', '.join(PRECISIONS)}"
            )
        if self.seed < 0:
            raise InputError(f"seed {self.seed} must not be negative")
        for name in ("epochs", "lr", "head_lr", "clip"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise InputError(f"{name} {value:g} must be positive")
        for name in ("smoothing", "head_dropout", "momentum", "ema"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < 1:
                raise InputError(f"{name} {value} must be at least 0 and below 1")
        for name in ("weight_decay", "warmup"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise InputError(f"{name} {value} must not be negative")
        if not 0 < self.layer_decay <= 1 or not 0 <= self.final_lr <= 1:
            raise InputError("layer_decay must be above 0 and at most 1, final_lr from 0 to 1")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, without what is the default and was not there from the first."""
        values = {k: v for k, v in asdict(self).items() if (k, v) not in LATER}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}
