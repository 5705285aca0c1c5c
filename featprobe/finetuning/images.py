"""Labelled images as labelled items: what features are to a probe, frames are to a fine-tuning."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from featprobe.backbones.base import Backbone
from featprobe.core.fingerprint import digest
from featprobe.core.versions import versions_of
from featprobe.datasets.base import Dataset
from featprobe.extraction.open_store import PACKAGES, items_of, versions_of_key
from featprobe.features.labeled_items import ExcludedItem, LabeledItems
from featprobe.finetuning.frames import Frames
from featprobe.store.format import FeatureKey, Items


class Images(LabeledItems):
    """The items of a data set that could be read, as a
    :class:`~featprobe.features.labeled_items.LabeledItems`.

    Rows are those of a FeatureSet of the same data set, so a protocol splits both alike. ``key``
    names the backbone before training, its preprocessing and the images.
    """

    def __init__(
        self, backbone: Backbone, dataset: Dataset, frames: Frames, wanted: dict[str, int],
        precision: str,
    ) -> None:  # fmt: skip
        self.dataset, self.backbone = dataset.name, backbone.name
        self.frames, self._kinds = frames, tuple(sorted(dataset.kinds()))
        self._items = items_of(dataset)
        self.key = FeatureKey(
            weights=backbone.weights_sha256,
            config=digest(backbone.config),
            preprocess=backbone.preprocess.to_dict(),
            recipe=dataset.recipe.to_dict(),
            outputs=wanted,
            precision=precision,
            dtype="float32",
            dataset=dataset.fingerprint,
            versions=versions_of_key(backbone, dataset),
        )
        self._provenance = {
            "backbone": backbone.origin, "random": backbone.random,
            "versions": versions_of(PACKAGES),
        }  # fmt: skip

    @property
    def items(self) -> Items:
        return self._items

    @cached_property
    def rows(self) -> np.ndarray:
        return self.frames.kept

    @property
    def provenance(self) -> dict[str, Any]:
        return self._provenance

    @property
    def kinds(self) -> tuple[str, ...]:
        return self._kinds

    @property
    def left_out(self) -> list[ExcludedItem]:
        return self.frames.left_out
