"""Fitted probes in files: safetensors with JSON metadata, and nothing that runs code when read.

A file holds the probe's name in the registry, its constructor's parameters, what it has learnt, and
optionally of which features (:class:`FeatureSource`). Values are JSON, with arrays as tensors;
what JSON lacks is written as an object with one key that begins with ``$``. See docs/format.md.
"""

from __future__ import annotations

import importlib
import json
import os
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from featprobe._version import __version__
from featprobe.errors import FeatprobeError, InputError, MissingPath, StoreError, reason
from featprobe.fingerprint import array_digest, digest
from featprobe.probes.base import Probe
from featprobe.probes.named import PROBES

FORMAT_VERSION = 1
HEADER = "featprobe-probe"
SUFFIX = ".safetensors"


@dataclass(frozen=True)
class FeatureSource:
    """Of which features a probe was made, and what its columns are called.

    ``backbone``: the name in tables; ``origin``: where its weights come from, as the store's
    provenance says; ``key``: the store's FeatureKey as a dict. ``classes``: names of the columns,
    in order; none for values. ``thresholds``: class -> that of its score for decisions, where some
    were chosen.
    """

    dataset: str
    backbone: str
    origin: dict[str, Any]
    key: dict[str, Any]
    view: str
    pool: str
    task: str
    classes: tuple[str, ...] = ()
    thresholds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Saved:
    """What a file holds: the probe, and of which features it is, where that was said."""

    probe: Probe
    features: FeatureSource | None
    versions: dict[str, str] = field(default_factory=dict)


def save_probe(
    probe: Probe, path: str | os.PathLike[str], features: FeatureSource | None = None
) -> Path:
    """Write a fitted probe to a ``.safetensors`` file, whole or not at all; returns its path.

    Raises :class:`InputError` for a probe that is not fitted, that holds what cannot be saved, or
    whose class has no name, and for a place that cannot be written.
    """
    file = Path(path).expanduser()
    if file.suffix != SUFFIX:
        raise InputError(f"{file}: a saved probe is a file named *{SUFFIX}")
    if not hasattr(probe, "n_features_in_"):
        raise InputError(f"{type(probe).__name__} is not fitted yet: call fit before saving")
    if features is not None and features.classes:
        _check_classes(probe, features)
    writer = _Writer()
    header = {
        "format": FORMAT_VERSION,
        "featprobe": __version__,
        "probe": writer.probe(probe),
        "features": None if features is None else _said(features),
    }
    from safetensors.numpy import save

    text = json.dumps(header)
    payload = save(writer.tensors, metadata={HEADER: text, "seal": _seal(text, writer.tensors)})
    temporary = file.with_name(f".{file.name}.{os.getpid()}.partial")
    try:
        temporary.write_bytes(payload)
        temporary.replace(file)
    except OSError as error:
        raise InputError(f"{file}: cannot be written: {reason(error)}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return file


def _said(features: FeatureSource) -> dict[str, Any]:
    """Its fields; earlier versions do not know ``thresholds``, so none are not written."""
    return {k: v for k, v in asdict(features).items() if k != "thresholds" or v}


def load_probe(path: str | os.PathLike[str]) -> Probe:
    """The probe of a file that :func:`save_probe` wrote; it predicts bit for bit as it did.

    Raises what :func:`read_saved` does.
    """
    return read_saved(path).probe


def read_saved(path: str | os.PathLike[str]) -> Saved:
    """A saved probe with what is known of its features.

    Raises :class:`MissingPath`, or :class:`StoreError` for a file that is damaged, foreign or of a
    newer version; no code in the file is run.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise MissingPath(f"{file}: no such saved probe")
    from safetensors import safe_open

    try:
        with safe_open(file, framework="np") as f:
            metadata = f.metadata() or {}
            text = metadata.get(HEADER)
            tensors = {n: f.get_tensor(n) for n in f.keys()} if text else {}  # noqa: SIM118
    except Exception as error:  # safetensors raises classes of its own
        raise StoreError(f"{file}: not a readable saved probe ({reason(error)})") from error
    if text is None:
        raise StoreError(f"{file}: a safetensors file, but not a probe saved by featprobe")
    try:
        header = json.loads(text)
        version = header["format"]
        if not isinstance(version, int) or version > FORMAT_VERSION:
            raise StoreError(
                f"{file}: saved by featprobe {header.get('featprobe')} in format {version!r}; this "
                f"one reads up to {FORMAT_VERSION}: upgrade featprobe"
            )
        if metadata.get("seal") != _seal(text, tensors):
            raise StoreError(f"{file}: a damaged saved probe (it is not what was written)")
        probe = _Reader(tensors).probe(header["probe"])
        source = header["features"]
        if source is not None:
            source = FeatureSource(**{**source, "classes": tuple(source["classes"])})
    except FeatprobeError as error:
        raise StoreError(error if str(file) in str(error) else f"{file}: {error}") from error
    except Exception as error:  # a header that was tampered with fails in any way
        raise StoreError(f"{file}: a damaged saved probe ({reason(error)})") from error
    return Saved(probe, source, {"featprobe": str(header.get("featprobe"))})


def _seal(text: str, tensors: dict[str, np.ndarray]) -> str:
    """Digest of a file's contents; safetensors has no checksum of its own."""
    return digest([text, {n: array_digest(v) for n, v in tensors.items()}])


def _check_classes(probe: Probe, features: FeatureSource) -> None:
    codes = np.asarray(getattr(probe, "classes_", ()))
    count = len(features.classes)
    if codes.dtype.kind in "iu" and not ((codes >= 0) & (codes < count)).all():
        raise InputError(
            f"the probe was fitted to classes {codes.min()} to {codes.max()}, but "
            f"{features.dataset} has {count}, from 0; leave items of unknown class (-1) out of fit"
        )


class _Writer:
    """Values to JSON; arrays are collected in ``tensors``."""

    def __init__(self) -> None:
        self.tensors: dict[str, np.ndarray] = {}

    def probe(self, probe: Probe) -> dict[str, Any]:
        if probe.name not in PROBES or PROBES.get(probe.name) is not type(probe):
            raise InputError(
                f"{type(probe).__name__} cannot be saved: it has no name in the registry of probes"
            )
        params = probe.get_params(deep=False)
        learnt = {
            k: v for k, v in vars(probe).items() if k not in {*params, *probe.rebuilt, "criterion"}
        }
        where = type(probe).__name__
        return {
            "name": probe.name,
            "params": {k: self.value(v, f"{where}.{k}") for k, v in params.items()},
            "learnt": {k: self.value(v, f"{where}.{k}") for k, v in learnt.items()},
        }

    def value(self, v: Any, where: str) -> Any:
        if isinstance(v, np.generic):  # before float, of which np.float64 is one
            return {"$scalar": self.value(np.asarray(v), where)}
        if v is None or isinstance(v, (bool, int, float, str)):
            return v
        if isinstance(v, np.ndarray):
            return self._array(v, where)
        if isinstance(v, list):
            return [self.value(x, where) for x in v]
        if isinstance(v, tuple):
            return {"$tuple": [self.value(x, where) for x in v]}
        if isinstance(v, dict):
            pairs = [[self.value(k, where), self.value(x, where)] for k, x in v.items()]
            return {"$dict": pairs}
        if isinstance(v, Probe):
            return {"$probe": self.probe(v)}
        if is_dataclass(v) and not isinstance(v, type):
            kind = type(v)
            values = {f.name: self.value(getattr(v, f.name), where) for f in fields(v)}
            return {"$dataclass": [kind.__module__, kind.__qualname__, values]}
        raise InputError(f"{where} is a {type(v).__name__}, which no file of a probe can hold")

    def _array(self, v: np.ndarray, where: str) -> dict[str, Any]:
        if v.dtype.kind in "US":
            return {"$text": [v.dtype.str, v.shape, v.reshape(-1).tolist()]}
        if v.dtype.kind == "O":
            return {"$objects": [v.shape, self.value(v.reshape(-1).tolist(), where)]}
        if v.dtype.kind not in "biuf":
            raise InputError(f"{where} is an array of {v.dtype}, which no file of a probe can hold")
        name = f"{len(self.tensors)}:{where}"
        # sums over memory of another order round differently
        transposed = v.flags.f_contiguous and not v.flags.c_contiguous
        self.tensors[name] = np.array(v.T if transposed else v, order="C")
        return {"$array": [name, transposed]}


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
