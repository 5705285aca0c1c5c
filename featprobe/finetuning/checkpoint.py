"""A training on disk: whole or not at all, and refused by any other training."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from featprobe.core.atomic import written_aside
from featprobe.core.errors import InputError, StoreError, reason
from featprobe.finetuning.network import Network
from featprobe.finetuning.state import TrainState

FORMAT = 1


def weights_of(state: TrainState) -> dict[str, Tensor]:
    """Name -> copy on the CPU of all that training changes, and of the whole head."""
    network = state.network
    moving = {id(b) for module in state.trainable.live for b in module.buffers()}
    out: dict[str, Tensor] = {}
    for name, p in network.named_parameters():
        if p.requires_grad or name.startswith("head."):
            out[name] = p
    for name, b in network.named_buffers():
        if id(b) in moving or name.startswith("head."):
            out[name] = b
    return {name: t.detach().cpu().clone() for name, t in out.items()}


@torch.no_grad()
def load_weights(network: Network, values: dict[str, Tensor]) -> None:
    """The inverse of :func:`weights_of`."""
    own = dict(network.named_parameters()) | dict(network.named_buffers())
    for name, value in values.items():
        own[name].copy_(value)


def write(state: TrainState) -> None:
    """Save a trial to its file, which appears under its name once it is complete.

    Of one that has ended the weights are those to be kept, and nothing else is needed.
    """
    file, ended, average = state.experiment.file, state.ended, state.average
    scaler = None if ended else state.experiment.accelerator.scaler
    values = {
        "format": FORMAT,
        "spec": state.experiment.spec,
        "weights": weights_of(state),
        "optimizer": None if ended else state.optimizer.state_dict(),
        "average": [] if average is None or ended else average.values,
        "averaged": 0 if average is None or ended else average.steps,
        "scaler": None if scaler is None else scaler.state_dict(),
        "state": {**state.values(), "best": {} if ended else state.best},
    }
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with written_aside(file) as aside, open(aside, "wb") as f:
            torch.save(values, f)
            f.flush()
            os.fsync(f.fileno())
    except (OSError, RuntimeError) as error:  # torch's of a write that fails is no OSError
        cause = error.__context__ if isinstance(error.__context__, OSError) else error
        raise InputError(
            f"{file}: the training cannot be kept ({reason(cause)}); make room, or name another "
            "folder by --run"
        ) from error


def read(state: TrainState) -> None:
    """Put a saved trial back; :class:`InputError` when it is of another one, saying how.

    Raises :class:`StoreError` for a damaged file.
    """
    file, scaler = state.experiment.file, state.experiment.accelerator.scaler
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
    refuse_other(file, old, state.experiment.spec)
    load_weights(state.network, weights)
    if saved["optimizer"] is not None:
        state.optimizer.load_state_dict(saved["optimizer"])
    if state.average is not None and saved["average"]:
        state.average.restore(saved["average"], saved["averaged"])
    if scaler is not None and saved["scaler"]:
        scaler.load_state_dict(saved["scaler"])
    state.restore(saved["state" if "state" in saved else "standing"])  # of earlier versions


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
        text = f"its head has {sides[0]} outputs, this data set asks for {sides[1]}"
    else:
        parts = [(old.get(k), spec.get(k), k) for k in fields]
        inner = [
            f"{k} {a.get(n)} for {b.get(n)}" if k == "training" else n
            for a, b, k in parts if isinstance(a, dict) and isinstance(b, dict)
            for n in b if a.get(n) != b[n]
        ]  # fmt: skip
        text = f"different: {', '.join(inner or fields)}"
    raise InputError(
        f"{file}: a checkpoint of another training ({text}); leave --run out, or name another "
        "folder"
    )
