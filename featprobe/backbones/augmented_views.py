"""Several augmented views of each frame, to be stored: view 0 is the frame as it is.

The draws of a view of a frame follow a seed, the view, and which frame of the data set it is, and
nothing else: not the batch, the shard or the device. So a resumed extraction gives the same views.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from featprobe.backbones.augment import augment, drawn
from featprobe.core.errors import InputError

USUAL = ("flip", "crop", "brightness", "contrast")
MOST = 256


def described(views: int, names: Sequence[str] = USUAL, seed: int = 0) -> dict[str, Any]:
    """What a key says of ``views`` views, the unaugmented one included; empty for that alone.

    ``names``: augmentations, of :data:`~featprobe.backbones.spec.AUGMENTATIONS`, whose parameters
    are in it. Raises :class:`InputError` for numbers out of range, UnknownName for unknown names.
    """
    if not 1 <= views <= MOST:
        raise InputError(f"views {views}: one is the frame as it is, {MOST} are the most")
    if seed < 0:
        raise InputError(f"the seed of views must be at least 0, not {seed}")
    if not names:
        raise InputError("views are drawn by augmentations: name some, as flip crop")
    draws = drawn(names)
    return {} if views == 1 else {"views": views, "seed": seed, "draws": draws}


def view_of(x: Tensor, view: int, frames: Iterable[int], augmented: Mapping[str, Any]) -> Tensor:
    """A view of frames (F, C, h, w) in [0, 1], each by draws of its own.

    ``frames`` (F,): which frames of the data set they are; ``augmented``: see :func:`described`.
    """
    if view == 0:
        return x
    names = list(augmented["draws"])
    seeds = [_seed(augmented["seed"], view, int(frame)) for frame in frames]
    made = [
        augment(x[i : i + 1], names, torch.Generator().manual_seed(seed))
        for i, seed in enumerate(seeds)
    ]
    return torch.cat(made)


def _seed(seed: int, view: int, frame: int) -> int:
    return int(np.random.SeedSequence((seed, view, frame)).generate_state(1, np.uint64)[0] >> 1)
