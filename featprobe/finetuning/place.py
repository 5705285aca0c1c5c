"""Where a training is kept, and what it depends on, by which it is found again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from featprobe.core.errors import InputError, reason
from featprobe.core.fingerprint import digest, try_folder
from featprobe.evaluation.fitted import Data
from featprobe.finetuning.images import Images
from featprobe.finetuning.recipes.base import Recipe
from featprobe.finetuning.settings import Training

if TYPE_CHECKING:
    from accelerate import Accelerator

FORMAT = 1


def spec_of(
    subject: Images, data: Data, recipe: Recipe, t: Training, subset: float,
    accelerator: Accelerator,
) -> dict[str, Any]:  # fmt: skip
    """Everything that the weights depend on but the learning rate, as JSON values."""
    return {
        "format": FORMAT,
        "key": subject.key.to_dict(),
        "labels": subject.items.labels_digest,
        "split": data.split.to_dict(data.ids, data.groups)["digest"],
        "task": data.task,
        "classes": list(subject.classes),
        "recipe": recipe.name,
        "options": recipe.to_dict(),
        "training": {k: v for k, v in t.to_dict().items() if k != "lr"},
        "select": data.criterion.by,
        "subset": subset,
        "processes": accelerator.num_processes,
        "device": accelerator.device.type,
    }


def folder_of(root: Path, subject: Images, recipe: Recipe, spec: dict[str, Any]) -> Path:
    """Where a training with this :func:`spec_of` is kept in a cache."""
    name = f"{subject.backbone.replace('/', '_')}-{recipe.name}-{digest(spec)[:12]}"
    return root / "finetuned" / subject.dataset / name


def writable(place: Path) -> None:
    """Refuse a folder that nothing can be kept in before anything is computed."""
    others = place.is_dir() and any(not f.name.startswith(".") for f in place.iterdir())
    if others and not any(place.glob("lr=*.pt")):
        raise InputError(f"{place}: holds other things than a training; give a new folder by --run")
    try:
        try_folder(place)
    except OSError as error:
        raise InputError(
            f"{place}: the training cannot be kept there ({reason(error)}); name another folder "
            "by --run"
        ) from error
