"""A training on disk: whole or not at all, and refused by any other training."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from featprobe.core.errors import InputError, StoreError, reason
from featprobe.finetuning.average import Average
from featprobe.finetuning.network import Network

FORMAT = 1


@dataclass
class State:
    """What changes while a network trains."""

    network: Network
    live: list[nn.Module]
    optimizer: Any
    average: Average | None
    scaler: Any = None


@dataclass
class Standing:
    """Where a training stands: what a checkpoint keeps beside weights and optimizer.

    ``history``: an entry an epoch; ``best``: the weights of the best epoch; ``total``: the sum of
    the losses of the ``counted`` steps of this epoch so far; ``top``: the best merit on val
    (:class:`~featprobe.probes.selection.Criterion`), of ``best_step``; ``waited``: epochs since
    then. ``merit`` and ``val``, the ranking metric: of the weights to be kept, the best or the
    last. ``judging``: of the ``seconds``, those that went into looking at val. ``done``: patience
    is over; ``ended``: the network holds the weights to be kept.
    """

    step: int = 0
    total: float = 0.0
    counted: int = 0
    seconds: float = 0.0
    judging: float = 0.0
    peak: int = 0
    waited: int = 0
    top: tuple[float, float] = (-math.inf, -math.inf)
    best_step: int = 0
    merit: tuple[float, float] = (-math.inf, -math.inf)
    val: float = math.nan
    best: dict[str, Tensor] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    done: bool = False
    ended: bool = False


def kept(network: Network, live: Iterable[nn.Module]) -> dict[str, Tensor]:
    """Name -> copy on the CPU of all that training changes, and of the whole head."""
    moving = {id(b) for module in live for b in module.buffers()}
    out: dict[str, Tensor] = {}
    for name, p in network.named_parameters():
        if p.requires_grad or name.startswith("head."):
            out[name] = p
    for name, b in network.named_buffers():
        if id(b) in moving or name.startswith("head."):
            out[name] = b
    return {name: t.detach().cpu().clone() for name, t in out.items()}


@torch.no_grad()
def put_back(network: Network, values: dict[str, Tensor]) -> None:
    """The inverse of :func:`kept`."""
    own = dict(network.named_parameters()) | dict(network.named_buffers())
    for name, value in values.items():
        own[name].copy_(value)


def write(file: Path, state: State, standing: Standing, spec: dict[str, Any]) -> None:
    """Save a training, under the name of ``file`` once it is complete.

    Of one that has ended the weights are those to be kept, and its optimizer is not needed.
    """
    values = {
        "format": FORMAT,
        "spec": spec,
        "weights": kept(state.network, state.live),
        "optimizer": None if standing.ended else state.optimizer.state_dict(),
        "average": [] if state.average is None or standing.ended else state.average.values,
        "averaged": 0 if state.average is None else state.average.steps,
        "scaler": None if state.scaler is None else state.scaler.state_dict(),
        "standing": {**vars(standing), "best": {} if standing.ended else standing.best},
    }
    temporary = file.with_name(f".{file.name}.{os.getpid()}.partial")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as f:
            torch.save(values, f)
            f.flush()
            os.fsync(f.fileno())
        temporary.replace(file)
    except (OSError, RuntimeError) as error:  # torch's of a write that fails is no OSError
        cause = error.__context__ if isinstance(error.__context__, OSError) else error
        raise InputError(
            f"{file}: the training cannot be kept ({reason(cause)}); make room, or name another "
            "folder by --run"
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def read(file: Path, state: State, spec: dict[str, Any]) -> Standing:
    """Put a saved training back; :class:`InputError` when it is of another one, saying how.

    Raises :class:`StoreError` for a damaged file.
    """
    try:
        saved = torch.load(file, map_location="cpu", weights_only=True)
        version, old, weights = saved["format"], saved["spec"], saved["weights"]
    except Exception as error:  # a damaged archive fails in any way
        raise StoreError(
            f"{file}: a damaged checkpoint ({reason(error)}); delete it to train anew"
        ) from error
    if version != FORMAT:
        raise StoreError(
            f"{file}: a checkpoint of format {version}, this version of featprobe has {FORMAT}; "
            "delete it to train anew"
        )
    refuse_other(file, old, spec)
    put_back(state.network, weights)
    if saved["optimizer"] is not None:
        state.optimizer.load_state_dict(saved["optimizer"])
    if state.average is not None and saved["average"]:
        for value, other in zip(state.average.values, saved["average"], strict=True):
            value.copy_(other)
        state.average.steps = saved["averaged"]
    if state.scaler is not None and saved["scaler"]:
        state.scaler.load_state_dict(saved["scaler"])
    return Standing(**saved["standing"])


def refuse_other(file: Path, old: dict[str, Any], spec: dict[str, Any]) -> None:
    """Raise :class:`InputError` where a checkpoint is of another training, naming what differs."""
    fields = sorted(k for k in old.keys() | spec.keys() if old.get(k) != spec.get(k))
    if not fields:
        return
    if "classes" in fields:
        sides = [
            f"{len(s.get('classes', ()))} ({', '.join(map(str, s.get('classes', ())[:4]))})"
            for s in (old, spec)
        ]
        told = f"its head has {sides[0]} outputs, this data set asks for {sides[1]}"
    else:
        parts = [(old.get(k), spec.get(k), k) for k in fields]
        inner = [
            f"{k} {a.get(n)} for {b.get(n)}" if k == "training" else n
            for a, b, k in parts if isinstance(a, dict) and isinstance(b, dict)
            for n in b if a.get(n) != b[n]
        ]  # fmt: skip
        told = f"different: {', '.join(inner or fields)}"
    raise InputError(
        f"{file}: a checkpoint of another training ({told}); leave --run out, or name another "
        "folder"
    )
