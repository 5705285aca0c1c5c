"""Weights files to tensors; nothing in a file is ever run."""

from __future__ import annotations

import argparse
import pathlib
import re
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from featprobe.core.errors import InputError, MissingPath, reason


def _harmless() -> list[Any]:
    """Types that training code saves beside its tensors; building one has no effect.

    Settings (argparse, paths, yacs as a plain dictionary) and numpy's scalars and arrays.
    """
    dtypes = {type(np.dtype(c)) for c in "?bBhHiIlLqQefd"}
    core = np._core.multiarray  # type: ignore[attr-defined]
    names = [
        (getattr(core, name), f"numpy.{package}.multiarray.{name}")
        for name in ("scalar", "_reconstruct")
        for package in ("core", "_core")
    ]
    paths: list[Any] = [
        (pathlib.PurePosixPath, f"pathlib{sub}.{name}")
        for sub in ("", "._local")
        for name in ("PosixPath", "PurePosixPath")
    ]
    windows: list[Any] = [
        (pathlib.PureWindowsPath, f"pathlib{sub}.{name}")
        for sub in ("", "._local")
        for name in ("WindowsPath", "PureWindowsPath")
    ]
    settings = [argparse.Namespace, (OrderedDict, "yacs.config.CfgNode")]
    return [*settings, *paths, *windows, *names, *dtypes, np.dtype, np.ndarray]


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """The tensors of a weights file, as nested as it has them, on the CPU.

    ``.safetensors``, or anything that ``torch.save`` wrote. Raises
    :class:`~featprobe.core.errors.InputError` for a file that is damaged, holds Python objects
    other than tensors and settings, or is no checkpoint.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path}: a folder; give the weights file in it")
    if not path.exists():
        raise MissingPath(f"{path}: no such weights file")
    try:
        with path.open("rb") as f:
            head = f.read(64)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {reason(error)}") from error
    if not head:
        raise InputError(f"{path}: an empty file; download or copy it again")
    if head.startswith(b"version https://git-lfs"):
        raise InputError(f"{path}: a Git LFS pointer, not the weights; run 'git lfs pull'")
    state = _safetensors(path) if path.suffix == ".safetensors" else _torch(path, head)
    if isinstance(state, Mapping) and tensors(state):
        return dict(state)
    what = "no tensors" if isinstance(state, Mapping) else f"a {type(state).__name__}"
    raise InputError(f"{path}: holds {what}, not weights by name (a state dict)")


def trimmed(
    state: Mapping[str, Any], strip_prefix: str, ignore_keys: Sequence[str], where: str
) -> tuple[dict[str, Any], list[str]]:
    """A state without what a user says is around the network, and the keys that were ignored.

    ``strip_prefix`` is taken from the beginning of keys, which it may follow a name such as
    ``state_dict``; keys without it stay as they are. ``ignore_keys``: patterns as of a shell
    (``head.*``), of whole keys or what is behind such a name or the prefix. Raises
    :class:`InputError` for one that no key has, naming some keys of the file.
    """
    flat = tensors(state)
    if not strip_prefix and not ignore_keys:
        return dict(state), []
    prefix = re.compile(r"(?:(?:state_dict|model|module)\.)*?" + re.escape(strip_prefix))
    names = {key: prefix.sub("", key, count=1) if prefix.match(key) else key for key in flat}
    some = ", ".join(list(flat)[:3])
    if strip_prefix and names == {key: key for key in flat}:
        raise InputError(
            f"{where}: no key begins with {strip_prefix!r} (--strip-prefix); its keys are {some}, "
            "..."
        )
    ignored: list[str] = []
    for pattern in ignore_keys:
        found = [
            key
            for key, name in names.items()
            if any(fnmatchcase(text, form) for text in (key, name) for form in _forms(pattern))
        ]
        if not found:
            raise InputError(
                f"{where}: no key is like {pattern!r} (--ignore-keys); its keys are {some}, ..."
            )
        ignored += found
    return {name: flat[key] for key, name in names.items() if key not in ignored}, ignored


def _forms(pattern: str) -> tuple[str, str]:
    return pattern, f"state_dict.{pattern}"


def tensors(state: Mapping[Any, Any]) -> dict[str, Tensor]:
    """The tensors of nested dictionaries by dotted key; everything else is left out."""
    flat: dict[str, Tensor] = {}
    for key, value in state.items():
        if isinstance(value, Tensor):
            flat[str(key)] = value
        elif isinstance(value, Mapping):
            flat |= {f"{key}.{inner}": t for inner, t in tensors(value).items()}
    return flat


def _safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(
            f"{path}: damaged or no safetensors file: {reason(error)}; download or copy it again"
        ) from error


def _torch(path: Path, head: bytes) -> Any:
    try:
        zipped = zipfile.is_zipfile(path)  # raises for some damage
        with torch.serialization.safe_globals(_harmless()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except Exception as error:  # a damaged pickle can fail in any way
        text = str(error)
        if found := re.search(r"GLOBAL ([\w.]+)", text):
            raise InputError(
                f"{path}: holds Python objects ({found.group(1)}), which could run code and are "
                "not loaded; save its tensors alone as .safetensors where the file is trusted"
            ) from None
        if head.startswith((b"PK\x03\x04", b"\x80\x02")) and "magic number" not in text:
            raise InputError(
                f"{path}: truncated or damaged checkpoint; download or copy it again"
            ) from error
        raise InputError(
            f"{path}: not a checkpoint: neither safetensors nor a file of torch.save"
        ) from error
