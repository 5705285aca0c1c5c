"""The preprocessing that a user asks for instead of the checkpoint's, from its text.

``--transform`` is names and parts joined by commas, each over what stands before it, the first over
the checkpoint's own:

``hub``, ``authors``     of an entry of the catalog: what its place on a hub states, or what its
                         authors' code does in evaluation
``rad``, ``wacv``, ...   sizes and filter of a study, see :data:`STUDIES`
``squash=N``             to N x N pixels, whatever the aspect
``shorter=N``            the shorter edge to N pixels
``none``                 no resize: with ``--fit pad-mean`` frames are placed whole
``crop=N``, ``crop=none``    of the centre
``centre=even``, ``centre=down``    where an odd margin is halved, see :class:`Preprocess`
``nearest``, ``bilinear``, ``bicubic``
``mean=A``, ``std=A``    of values in [0, 1], one number or ``A/B/C``
``stats=NAME``           both, see :data:`STATISTICS`
``channels=1``           one grey channel, read by the first channel of the patch embedding
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from featprobe.backbones.authors import of
from featprobe.backbones.spec import HALF, IMAGENET_MEAN, IMAGENET_STD, ModelSpec, Preprocess
from featprobe.core.errors import InputError, nearest

OF_ENTRY = ("hub", "authors")
_CROP = (224, 224)
# Baharoon et al. 2023, MohammedSB/DINOv2ForRadiology dinov2/data/transforms.py (kNN; linear probes
# and fine-tuning; segmentation); Huix et al. 2024, joanaapa/Foundation-Medical params.json; Huang
# et al. 2024, GuanghuiFU/medical_dino_eval utils.py; Oquab et al. 2023, facebookresearch/dinov2
# dinov2/data/transforms.py; Doerrich et al., rethinking-model-prototyping-MedMNISTPlus
# feature_extraction.py (no resize; what is missing is the mean colour, --fit pad-mean).
STUDIES: dict[str, dict[str, Any]] = {
    "rad": {"resize": (256, 256), "crop": _CROP, "interpolation": "bicubic", "pad": None},
    "rad-linear": {"resize": _CROP, "crop": None, "interpolation": "bicubic", "pad": None},
    "rad-seg": {"resize": (448, 448), "crop": None, "interpolation": "bicubic", "pad": None},
    "wacv": {"resize": (256, 256), "crop": _CROP, "interpolation": "bilinear", "pad": None},
    "freeze": {
        "resize": 256,
        "crop": _CROP,
        "interpolation": "bilinear",
        "pad": None,
        "centre": "even",
    },
    "dinov2": {
        "resize": 256,
        "crop": _CROP,
        "interpolation": "bicubic",
        "pad": None,
        "centre": "even",
    },
    "medmnist": {"resize": None, "crop": _CROP, "pad": None},
}
# mean and std: of checkpoints, and of the data sets of WACV (defaults/datasets.py)
STATISTICS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "imagenet": (IMAGENET_MEAN, IMAGENET_STD),
    "half": (HALF, HALF),
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "aptos": ((0.415, 0.221, 0.073), (0.275, 0.150, 0.081)),
    "isic": ((0.66776717, 0.52960888, 0.52434725), (0.22381877, 0.20363036, 0.21538623)),
    "chexpert": ((0.503,), (0.292,)),
    "ddsm": ((0.286,), (0.267,)),
}
_FILTERS = ("nearest", "bilinear", "bicubic")
_PARTS = ("squash", "shorter", "crop", "centre", "mean", "std", "stats", "channels")


def transformed(base: Preprocess, text: str, spec: ModelSpec | None = None) -> Preprocess:
    """The preprocessing of a text, over a checkpoint's.

    ``spec``: the entry of the catalog, for ``hub`` and ``authors``. Raises :class:`InputError` for
    what is not understood, or where an entry does not know its authors' transform.
    """
    made = base
    for part in text.split(","):
        try:
            made = _of_entry(spec, part, made) if part in OF_ENTRY else replace(made, **_part(part))
        except InputError as error:
            raise InputError(f"--transform {text!r}: {error}") from error
    return made


def label_part(text: str, spec: ModelSpec | None = None) -> str:
    """What a transform adds to the name of a backbone: nothing for what the entry does anyway."""
    if spec is not None and spec.preprocess is not None and text in OF_ENTRY:
        same = _of_entry(spec, text, spec.preprocess) == spec.preprocess
        return "" if same else f"@{text}"
    return "@" + re.sub(r"[^\w.-]+", "-", text.replace("=", ""))


def spelled(preprocess: Preprocess) -> str:
    """A preprocessing as :func:`transformed` reads it; that of SAM, which has no such text, in
    words."""
    p = preprocess
    parts = [f"longer={p.resize} padded to {p.pad[0]}" if p.pad else _resizing(p.resize)]
    if not p.pad:
        parts.append("crop=none" if p.crop is None else f"crop={p.crop[0]}")
        parts += ["centre=even"] if p.centre == "even" else []
    every = {(_three(mean), _three(std)): n for n, (mean, std) in STATISTICS.items()}
    named = every.get((p.mean, p.std))
    numbers = ("/".join(f"{v:g}" for v in values) for values in (p.mean, p.std))
    parts += [p.interpolation]
    parts += [f"stats={named}"] if named else [f"{n}={v}" for n, v in zip(("mean", "std"), numbers)]
    return ",".join(parts + (["channels=1"] if p.channels == 1 else []))


def _resizing(resize: int | tuple[int, int] | None) -> str:
    if resize is None:
        return "none"
    return f"shorter={resize}" if isinstance(resize, int) else f"squash={resize[0]}"


def _of_entry(spec: ModelSpec | None, which: str, base: Preprocess) -> Preprocess:
    if spec is None:
        raise InputError(f"{which} is of an entry of the catalog ('featprobe models')")
    if which == "hub":
        found = of(spec.name)
        if found is not None and found.hub_says:
            raise InputError(f"the hub's transform of {spec.name} is not known: {found.hub_says}")
        if not spec.source:
            raise InputError(f"{spec.name} is on no hub: its weights are a file")
        return (spec.preprocess and spec.hub) or base  # timm, open_clip and torchvision load it
    if spec.authors is None:
        raise InputError(
            f"the authors' own transform of {spec.name} is not known here: see docs/models.md, or "
            "write it, as in shorter=256,crop=224,bicubic"
        )
    return spec.authors


def _part(part: str) -> Mapping[str, Any]:
    """Fields of the preprocessing that one part sets."""
    if part in STUDIES:
        return STUDIES[part]
    if part in _FILTERS:
        return {"interpolation": part}
    if part == "none":
        return {"resize": None, "pad": None}
    name, _, value = part.partition("=")
    if name not in _PARTS:
        known = [*OF_ENTRY, *STUDIES, "none", *_FILTERS, *(f"{p}=" for p in _PARTS)]
        raise InputError(
            f"{part!r} is not understood.{nearest(part, known)} Use {', '.join(known)}"
        )
    if name == "stats":
        if value not in STATISTICS:
            raise InputError(
                f"unknown statistics {value!r}.{nearest(value, STATISTICS)} Use one of "
                f"{', '.join(STATISTICS)}"
            )
        mean, std = STATISTICS[value]
        return {"mean": _three(mean), "std": _three(std)}
    if name in ("mean", "std"):
        return {name: _three(_numbers(part, value))}
    if name == "centre":
        return {"centre": value}
    if name == "channels":
        return {"channels": _size(part, value)}
    if name == "crop":
        return {"crop": None if value == "none" else (_size(part, value),) * 2, "pad": None}
    side = _size(part, value)
    return {"resize": side if name == "shorter" else (side, side), "pad": None}


def _size(part: str, value: str) -> int:
    if not value.isdecimal() or not int(value):
        raise InputError(f"{part!r} needs a whole number above 0")
    return int(value)


def _numbers(part: str, value: str) -> tuple[float, ...]:
    try:
        found = tuple(float(v) for v in value.split("/"))
    except ValueError:
        found = ()
    if len(found) not in (1, 3):
        raise InputError(f"{part!r} needs one number, or three as in 0.485/0.456/0.406")
    return found


def _three(values: tuple[float, ...]) -> tuple[float, float, float]:
    a, b, c = values * 3 if len(values) == 1 else values
    return a, b, c
