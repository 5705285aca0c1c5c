"""Every registered probe in a setting that suits tests of a few dozen rows, run many times."""

from __future__ import annotations

from typing import Any

from featprobe.probes.base import Probe
from featprobe.probes.registry import PROBES

QUICK: dict[str, dict[str, Any]] = {
    "attentive": {"width": 8, "weight_decay": 0.01, "lr": 0.03, "epochs": 8, "device": "cpu"},
    "calibrated": {"probe": "prototype"},
    "knn": {"k": 3},
    "logistic": {"Cs": 1.0},
    "mlknn": {"k": 3},
    "mlp": {"width": 16, "weight_decay": 0.01, "lr": 0.03, "epochs": 15, "device": "cpu"},
    "sgd": {"lr": 0.1, "iterations": 50, "device": "cpu"},
    "smoothed": {"probe": "prototype", "k": 3},
    "transformer": {
        "depth": 1, "width": 16, "lr": 0.01, "batch": 16, "epochs": 20, "device": "cpu",
    },
}  # fmt: skip


def quick(name: str) -> Probe:
    """The probe of that name, unfitted."""
    made: Probe = PROBES.get(name)(**QUICK.get(name, {}))
    return made
