"""The named backbones. A table: listing it imports no torch."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable
from importlib import import_module

from featprobe.backbones import entries
from featprobe.backbones.authors import with_authors
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


CATALOG: dict[str, ModelSpec] = merge(with_authors(group) for group in _groups())
