"""Principal components of tokens, learnt from training items before an extraction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from featprobe.backbones.base import Backbone
from featprobe.backbones.reduced import TOKENS, Moments, Reduction
from featprobe.core.errors import InputError
from featprobe.core.fingerprint import digest
from featprobe.core.progress import Progress
from featprobe.datasets.base import Dataset
from featprobe.extraction.decoding import job
from featprobe.extraction.options import Settings
from featprobe.extraction.plan import FramePlan

MOST = 1024  # frames that components are learnt from


def reduction_key(dataset: Dataset, outputs: Mapping[str, int], dim: int | None) -> dict[str, Any]:
    """What the key of a store says of components: how many, and a digest of the items they are of.

    Raises :class:`InputError` without tokens, and where nobody says which items train.
    """
    if dim is None:
        return {}
    if TOKENS not in outputs:
        raise InputError("--dim is for tokens: add --features tokens")
    train = dataset.ids[dataset.split == "train"]
    if not len(train):
        raise InputError(
            f"{dataset.name}: --dim {dim} learns components from training items alone, and no "
            "split says which they are: write one with 'featprobe data split' and give it with "
            "--split"
        )
    return {"output": TOKENS, "dim": dim, "items": digest(sorted(train.tolist()))}


def learn(
    backbone: Backbone, dataset: Dataset, plan: FramePlan, outputs: dict[str, int], dim: int,
    o: Settings,
) -> Reduction:  # fmt: skip
    """Components of the tokens of training items, from :data:`MOST` frames evenly spaced over them.

    Items that cannot be read are passed over.
    """
    backbone.to(o.target)
    every = np.flatnonzero(dataset.split[plan.item] == "train")
    chosen = every[np.unique(np.linspace(0, len(every) - 1, MOST).round().astype(int))]
    counts = np.bincount(plan.item, minlength=len(dataset))
    moments, items, frames = Moments(), 0, 0
    todo = np.unique(plan.item[chosen])
    with Progress("components of tokens", len(todo), "items", o.progress) as progress:
        for item in todo.tolist():
            decoded = job(dataset, item, int(counts[item])).run()
            progress.advance()
            if decoded.pixels is None:
                continue
            index = plan.index[chosen[plan.item[chosen] == item]]
            items, frames = items + 1, frames + len(index)
            low, high = decoded.levels
            for pixels in decoded.alike(index):
                for start in range(0, len(pixels), o.batch_size):
                    part = pixels[start : start + o.batch_size]
                    x = backbone.prepare(part, low, high, decoded.fit)
                    wanted = {TOKENS: outputs[TOKENS]}
                    moments.add(backbone.forward(x, wanted, o.precision)[TOKENS])
    return moments.reduction(dim, items, frames)
