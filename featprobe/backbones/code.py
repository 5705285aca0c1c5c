"""The code of a user's own backbone, as a digest: equal weights may run through other code.

Networks that featprobe loads are told apart by their weights and configuration. One made in Python
is also what its classes and its adapter do, of which neither says anything.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from featprobe.core.fingerprint import digest
from featprobe.core.source import PLAIN, source_of

# Packages whose code is not looked into: versions of them are in the provenance of a store.
KNOWN = {
    "featprobe", "torch", "torchvision", "transformers", "timm", "open_clip", "peft", "numpy",
    "builtins", "functools", "collections", "types", "typing",
}  # fmt: skip
DEPTH = 6  # objects within objects that are looked into


def code_digest(module: nn.Module, adapter: Any) -> str:
    """16 hex digits of what a network and its adapter do, apart from parameters and buffers.

    Of every class and function that is not from :data:`KNOWN` the source, without comments and
    layout; of modules and of the adapter the plain values they hold (a stride, the path of a norm).
    What a function reads from elsewhere in its file is not seen.
    """
    parts = {
        path: {"class": _kind(type(part)), "values": _plain(vars(part)), "own": _own_forward(part)}
        for path, part in module.named_modules()
    }
    return digest({"module": parts, "adapter": describe(adapter)})[:16]


def describe(value: Any, depth: int = DEPTH) -> Any:
    """JSON values that differ where what is done differs; addresses in memory never enter."""
    if isinstance(value, PLAIN):
        return repr(value)
    if depth == 0 or isinstance(value, (torch.Tensor, nn.Module)):
        return _kind(type(value))
    if isinstance(value, Mapping):
        return {str(k): describe(v, depth - 1) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        found = [describe(v, depth - 1) for v in value]
        return sorted(found, key=str) if isinstance(value, (set, frozenset)) else found
    if isinstance(value, partial):
        return [describe(p, depth - 1) for p in (value.func, value.args, value.keywords)]
    if isinstance(value, type):
        return _kind(value)
    if inspect.ismethod(value):
        return [describe(value.__func__, depth - 1), describe(value.__self__, depth - 1)]
    if inspect.isfunction(value):
        held = [c.cell_contents for c in value.__closure__ or () if _filled(c)]
        return [_source(value), describe(held, depth - 1), describe(value.__defaults__, depth - 1)]
    if is_dataclass(value):
        inside = {f.name: getattr(value, f.name) for f in fields(value)}
        return [_kind(type(value)), describe(inside, depth - 1)]
    return [_kind(type(value)), describe(getattr(value, "__dict__", {}), depth - 1)]


def _kind(kind: type) -> list[Any]:
    """A class and its bases by name, with the source of those that are not of known packages."""
    return [_source(k) for k in kind.__mro__ if k is not object]


def _source(of: Any) -> str:
    name = f"{of.__module__}.{of.__qualname__}"
    if str(of.__module__).partition(".")[0] in KNOWN:
        return name
    return source_of(of)


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Public attributes that are plain values, or sequences of such."""
    found = {}
    for name, value in values.items():
        many = value if isinstance(value, (list, tuple)) else [value]
        public = not name.startswith("_") and name != "training"
        if public and all(isinstance(v, PLAIN) for v in many):
            found[name] = repr(value)
    return found


def _own_forward(part: nn.Module) -> Any:
    """A forward that was put on this one module, unless compiling did so."""
    own = vars(part).get("forward")
    own = getattr(own, "_torchdynamo_orig_callable", own)
    if own is None or getattr(own, "__func__", None) is type(part).forward:
        return None
    return describe(own, 2)


def _filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True
