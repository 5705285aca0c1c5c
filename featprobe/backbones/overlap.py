"""Whether a backbone has seen a data set in its training."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from featprobe.backbones.plugins import models


def seen_in_pretraining(backbone: str, dataset: str) -> str:
    """Why results of a backbone on a data set are not those of unseen data; empty if not known.

    ``backbone``: as it was named for loading, a name of the catalog or a hub id that it lists.
    ``dataset``: its name in the catalog; MedMNIST's files with a size in their name count too.
    """
    known = models()
    spec = known.get(backbone)
    specs = [spec] if spec else [s for s in known.values() if s.source and s.source == backbone]
    name = _sizeless(dataset)
    return next((s.overlap[name] for s in specs if name in s.overlap), "")


def seen_in_training(origin: Mapping[str, Any], dataset: str) -> str:
    """As :func:`seen_in_pretraining`, of a backbone by its ``origin``, with what it was tuned on.

    The origin of an exported backbone has ``about``, with the ``dataset`` that it was fine-tuned
    on, and ``from``, the origin of what it was made of. Random weights have seen nothing.
    """
    tuned = str((origin.get("about") or {}).get("dataset") or "")
    if tuned and _sizeless(tuned) == _sizeless(dataset):
        return "it was fine-tuned on the training items of this data set"
    if "about" in origin:
        return seen_in_training(origin.get("from") or {}, dataset)
    if origin.get("init") == "random":
        return ""
    return seen_in_pretraining(str(origin.get("name", "")), dataset)


def _sizeless(dataset: str) -> str:
    """The name of a data set without MedMNIST's size."""
    return re.sub(r"(mnist(?:3d)?)_\d+$", r"\1", dataset)
