"""Checks whether a saved probe applies to given images."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from featprobe.core.errors import InputError
from featprobe.core.fingerprint import digest
from featprobe.images.versions import FRAMES, READERS
from featprobe.probes.base import Probe
from featprobe.probes.feature_range import FeatureRange
from featprobe.probes.saving import FeatureSource
from featprobe.probes.standardizer import Standardizer
from featprobe.store.format import BACKBONE_PARTS, FeatureKey

if TYPE_CHECKING:
    from featprobe.backbones.base import Backbone
    from featprobe.datasets.base import Dataset

NEW = "-new"  # behind the name of images that are called as those of training
SOME = 0.05  # of the items may lie beyond the reach of training by chance
FAR = 3.0  # deviations; of probes that were saved without their reach


def refuse_other_features(source: FeatureSource, backbone: Backbone, dataset: Dataset) -> None:
    """Raise :class:`InputError` where weights, architecture, preprocessing, frame recipe or the
    backbone's code differ from those of the probe's features, naming which."""
    key = FeatureKey(**source.key)
    readers = {p: v for p, v in key.versions.items() if p not in BACKBONE_PARTS}
    here = replace(
        key, weights=backbone.weights_sha256, config=digest(backbone.config),
        preprocess=backbone.preprocess.to_dict(), recipe=dataset.recipe.to_dict(),
        versions={**readers, **backbone.versions},
    )  # fmt: skip
    fields = key.differences(here.to_dict())
    if fields:
        files = source.origin.get("weights")
        hint = f"; its weights were of the file {', '.join(files)}: --weights" if files else ""
        raise InputError(
            f"{backbone.name} on {dataset.name} is not what the probe was made with "
            f"({source.backbone}; different: {', '.join(fields)}){hint}"
        )


def named_apart(source: FeatureSource, dataset: Dataset) -> tuple[Dataset, list[str]]:
    """The data set under a name of its own where others than the images of training have theirs.

    Probes would take their features for the new contents of that data set. With what to say.
    """
    if dataset.name != source.dataset or dataset.fingerprint == source.key["dataset"]:
        return dataset, []
    apart = copy.copy(dataset)
    apart.name = f"{dataset.name}{NEW}"
    return apart, [f"other images than those of {source.dataset}: cached as {apart.name}"]


def other_readers(source: FeatureSource, dataset: Dataset) -> list[str]:
    """Notes on files that are read differently now than when the probe was made.

    Of kinds that training had, where the probe knows them (:attr:`FeatureSource.kinds`).
    """
    then, kinds = FeatureKey(**source.key).versions, dataset.kinds()
    shared = kinds & set(source.kinds) if source.kinds else kinds
    now = {f"reader {kind}": READERS.get(kind, 1) for kind in sorted(shared)} | {"frames": FRAMES}
    unsure = "" if source.kinds else ", if there were any in training"
    return [
        f"{part.removeprefix('reader ')}: pixels are read by version {v} of the reader, those of "
        f"training were by version {then.get(part, 1)}{unsure}: make the probe anew where the "
        "change (docs/format.md) bears on these files"
        for part, v in now.items()
        if v != then.get(part, 1)
    ]


def far_outside(probe: Probe, x: np.ndarray) -> list[str]:
    """Notes on items (N, D) whose features lie far from those that a probe was fitted to.

    Of a probe that was saved with their :class:`FeatureRange`, or at least standardises.
    """
    known = probe.range_ or _scaling(probe)
    if known is None or np.ndim(x) != 2 or len(known.mean) != np.shape(x)[1]:
        return []
    away = known.away(x)
    far = int((away > known.reach).sum())
    if far <= SOME * len(away):
        return []
    return [
        f"the features of {far} of {len(away)} items lie far outside those of training (up to "
        f"{away.max():.1f} deviations, more than {known.reach:.1f} are counted): such images were "
        "not among them, and their predictions mean little"
    ]


def _scaling(probe: Probe) -> FeatureRange | None:
    """What a probe that was saved without its reach knows: mean and deviation of each feature."""
    found = next((v for v in vars(probe).values() if isinstance(v, Standardizer)), None)
    if found is None or (found.scale == 1).all():
        return None
    none = np.empty((0, len(found.mean)), np.float32)
    return FeatureRange(found.mean, found.scale, none, np.empty(0), 1.0, FAR)
