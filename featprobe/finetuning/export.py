"""A fine-tuned backbone as a folder that every verb takes as a model.

A network of transformers becomes a folder of transformers: ``config.json``, ``model.safetensors``
and ``preprocessor_config.json``, which its own classes read. ``featprobe.json`` beside them is
described in :mod:`featprobe.backbones.exported`.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from featprobe.backbones.adapter_rules import BlipTower, SamAnySize
from featprobe.backbones.base import Backbone
from featprobe.backbones.checkpoints import quiet
from featprobe.backbones.exported import (
    FILE,
    FORMAT,
    PREPROCESS,
    PROMPTS,
    WEIGHTS,
    name_of,
    split_state,
)
from featprobe.backbones.families import FAMILIES
from featprobe.backbones.load import load_backbone
from featprobe.backbones.prompts import prompts_of
from featprobe.core._version import __version__
from featprobe.core.atomic import partial_name
from featprobe.core.errors import InputError, reason
from featprobe.core.jsonvalues import plain
from featprobe.core.paths import expanded

# Of the largest value of an output. Weights come back bit for bit, features need not: memory may be
# laid out otherwise, and kernels then add in another order. Each sum of n terms is off by about
# 6e-8 sqrt(n) of its size in float32, n being some thousands through tens of layers.
TOLERANCE = 1e-4
NAMED = 3  # weights in messages


UNVERIFIED = "-unverified"  # behind the name of a folder that is not read back as it was trained


@dataclass(frozen=True)
class Exported:
    """A backbone in its ``folder``.

    ``backbone``: as it is read from there, or where it cannot be read, as it was trained.
    ``problem``: what is not as it was trained, in one line; empty where all is.
    """

    folder: Path
    backbone: Backbone
    problem: str = ""


def export(
    backbone: Backbone, folder: str | os.PathLike[str], about: Mapping[str, Any]
) -> Exported:
    """Write a backbone to a folder from which ``load_backbone`` reads the same.

    ``about``: of the training, in JSON values: ``dataset``, the name of the data set that it was
    trained on, by which results on that data set are marked, and what else is to be known
    (``recipe``, ``result``). It becomes part of the ``origin`` of the backbone that is read.

    It is saved first and judged then. What was written is read back: weights, preprocessing and
    outputs must be the same, and features of one frame, to :data:`TOLERANCE`. Then it takes the
    place of an earlier export. Otherwise an earlier one stays, and what was written is kept beside
    it in a folder with :data:`UNVERIFIED` behind its name, see :attr:`Exported.problem`.

    Raises :class:`InputError` for a folder that holds something else and one that cannot be
    written. The network is in eval mode afterwards.
    """
    place = expanded(folder).absolute()
    unverified = place.with_name(place.name + UNVERIFIED)
    _refuse_others(place)
    _refuse_others(unverified)
    backbone.module.eval()
    backbone.channels_last(False)  # as it is read back, or it would round otherwise
    temporary = partial_name(place)
    try:
        temporary.mkdir(parents=True, exist_ok=True)
        _write(backbone, temporary, dict(about))
        _replace(temporary, unverified)
        read, problem = _read_back(backbone, unverified)
        if problem:
            text = f"{backbone.name}: {problem}; it is kept in {unverified}"
            return Exported(unverified, read, f"{text}, compare before you use it")
        _replace(unverified, place)
    except OSError as error:
        raise InputError(f"{place}: cannot be written: {reason(error)}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    read.name = name_of(place)
    read.origin |= {"name": str(place), "source": place.name}
    return Exported(place, read)


def _refuse_others(place: Path) -> None:
    """Refuse a place that holds anything but an earlier export."""
    if place.exists() and not place.is_dir():
        raise InputError(f"{place}: is a file; give a folder for the backbone")
    if place.is_dir() and any(place.iterdir()) and not (place / FILE).is_file():
        raise InputError(
            f"{place}: holds other files and is no earlier export; give a new or empty folder"
        )


def _write(backbone: Backbone, folder: Path, about: dict[str, Any]) -> None:
    state, prompts = split_state(backbone.module.state_dict())
    held: dict[str, Any] = {
        "format": FORMAT, "featprobe": __version__, "about": plain(about),
        "from": plain(backbone.origin),
    }  # fmt: skip
    if "model_type" not in backbone.config:
        held |= {"model": _model_name(backbone), "weights": WEIGHTS}
        save_file(state, folder / WEIGHTS)
    elif _is_plain(backbone):
        module: Any = backbone.module
        with quiet():
            module.save_pretrained(folder, state_dict=state)
    else:
        held["weights"] = WEIGHTS
        _whole_config(backbone).save_pretrained(folder)
        save_file(state, folder / WEIGHTS)
    if prompts:
        made = prompts_of(backbone.module)
        assert made is not None
        layers, number, _ = made.tokens.shape
        held["prompts"] = {"number": number, "deep": layers > 1}
        save_file(prompts, folder / PROMPTS)
    (folder / PREPROCESS).write_text(json.dumps(backbone.preprocess.to_hf(), indent=2) + "\n")
    (folder / FILE).write_text(json.dumps(held, indent=2, allow_nan=False) + "\n")


def _model_name(backbone: Backbone) -> str | None:
    """By which a library builds the architecture; None where there is no such name."""
    name = str(backbone.origin.get("model") or backbone.origin.get("name") or "")
    return None if Path(name).suffix in (".yaml", ".yml") else name or None


def _is_plain(backbone: Backbone) -> bool:
    """Whether transformers saves and loads the module as it is."""
    from transformers import PreTrainedModel

    module = backbone.module
    if not isinstance(module, PreTrainedModel) or FAMILIES[backbone.config["model_type"]].part:
        return False
    return not any(isinstance(m, SamAnySize) for m in module.modules())


def _whole_config(backbone: Backbone) -> Any:
    """The configuration from which the network is built as it was."""
    from transformers import AutoConfig

    config = AutoConfig.for_model(**backbone.config)
    if isinstance(backbone.module, BlipTower):
        projects = backbone.module.vision_proj is not None
        config.architectures = ["BlipForImageTextRetrieval" if projects else "BlipModel"]
    return config


def _read_back(backbone: Backbone, folder: Path) -> tuple[Backbone, str]:
    """The backbone that the folder gives, and how it differs from the one that was written.

    Where it gives none, whatever the reason, the one that was written, as if it were read.
    """
    try:
        read = load_backbone(folder).to(backbone.device)
    except Exception as error:  # of a library, too: what was trained must not be lost with it
        why = reason(error).replace(str(folder), "what was written")
        origin = {**backbone.origin, "name": str(folder)}
        return replace(backbone, origin=origin), f"its export cannot be read back: {why}"
    return read, _difference(backbone, read)


def _difference(backbone: Backbone, read: Backbone) -> str:
    """What of the one that was read is not as it was written, "" for nothing."""
    ours, theirs = backbone.module.state_dict(), read.module.state_dict()
    shared = ours.keys() & theirs.keys()
    others = sorted(ours.keys() ^ theirs.keys())
    others += [n for n in ours if n in shared and not _equal(ours[n], theirs[n])]
    parts = []
    if others:
        more = ", ..." if len(others) > NAMED else ""
        parts.append(f"weights ({', '.join(others[:NAMED])}{more})")
    parts += ["preprocessing"] if backbone.preprocess != read.preprocess else []
    parts += ["outputs"] if dict(backbone.outputs) != dict(read.outputs) else []
    if parts:
        return f"read back, its {' and '.join(parts)} differ"
    try:
        return _difference_of_features(backbone, read)
    except Exception as error:
        return f"read back, it does not run: {reason(error)}"


def _difference_of_features(backbone: Backbone, read: Backbone) -> str:
    """The same of the features of one frame of noise, beyond :data:`TOLERANCE`."""
    x = torch.rand(1, 3, *read.preprocess.size, generator=torch.Generator().manual_seed(0))
    one, other = (b.forward(x, outputs=list(b.default_outputs)) for b in (backbone, read))
    for name, values in one.items():
        apart, size = (values - other[name]).abs().max().item(), values.abs().max().item()
        if not apart <= TOLERANCE * size:  # NaN too
            return (
                f"read back, its features differ: {name} by up to {apart:.3g} where it reaches "
                f"{size:.3g}"
            )
    return ""


def _equal(a: Tensor, b: Tensor) -> bool:
    return a.dtype == b.dtype and torch.equal(a, b)


def _replace(made: Path, place: Path) -> None:
    """Rename a complete folder to its place; an earlier one is moved aside first, then deleted."""
    old = place.with_name(f".{place.name}.{os.getpid()}.old")
    if place.exists():
        place.rename(old)
    try:
        made.rename(place)
    except OSError:
        if old.exists():
            old.rename(place)
        raise
    shutil.rmtree(old, ignore_errors=True)
