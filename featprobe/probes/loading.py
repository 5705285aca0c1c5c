"""Fitted probes from the files that :mod:`featprobe.probes.saving` writes; nothing in a file is
run.
"""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass, field, is_dataclass
from typing import Any

import numpy as np

from featprobe.core.errors import InputError
from featprobe.probes.base import Probe
from featprobe.probes.registry import PROBES
from featprobe.probes.saving import FORMAT_VERSION, HEADER, FeatureSource
from featprobe.probes.sealed import damage_named, read_sealed


@dataclass(frozen=True)
class SavedProbe:
    """What a file holds: the probe, and of which features it is, where that was said."""

    probe: Probe
    features: FeatureSource | None
    versions: dict[str, str] = field(default_factory=dict)


def load_probe(path: str | os.PathLike[str]) -> Probe:
    """The probe of a file that :func:`save_probe` wrote; it predicts bit for bit as it did.

    Raises what :func:`read_saved` does.
    """
    return read_saved(path).probe


def read_saved(path: str | os.PathLike[str]) -> SavedProbe:
    """A saved probe with what is known of its features.

    Raises :class:`MissingPath`, or :class:`StoreError` for a file that is damaged, foreign or of a
    newer version; no code in the file is run.
    """
    file, header, tensors = read_sealed(path, HEADER, FORMAT_VERSION, "probe")
    with damage_named(file, "probe"):
        probe = _Reader(tensors).probe(header["probe"])
        source = header["features"]
        if source is not None:
            source = FeatureSource.from_dict(source)
    return SavedProbe(probe, source, {"featprobe": str(header.get("featprobe"))})


class _Reader:
    """The inverse of :class:`_Writer`.

    Classes come from the registry of probes, and dataclasses from the packages of these alone.
    """

    def __init__(self, tensors: dict[str, np.ndarray]) -> None:
        self.tensors = tensors
        self.packages = {"featprobe"}

    def probe(self, saved: dict[str, Any]) -> Probe:
        kind: type[Probe] = PROBES.get(saved["name"])
        self.packages.add(kind.__module__.partition(".")[0])
        probe = kind(**{k: self.value(v) for k, v in saved["params"].items()})
        vars(probe).update({k: self.value(v) for k, v in saved["learnt"].items()})
        return probe

    def value(self, v: Any) -> Any:
        if isinstance(v, list):
            return [self.value(x) for x in v]
        if not isinstance(v, dict):
            return v
        ((kind, held),) = v.items()
        match kind:
            case "$array":
                name, transposed = held
                # an array of its own, aligned as numpy aligns: products round as before saving
                found = self.tensors[name].copy()
                return found.T if transposed else found
            case "$text":
                kind, shape, flat = held
                return np.array(flat, dtype=kind).reshape(shape)
            case "$objects":
                shape, flat = held
                objects = np.empty(len(flat), dtype=object)
                objects[:] = self.value(flat)
                return objects.reshape(shape)
            case "$scalar":
                return self.value(held)[()]
            case "$tuple":
                return tuple(self.value(x) for x in held)
            case "$dict":
                return {self.value(k): self.value(x) for k, x in held}
            case "$probe":
                return self.probe(held)
            case "$dataclass":
                return self._dataclass(*held)
        raise InputError(f"it holds values of a kind {kind!r} that is not known here")

    def _dataclass(self, module: str, name: str, values: dict[str, Any]) -> Any:
        kind = None
        if module.partition(".")[0] in self.packages:
            kind = getattr(importlib.import_module(module), name, None)
        if not (isinstance(kind, type) and is_dataclass(kind)):
            raise InputError(f"it holds a {module}.{name}, which is no dataclass of a probe here")
        return kind(**{k: self.value(x) for k, x in values.items()})
