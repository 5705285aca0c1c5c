"""What a line of the file of results has to hold, so that whoever shows it need not ask again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from featprobe.core.display import short
from featprobe.core.jsonvalues import conforms
from featprobe.core.options import annotations_of
from featprobe.metrics import measures as metrics


def check_parts(result: Any) -> None:
    """Raise ``TypeError`` or ``ValueError`` for a Result that is none, as changed by hand."""
    for place, value, kind in _parts(result):
        if not conforms(value, kind):
            raise TypeError(f"{place} is {short(value)}")
    metrics.names(result.task)  # InputError for one of no task
    _ = result.cell  # a digest: ValueError for infinite numbers among values of any kind


def _parts(result: Any) -> Iterator[tuple[str, Any, Any]]:
    """Name, value and annotation: of all fields, and of what is always in those of any values."""
    of: Any = type(result)
    kinds = annotations_of(of)
    for field in fields(result):
        yield field.name, getattr(result, field.name), kinds[field.name]
    for name in ("origin", "grouping"):
        yield f"split, {name}", result.split.get(name), str
    for name in ("train", "val", "test"):
        yield f"sizes, {name}", result.sizes.get(name), int
    for name_of, counts in result.class_sizes.items():
        for name in ("items", "patients"):
            yield f"class_sizes, {name_of}, {name}", counts.get(name), int
    yield "settings, seed", result.settings.get("seed"), int | None
    if result.shots is not None:
        yield "settings, tries", result.settings.get("tries"), int
    elif result.protocol == "cv":
        yield "settings, folds", result.settings.get("folds"), int
    key = result.provenance.get("key", {})
    yield "provenance, key", key, dict[str, Any]
    for name in ("preprocess", "recipe"):
        yield f"provenance, key, {name}", key.get(name, {}), dict[str, Any]
