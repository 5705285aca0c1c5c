"""The named backbones. A table: listing it imports no torch."""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any

from featprobe.backbones import entries
from featprobe.backbones.spec import ModelSpec
from featprobe.core.errors import InputError


def merge(groups: Iterable[Iterable[ModelSpec]]) -> dict[str, ModelSpec]:
    """Entries of several groups by name; :class:`InputError` where two share one."""
    out: dict[str, ModelSpec] = {}
    for group in groups:
        for spec in group:
            if spec.name in out:
                raise InputError(f"two backbones are called {spec.name!r}")
            out[spec.name] = spec
    return out


def _groups() -> Iterable[Iterable[ModelSpec]]:
    """Every module below ``entries`` is a group: adding one is adding a file."""
    for module in sorted(m.name for m in pkgutil.iter_modules(entries.__path__)):
        yield import_module(f"{entries.__name__}.{module}").ENTRIES


CATALOG: dict[str, ModelSpec] = merge(_groups())


def seen_in_pretraining(backbone: str, dataset: str) -> str:
    """Why results of a backbone on a data set are not those of unseen data; empty if not known.

    ``backbone``: as it was named for loading, a name of the catalog or a hub id that it lists.
    ``dataset``: its name in the catalog; MedMNIST's files with a size in their name count too.
    """
    spec = CATALOG.get(backbone)
    specs = [spec] if spec else [s for s in CATALOG.values() if s.source and s.source == backbone]
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
