"""Volumes with masks as the Medical Segmentation Decathlon lists them in ``dataset.json``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from featprobe.core.errors import InputError, reason
from featprobe.datasets.base import Dataset
from featprobe.datasets.masks import Masks
from featprobe.datasets.official import assemble, find, index_files
from featprobe.images import nifti
from featprobe.images.decoded_image import FrameRecipe


def load_decathlon(
    root: Path,
    name: str,
    recipe: FrameRecipe,
    memory: Path,
    parts: Mapping[str, str],
    keep: Callable[[str], bool] = lambda name: True,
) -> Dataset:
    """The labelled volumes of a ``dataset.json``: items without class, with masks.

    ``parts``: list in the file -> split of its volumes. ``keep`` chooses by the name of the volume.
    The classes of the masks are the file's labels.
    Volumes of the file's list ``test`` have no masks; they are left out and counted.
    """
    path = find(root, "dataset.json", "*/dataset.json")
    root = path.parent
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8-sig"))
        rows = [
            (_item(r["image"]), _clean(r["image"]), _clean(r["label"]), split)
            for part, split in parts.items()
            for r in content[part]
        ]
        labels = {int(k): str(v) for k, v in content["labels"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: not a Decathlon dataset.json: {reason(error)}") from None
    if sorted(labels) != list(range(len(labels))):
        raise InputError(f"{path}: labels {sorted(labels)} are not numbered from 0")
    there = index_files(root, nifti.SUFFIXES, key=lambda p: p.relative_to(root).as_posix())
    rows = [row for row in rows if keep(row[0])]
    data = assemble(
        name, root, [row[0] for row in rows], [there.get(row[1]) for row in rows], recipe, memory,
        listed_in=path.name, split=np.array([row[3] for row in rows]),
        masks=Masks.of(
            [there.get(row[2]) for row in rows], tuple(labels[k] for k in sorted(labels)),
            origin=path.name,
        ),
    )  # fmt: skip
    unlabelled = len(content.get("test") or ())
    if unlabelled:
        data.skipped["test volume without a published mask"] = unlabelled
    return data


def _item(path: str) -> str:
    """``x`` of ``./imagesTr/x.nii.gz``."""
    return PurePosixPath(path).name.split(".nii")[0]


def _clean(path: str) -> str:
    """``./imagesTr/x.nii.gz`` as ``imagesTr/x.nii.gz``."""
    return PurePosixPath(path).as_posix()
