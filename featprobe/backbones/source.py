"""Where a backbone comes from, and what loading it yields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from featprobe.backbones.base import Adapter
from featprobe.backbones.formats.reading import read_checkpoint, trimmed
from featprobe.backbones.spec import ModelSpec, Preprocess
from featprobe.core.errors import InputError
from featprobe.core.paths import expanded


@dataclass(frozen=True)
class Source:
    """A backbone named by its user, resolved but not loaded.

    ``text``: what was written; ``label``: for tables and folders; ``place``: a hub id, a folder or
    a name with a library's scheme, empty where only a checkpoint file exists. ``preprocess``
    overrides what the place holds. ``weights``: a checkpoint file, or a backbone's and its head's.
    ``strip_prefix`` and ``ignore_keys``: see :func:`~featprobe.backbones.formats.reading.trimmed`.
    """

    text: str
    label: str
    place: str
    spec: ModelSpec | None = None
    preprocess: Preprocess | None = None
    revision: str | None = None
    weights: tuple[Path, ...] = ()
    init: str | None = None
    seed: int = 0
    strip_prefix: str = ""
    ignore_keys: tuple[str, ...] = ()

    @property
    def folder(self) -> Path | None:
        """The place, when it is a folder on this machine."""
        path = expanded(self.place)
        return path if self.place and path.is_dir() else None

    def state(self, path: Path, dropped: list[str]) -> dict[str, Any]:
        """The content of a checkpoint file without what the user says is around the network."""
        state = read_checkpoint(path)
        kept, ignored = trimmed(state, self.strip_prefix, self.ignore_keys, str(path))
        dropped.extend(ignored)
        return kept

    def about(self, dropped: list[str]) -> dict[str, Any]:
        """What provenance says of keys: the options, and what of the file is not used."""
        notes: dict[str, Any] = {"dropped": dropped} if dropped else {}
        notes |= {"strip_prefix": self.strip_prefix} if self.strip_prefix else {}
        return notes | ({"ignore_keys": list(self.ignore_keys)} if self.ignore_keys else {})


@dataclass
class Loaded:
    """What a library gave: ``config`` in JSON values, ``origin`` for provenance."""

    module: nn.Module
    adapter: Adapter
    preprocess: Preprocess
    config: dict[str, Any] = field(default_factory=dict)
    origin: dict[str, Any] = field(default_factory=dict)


@contextmanager
def drawn(seed: int) -> Iterator[None]:
    """Weights built inside follow the seed; the caller's random state stays as it is."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def account(
    where: str, missing: Iterable[str], surplus: Iterable[str], reshaped: Iterable[str]
) -> None:
    """Refuse weights of which any key is missing, unexpected or of another shape, naming them."""
    parts = []
    for what, found in (
        ("missing", missing),
        ("unexpected", surplus),
        ("of another shape", reshaped),
    ):
        keys = sorted(found)
        if keys:
            more = ", ..." if len(keys) > 4 else ""
            parts.append(f"{len(keys)} {what} ({', '.join(keys[:4])}{more})")
    if parts:
        raise InputError(f"{where}: the weights do not fit: {'; '.join(parts)}")


def strictly(module: nn.Module, state: dict[str, Any], where: str) -> None:
    """Load a state dict of which every key must be there and fit."""
    own = module.state_dict()
    reshaped = [
        f"{k} {tuple(state[k].shape)} for {tuple(own[k].shape)}"
        for k in own.keys() & state.keys()
        if own[k].shape != state[k].shape
    ]
    account(where, own.keys() - state.keys(), state.keys() - own.keys(), reshaped)
    module.load_state_dict(state)
