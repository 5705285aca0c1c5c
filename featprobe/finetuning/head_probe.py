"""The head of a trained network as a saved probe on the features of its backbone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from featprobe.backbones.base import Backbone
from featprobe.datasets.base import Dataset
from featprobe.evaluation.predict import source_of_items
from featprobe.finetuning.images import Images
from featprobe.finetuning.reporting import view_of
from featprobe.finetuning.state import TrainState
from featprobe.finetuning.trial import measured, measured_rows
from featprobe.probes.base import Probe
from featprobe.probes.feature_range import FeatureRange
from featprobe.probes.logistic import LogisticProbe
from featprobe.probes.ridge import RidgeProbe
from featprobe.probes.saving import save_probe
from featprobe.probes.single_class import constants
from featprobe.probes.standardizer import Standardizer

FILE = "head.safetensors"
MEASURED = 2000  # training items that say where the trained features lie, at most


def head_probe(state: TrainState) -> Probe | None:
    """The probe that gives the scores of the head; None for a head that is none.

    It is logistic, or for values ridge; attention pooling is neither. It knows where the features
    of the training items lie now that the network is trained.
    """
    head, experiment = state.network.head, state.experiment
    if not isinstance(head.linear, nn.Linear):
        return None
    weight, bias = _doubles(head.linear.weight), _doubles(head.linear.bias)
    scaling = Standardizer(_doubles(head.mean), _doubles(head.scale))
    probe: Probe
    if experiment.data.task == "regression":
        unit, zero = experiment.objective.scale, experiment.objective.centre
        probe = RidgeProbe.of(weight * unit, bias * unit + zero, scaling)
    else:
        probe = LogisticProbe.of(weight, bias, scaling, experiment.data.task == "multilabel")
    constant = constants(experiment.y[experiment.fit])
    if constant is not None:
        probe._constant = constant
    rows, val = measured_rows(experiment, MEASURED), experiment.val[:MEASURED]
    unseen = measured(state, val) if len(val) else None
    probe.range_ = FeatureRange.of(measured(state, rows), experiment.data.groups[rows], unseen)
    return probe


def save_head(
    probe: Probe, state: TrainState, backbone: Backbone, dataset: Dataset,
    thresholds: Mapping[str, Any], file: Path,
) -> Path:  # fmt: skip
    """Write the head for ``featprobe predict``.

    ``backbone``: the trained one as it is read from where it is kept. ``thresholds``: of
    decisions, as in the Result. Raises :class:`InputError` where nothing can be written.
    """
    labeled, view = state.experiment.labeled, view_of(state)
    wanted = state.network.wanted
    features = Images(backbone, dataset, labeled.frames, wanted, labeled.key.precision)
    return save_probe(probe, file, source_of_items(features, view.name, view.pool, thresholds))


def _doubles(values: Tensor) -> np.ndarray:
    return values.detach().cpu().double().numpy()
