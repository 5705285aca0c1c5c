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
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from featprobe.backbones.adapter_rules import BlipTower, SamAnySize
from featprobe.backbones.base import Backbone
from featprobe.backbones.checkpoints import quiet
from featprobe.backbones.exported import FILE, FORMAT, PREPROCESS, PROMPTS, WEIGHTS, split_state
from featprobe.backbones.families import FAMILIES
from featprobe.backbones.load import load_backbone
from featprobe.backbones.prompts import prompts_of
from featprobe.core._version import __version__
from featprobe.core.errors import FeatprobeError, InputError, reason
from featprobe.core.jsonvalues import plain

# Of the largest value of an output. Weights come back bit for bit, features need not: memory may be
# laid out otherwise, and kernels then add in another order. Each sum of n terms is off by about
# 6e-8 sqrt(n) of its size in float32, n being some thousands through tens of layers.
TOLERANCE = 1e-4


class Differs(InputError):
    """A backbone was written and can be read, but its features are not the trained one's."""


def export(backbone: Backbone, folder: str | os.PathLike[str], about: Mapping[str, Any]) -> Path:
    """Write a backbone to a folder from which ``load_backbone`` reads the same; returns its path.

    ``about``: of the training, in JSON values: ``dataset``, the name of the data set that it was
    trained on, by which results on that data set are marked, and what else is to be known
    (``recipe``, ``result``). It becomes part of the ``origin`` of the backbone that is read.

    The folder appears when it is complete and has been read back: weights and preprocessing must be
    the same. An earlier export is replaced. Then its features for one frame are compared, to
    :data:`TOLERANCE`.

    Raises :class:`InputError` for a folder that holds something else, and for a backbone that
    cannot be read back; :class:`Differs` for one of other features, which is kept all the same. The
    network is in eval mode afterwards.
    """
    place = Path(folder).expanduser().absolute()
    if place.exists() and not place.is_dir():
        raise InputError(f"{place}: is a file; give a folder for the backbone")
    if place.is_dir() and any(place.iterdir()) and not (place / FILE).is_file():
        raise InputError(
            f"{place}: holds other files and is no earlier export; give a new or empty folder"
        )
    backbone.module.eval()
    backbone.channels_last(False)  # as it is read back, or it would round otherwise
    temporary = place.with_name(f".{place.name}.{os.getpid()}.partial")
    try:
        temporary.mkdir(parents=True, exist_ok=True)
        _write(backbone, temporary, dict(about))
        read = _check(backbone, temporary)
        _replace(temporary, place)
    except FeatprobeError:
        raise
    except OSError as error:
        raise InputError(f"{place}: cannot be written: {reason(error)}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    _compare(backbone, read, place)
    return place


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


def _model_name(backbone: Backbone) -> str:
    """By which a library builds the architecture."""
    name = str(backbone.origin.get("model") or backbone.origin.get("name") or "")
    if not name or Path(name).suffix in (".yaml", ".yml"):
        raise InputError(
            f"{backbone.name}: cannot be exported: it is known by {name or 'no name'}, from which "
            "its architecture cannot be built again; load it by timm:NAME, open_clip:ARCH:TAG or a "
            "catalog name"
        )
    return name


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


def _check(backbone: Backbone, folder: Path) -> Backbone:
    """Read the folder back; other weights, preprocessing or outputs are refused."""
    try:
        read = load_backbone(folder).to(backbone.device)
    except FeatprobeError as error:
        why = str(error).replace(str(folder), "what was written")
        raise InputError(f"{backbone.name}: cannot be exported: {why}") from error
    ours, theirs = backbone.module.state_dict(), read.module.state_dict()
    same = {
        "weights": ours.keys() == theirs.keys() and all(_equal(ours[k], theirs[k]) for k in ours),
        "preprocessing": backbone.preprocess == read.preprocess,
        "outputs": dict(backbone.outputs) == dict(read.outputs),
    }
    differing = [name for name, equal in same.items() if not equal]
    if differing:
        raise InputError(
            f"{backbone.name}: cannot be exported: read back, its {' and '.join(differing)} would "
            "differ"
        )
    return read


def _compare(backbone: Backbone, read: Backbone, place: Path) -> None:
    x = torch.rand(1, 3, *read.preprocess.size, generator=torch.Generator().manual_seed(0))
    one, other = (b.forward(x, outputs=list(b.default_outputs)) for b in (backbone, read))
    for name, values in one.items():
        apart, size = (values - other[name]).abs().max().item(), values.abs().max().item()
        if not apart <= TOLERANCE * size:  # NaN too
            raise Differs(
                f"{backbone.name}: read back, its features would differ: {name} by up to "
                f"{apart:.3g} where it reaches {size:.3g}; it is kept in {place} all the same, "
                "compare before you use it"
            )


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
