"""What the cache knows of features before a backbone is loaded: stores, shapes, rates.

A store is found by the names of data set and backbone, by frames, outputs, precision and items.
Weights and contents of files are compared when cells run, not here: nothing is loaded or hashed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from featprobe.backbones.base import DEFAULT_OUTPUTS
from featprobe.backbones.load import resolve
from featprobe.backbones.spec import ModelSpec
from featprobe.core.errors import FeatprobeError
from featprobe.datasets.base import Dataset
from featprobe.extraction.disk_space import sizes
from featprobe.extraction.options import BLOCKS, Settings
from featprobe.extraction.plan import plan_frames
from featprobe.leaderboard.model_request import Model
from featprobe.leaderboard.yaml_entries import features_of
from featprobe.store.base import FeatureStore
from featprobe.store.cache import entries
from featprobe.store.format import Layout
from featprobe.store.last_used import last
from featprobe.store.storage_path import Where

COUNTED = 2000  # items whose headers are read to count frames; of more, so many are taken

Shapes = Mapping[str, tuple[int, ...]]


@dataclass
class KnownFeatures:
    """The stores of a cache, and how features are asked for."""

    stores: Sequence[FeatureStore]
    extract: Mapping[str, Any]
    settings: Settings

    @classmethod
    def of(cls, cache: Where, extract: Mapping[str, Any], settings: Settings) -> KnownFeatures:
        """What a cache holds; damaged stores are left out."""
        there = [e.store for e in entries(cache) if e.store is not None]
        return cls(sorted(there, key=lambda s: last(s.path)), extract, settings)

    def store(self, dataset: Dataset, model: Model) -> FeatureStore | None:
        """The store of these features, the complete one and the one last used before others."""
        found = [
            s for s in self.stores
            if s.dataset == dataset.name and s.backbone == model.name and self._fits(s, dataset)
        ]  # fmt: skip
        return max(found, key=lambda s: s.complete, default=None) if found else None

    def _fits(self, store: FeatureStore, dataset: Dataset) -> bool:
        key = store.key
        same = (key.recipe, key.precision, key.dtype, bool(key.reduction)) == (
            dataset.recipe.to_dict(), self.settings.precision, self.dtype, False,
        )  # fmt: skip
        wanted = self.outputs(tuple(key.outputs))
        deep = all(0 < key.outputs.get(n, 0) <= blocks for n, blocks in wanted.items())
        # where none are named, presets may have had more stored than the usual ones
        alike = not self.extract.get("features") or len(wanted) == len(key.outputs)
        return same and deep and alike and (
            set(store.items().ids.tolist()) == set(dataset.ids.tolist())
        )  # fmt: skip

    @property
    def dtype(self) -> str:
        """In which features are stored."""
        return str(self.extract.get("dtype", "float16"))

    def outputs(self, there: Sequence[str]) -> dict[str, int]:
        """Output -> last blocks at most, of a backbone that has those that are ``there``."""
        usual = int(self.extract.get("blocks", BLOCKS))
        asked = features_of(self.extract, there) or [n for n in DEFAULT_OUTPUTS if n in there]
        out = {}
        for text in asked:
            name, _, deep = text.partition(":")
            out[name] = int(deep) if deep else 1 if name == "tokens" else usual
        return out

    def shapes(self, model: Model) -> Shapes | None:
        """Of one frame's outputs: as a store of the same backbone has them, or as the catalog says
        them; None where neither does."""
        for store in reversed(self.stores):
            there = store.layout.outputs
            wanted = self.outputs(tuple(there))
            same = store.backbone == model.name and wanted.keys() == there.keys()
            if same and all(there[n][0] <= blocks for n, blocks in wanted.items()):
                return there
        try:
            spec = resolve(model.text).spec
        except FeatprobeError:
            return None
        return None if spec is None or not spec.width else self._of_catalog(spec, model)

    def _of_catalog(self, spec: ModelSpec, model: Model) -> Shapes | None:
        out: dict[str, tuple[int, ...]] = {}
        size = dict(model.options).get("image_size")
        side = int(size or (spec.preprocess.size[0] if spec.preprocess else 0))
        for name, blocks in self.outputs(spec.outputs).items():
            deep = min(blocks, spec.blocks)
            if name in ("cls", "mean"):
                out[name] = deep, spec.width
            elif name == "tokens" and spec.patch and side:
                out[name] = deep, side // spec.patch, side // spec.patch, spec.width
            else:
                return None  # the catalog does not say how wide it is
        return out

    def frames(self, dataset: Dataset) -> tuple[int, bool]:
        """How many there are, and whether that is exact: as a store of the same items has them, or
        from headers, for large sets from those of a part of the items."""
        for store in self.stores:
            same = store.dataset == dataset.name and store.key.recipe == dataset.recipe.to_dict()
            if same and len(store.items().ids) == len(dataset):
                return store.layout.frames, True
        if len(dataset) <= COUNTED:
            return len(plan_frames(dataset)), True
        some = range(0, len(dataset), len(dataset) // COUNTED)
        found = [max(1, _frames(dataset, i)) for i in some]
        return round(len(dataset) * sum(found) / len(found)), False

    def bytes(self, shapes: Shapes, frames: int) -> int:
        """Of so many frames on disk."""
        return sum(sizes(Layout(frames, 1, dict(shapes)), self.dtype).values())

    def rate(self, model: Model) -> float | None:
        """Frames a second, as the last extraction with this backbone on such a device measured."""
        kind = self.settings.target.type
        for store in reversed(self.stores):
            told = store.attributes.get("summary") or {}
            same = store.backbone == model.name and str(told.get("device", "")).startswith(kind)
            if same and told.get("rate"):
                return float(told["rate"])
        return None


def _frames(dataset: Dataset, i: int) -> int:
    try:
        return dataset.frames(i)
    except (FeatprobeError, OSError):
        return 1
