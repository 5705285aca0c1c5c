"""Which command makes a result, for messages that say what to run again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from featprobe.evaluation.results import Result

OWN = ("knn", "finetune", "zeroshot", "ensemble")  # probes that are called as their verbs
OF_PROTOCOL = ("fewshot", "transfer")


def command_of(r: Result) -> str:
    """``featprobe linear --probe sgd``: the verb, with what it needs to be told of the probe."""
    if r.task == "segmentation" and r.probe != "finetune":
        return "featprobe segment"
    verb = next((v for v in OF_PROTOCOL if r.protocol == v), "linear")
    if verb == "linear" and r.probe in OWN:
        return f"featprobe {r.probe}"
    return f"featprobe {verb}" + ("" if r.probe == "logistic" else f" --probe {r.probe}")
