"""featprobe predict of a saved decoder: masks instead of a table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from featprobe.cli.common import note

if TYPE_CHECKING:
    from featprobe.backbones.base import Backbone
    from featprobe.datasets.base import Dataset
    from featprobe.segmentation.saving import SavedDecoder


def predict_masks(
    saved: SavedDecoder, dataset: Dataset, backbone: Backbone, out: Path | None,
    probabilities: bool, as_json: bool, how: dict[str, Any],
) -> None:  # fmt: skip
    """Write a mask for each item of ``--data``; a line each of what is in it."""
    from featprobe.metrics.segmentation import FIELDS
    from featprobe.segmentation.predict import predict_masks as run

    folder = out or Path(f"{dataset.name}-masks")
    names = saved.classes if saved.multilabel else saved.classes[1:]
    items, dice = 0, []
    for one in run(saved, backbone, dataset, folder, probabilities=probabilities, say=note, **how):
        items += 1
        known = {}
        if one.scores is not None:
            found = one.scores[:, FIELDS.index("dice")]
            dice.append(found)
            known = {n: round(float(d), 4) for n, d in zip(names, found) if not np.isnan(d)}
        voxels = dict(zip(names, one.voxels))
        if as_json:
            files = [str(f) for f in one.files]
            row = {"id": one.id, "files": files, "voxels": voxels}
            print(json.dumps(row | ({"dice": known} if known else {})), flush=True)
            continue
        text = ", ".join(
            f"{n} {v}" + (f" (Dice {known[n]:.3f})" if n in known else "")
            for n, v in voxels.items()
        )
        print(f"{one.files[0]}: {text} voxels", flush=True)
    if dice:
        with np.errstate(invalid="ignore"):
            each = np.array(dice)
        there = ~np.isnan(each)
        by_class = np.where(there, each, 0).sum(0) / np.maximum(there.sum(0), 1)
        text = ", ".join(f"{n} {d:.3f}" for n, d in zip(names, by_class))
        note(f"masks are known of {len(dice)} items: mean Dice {text}")
    note(f"wrote {items} masks in {folder}: {saved.source.backbone}, {saved.decoder.name}")
