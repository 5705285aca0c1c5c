"""Fitted probes in files: safetensors with JSON metadata, and nothing that runs code when read.

A file holds the probe's name in the registry, its constructor's parameters, what it has learnt, and
optionally of which features (:class:`FeatureSource`). Values are JSON, with arrays as tensors;
what JSON lacks is written as an object with one key that begins with ``$``. See docs/format.md.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from featprobe.core._version import __version__
from featprobe.core.atomic import written_aside
from featprobe.core.errors import InputError, reason
from featprobe.core.fingerprint import array_digest, digest
from featprobe.core.paths import expanded
from featprobe.probes.registry import PROBES

FORMAT_VERSION = 1
HEADER = "featprobe-probe"
SUFFIX = ".safetensors"
# of a FeatureSource, which the first files do not have
LATER = ("thresholds", "kinds", "parts", "augmented")


@dataclass(frozen=True)
class FeatureSource:
    """Of which features a probe was made, and what its columns are called.

    ``backbone``: the name in tables; ``origin``: where its weights come from, as the store's
    provenance says; ``key``: the store's FeatureKey as a dict. ``classes``: names of the columns,
    in order; none for values. ``thresholds``: class -> that of its score for decisions, where some
    were chosen. ``kinds``: which readers the items of training had, empty where it is not known.
    ``parts``: of joined features, those of each part. ``augmented``: whether scores are means over
    the augmented views of the key.
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
    kinds: tuple[str, ...] = ()
    parts: dict[str, FeatureSource] = field(default_factory=dict)
    augmented: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Its fields, without those that earlier versions do not know where they are empty."""
        values = asdict(self) | {"parts": {n: part.to_dict() for n, part in self.parts.items()}}
        return {k: v for k, v in values.items() if k not in LATER or v}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> FeatureSource:
        """The inverse of :meth:`to_dict`, also of what earlier versions wrote."""
        lists = {n: tuple(values.get(n, ())) for n in ("classes", "kinds")}
        parts = {name: cls.from_dict(part) for name, part in values.get("parts", {}).items()}
        return cls(**{**values, **lists, "parts": parts})


class Savable:
    """What can be saved: a fitted estimator that the registry of probes has a name for.

    ``rebuilt``: names of attributes that are made anew when they are wanted, and not saved.
    """

    name: ClassVar[str]
    rebuilt: ClassVar[tuple[str, ...]] = ()

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Constructor arguments."""
        raise NotImplementedError

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the fitted probe to a ``.safetensors`` file; ``featprobe.load_probe`` reads it.

        Raises what :func:`save_probe` does.
        """
        return save_probe(self, path)


def save_probe(
    probe: Savable, path: str | os.PathLike[str], features: FeatureSource | None = None
) -> Path:
    """Write a fitted probe to a ``.safetensors`` file, whole or not at all; returns its path.

    Raises :class:`InputError` for a probe that is not fitted, that holds what cannot be saved, or
    whose class has no name, and for a place that cannot be written.
    """
    file = expanded(path)
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
        "features": None if features is None else features.to_dict(),
    }
    write_sealed(file, HEADER, header, writer.tensors)
    return file


def write_sealed(
    file: Path, kind: str, header: dict[str, Any], tensors: dict[str, np.ndarray]
) -> None:
    """Write arrays, a header in JSON values under ``kind``, and the digest of both, whole or not
    at all.

    Raises :class:`InputError` for a place that cannot be written.
    """
    from safetensors.numpy import save

    text = json.dumps(header)
    payload = save(tensors, metadata={kind: text, "seal": seal(text, tensors)})
    try:
        with written_aside(file) as aside:
            aside.write_bytes(payload)
    except OSError as error:
        raise InputError(f"{file}: cannot be written: {reason(error)}") from error


def seal(text: str, tensors: dict[str, np.ndarray]) -> str:
    """Digest of a file's contents; safetensors has no checksum of its own."""
    return digest([text, {n: array_digest(v) for n, v in tensors.items()}])


def _check_classes(probe: Savable, features: FeatureSource) -> None:
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

    def probe(self, probe: Savable) -> dict[str, Any]:
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
        if isinstance(v, Savable):
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
