"""Where a training stands: all that changes as it runs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any

from torch import Tensor

from featprobe.backbones.base import Backbone
from featprobe.finetuning.average import Average
from featprobe.finetuning.checks import Count
from featprobe.finetuning.experiment import Experiment
from featprobe.finetuning.network import Network
from featprobe.finetuning.recipes.base import Trainable


@dataclass
class TrainState:
    """A trial of an experiment, from its first step until its weights are those to be kept.

    ``network`` trains, as ``trainable`` says; ``count`` of its parameters, of which those that the
    features do not depend on are ``unreached``. ``optimizer`` and ``average`` are there while it
    trains.

    All other fields are plain values, kept in checkpoints by these names. ``history``: an entry an
    epoch; ``best``: the weights of the best epoch; ``total``: the sum of the losses of the
    ``counted`` steps of this epoch so far; ``top``: the best score of an epoch on val
    (:class:`~featprobe.probes.selection.Criterion`), at ``best_step``; ``waited``: epochs since
    then. ``selection_score``, that score, and ``val``, the ranking metric, are of the weights to be
    kept, the best or the last. ``judging``: of the ``seconds``, those spent on val; ``peak``: bytes
    of memory. ``done``: patience is over; ``ended``: the network holds the weights to be kept.
    """

    experiment: Experiment
    network: Network
    trainable: Trainable
    count: Count = field(default_factory=lambda: Count(0, 0, 0))
    unreached: list[str] = field(default_factory=list)
    optimizer: Any = None
    average: Average | None = None

    step: int = 0
    total: float = 0.0
    counted: int = 0
    seconds: float = 0.0
    judging: float = 0.0
    peak: int = 0
    waited: int = 0
    top: tuple[float, float] = (-math.inf, -math.inf)
    best_step: int = 0
    selection_score: tuple[float, float] = (-math.inf, -math.inf)
    val: float = math.nan
    best: dict[str, Tensor] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    done: bool = False
    ended: bool = False

    @property
    def backbone(self) -> Backbone:
        """The backbone that trains."""
        return self.trainable.backbone

    def values(self) -> dict[str, Any]:
        """The plain values, by name."""
        return {name: getattr(self, name) for name in VALUES}

    def restore(self, values: dict[str, Any]) -> None:
        """The inverse of :meth:`values`; raises KeyError for names that are missing."""
        for name in VALUES:
            setattr(self, name, values[name if name in values else EARLIER_NAMES.get(name, name)])


_MACHINERY = (
    "experiment", "network", "trainable", "count", "unreached", "optimizer", "average",
)  # fmt: skip
EARLIER_NAMES = {"selection_score": "merit"}  # in checkpoints of earlier versions
VALUES = tuple(f.name for f in fields(TrainState) if f.name not in _MACHINERY)
