"""Which command makes a result, for messages that say what to run again."""

from __future__ import annotations

OWN = ("knn", "finetune", "zeroshot", "ensemble")  # probes that are called as their verbs
OF_PROTOCOL = ("fewshot", "transfer")


def command_of(probe: str, protocol: str, task: str) -> str:
    """``featprobe linear --probe sgd``: the verb, with what it needs to be told of the probe."""
    if task == "segmentation" and probe != "finetune":
        return "featprobe segment"
    verb = protocol if protocol in OF_PROTOCOL else "linear"
    if verb == "linear" and probe in OWN:
        return f"featprobe {probe}"
    return f"featprobe {verb}" + ("" if probe == "logistic" else f" --probe {probe}")
