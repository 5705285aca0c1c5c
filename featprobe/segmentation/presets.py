"""Decoders with the settings of published studies, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from featprobe.core.errors import look_up


@dataclass(frozen=True)
class Preset:
    """What a study did with frozen tokens.

    ``decoder`` and its ``options``; ``training``: settings other than the default, the ``loss`` by
    its kind; ``refit``: whether the chosen one is trained again on train and val; ``source``: the
    study, and what differs here.
    """

    name: str
    decoder: str
    options: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    refit: bool = False
    source: str = ""


_RAD = {
    "lr": (1e-4, 5e-4, 1e-3, 5e-3, 1e-2, 5e-2, 1e-1),
    "optimizer": "sgd",
    "momentum": 0.9,
    "weight_decay": 0.0,
    "schedule": "cosine",
    "epochs": 10,
    "min_steps": 1,
    "batch": 128,
    "loss": "dice_ce",
}
_RAD_DIFFERS = (
    "Baharoon et al. 2023, arXiv 2312.02366: extract with --image-size 448. Slices of volumes are "
    "2D items there, and Dice and Jaccard are pooled over all pixels of the test slices at 448: "
    "here pooled_dice and pooled_jaccard are over all voxels of the images. Background is in the "
    "loss and not in the metrics, as there. Images are flipped at random there, which cached "
    "tokens cannot be; the loss is taken on a grid of four cells along a patch (scale)."
)
_ALL = (
    Preset("rad-seg-linear", "linear", {"norm": False}, _RAD, True, _RAD_DIFFERS),
    Preset(
        "rad-seg-unet", "unet", {"blocks": 5}, {**_RAD, "scale": 16}, True,
        _RAD_DIFFERS + " Its decoder ends in BatchNorm and ReLU, so that logits are never "
        "negative: here a 1 x 1 convolution is last.",
    ),
    Preset(
        "dinov2-seg-linear", "linear", {"norm": True},
        {
            "lr": (1e-3,), "optimizer": "adamw", "weight_decay": 1e-4, "warmup": 1500,
            "schedule": "linear", "epochs": 30, "batch": 16, "loss": "ce",
        },
        False,
        "Oquab et al. 2023, facebookresearch/dinov2 dinov2/eval/segmentation: 40,000 steps of 16 "
        "crops of 512 there, resized and flipped at random, and sliding windows in the test; here "
        "whole frames, 30 epochs.",
    ),
    Preset(
        "eva-conv", "conv", {"image": True},
        {
            "lr": (2e-3,), "optimizer": "adamw", "weight_decay": 1e-2, "schedule": "constant",
            "epochs": 20, "batch": 16, "loss": "dice_ce",
        },
        False,
        "kaiko-ai/eva, segmentation tasks: convolutions on the last tokens with the image beside "
        "them; there crops of the images, early stop on val Dice and several runs (--seeds).",
    ),
)  # fmt: skip
PRESETS = {p.name: p for p in _ALL}


def preset(name: str) -> Preset:
    """The preset of that name; :class:`UnknownName` with the nearest one otherwise."""
    return look_up("preset", name, PRESETS)
