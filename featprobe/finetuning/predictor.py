"""A fine-tuned network as what it is: a backbone, and a linear probe on its features."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from featprobe.backbones.base import Backbone
from featprobe.datasets.base import Dataset
from featprobe.evaluation.fitted import View
from featprobe.evaluation.predict import source_of_subject
from featprobe.finetuning.images import Images
from featprobe.finetuning.network import Network
from featprobe.probes.logistic import LogisticProbe
from featprobe.probes.saving import save_probe
from featprobe.probes.standardizer import Standardizer

FILE = "head.safetensors"


def save_head(
    network: Network, backbone: Backbone, dataset: Dataset, subject: Images, view: View, file: Path,
    constant: np.ndarray | None = None, thresholds: Mapping[str, Any] | None = None,
) -> Path | None:  # fmt: skip
    """Write the head as a saved probe of a backbone's features, for ``featprobe predict``.

    ``backbone``: the trained one as it is read from where it is kept. ``subject``: what it was
    trained on. ``constant``: see :func:`~featprobe.probes.single_class.constants`. ``thresholds``:
    of decisions, as in the Result. None, and nothing is written, for a head that is no logistic
    probe: attention pooling, or values.
    """
    head = network.head
    if not isinstance(head.linear, nn.Linear) or subject.task == "regression":
        return None
    probe = LogisticProbe.of(
        _doubles(head.linear.weight), _doubles(head.linear.bias),
        Standardizer(_doubles(head.mean), _doubles(head.scale)), subject.task == "multilabel",
    )  # fmt: skip
    if constant is not None:
        probe._constant = constant
    features = Images(backbone, dataset, subject.frames, network.wanted, subject.key.precision)
    return save_probe(probe, file, source_of_subject(features, view.name, view.pool, thresholds))


def _doubles(values: Tensor) -> np.ndarray:
    return values.detach().cpu().double().numpy()
