"""A backbone of a leaderboard's cells, or several side by side; nothing is loaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from featprobe.backbones.base import Backbone
from featprobe.backbones.load import label_of, load_backbone, resolve
from featprobe.backbones.offer import Offer
from featprobe.backbones.spec import Preprocess
from featprobe.backbones.transforms import transformed
from featprobe.core.errors import FeatprobeError, InputError
from featprobe.core.yaml_file import at
from featprobe.features.feature_set import FeatureSet
from featprobe.features.joined_views import JOIN, JoinedPart, written
from featprobe.features.joining import joined_features
from featprobe.leaderboard.yaml_entries import Data
from featprobe.store.base import FeatureStore


@dataclass(frozen=True)
class ModelPart:
    """A backbone beside others, at a view, empty for its default one; ``unit``: rows of length
    1."""

    model: Model
    view: str = ""
    unit: bool = False


@dataclass(frozen=True)
class Model:
    """A backbone; ``options`` of :func:`~featprobe.backbones.load.load_backbone` are pairs.
    ``parts``: of joined ones, none of one backbone."""

    text: str
    options: tuple[tuple[str, Any], ...]
    place: str = field(compare=False)
    parts: tuple[ModelPart, ...] = ()

    @property
    def sources(self) -> tuple[Model, ...]:
        """The backbones whose features are extracted for it."""
        return (self,)

    def load(self) -> Backbone:
        """The backbone, of its own for each caller. An error names the place."""
        with at(self.place):
            return load_backbone(self.text, **dict(self.options))

    @property
    def name(self) -> str:
        """What it will be called in tables; nothing is loaded."""
        given = dict(self.options)
        keys = ("weights", "image_size", "init", "seed", "transform")
        try:
            return label_of(resolve(self.text), **{k: v for k, v in given.items() if k in keys})
        except FeatprobeError:
            return self.text

    def seeing(self, data: Data) -> Model:
        """The backbone with the transform of a data set over its own; an error names the place."""
        if data.transform is None:
            return self
        options = dict(self.options)
        own = options.get("transform")
        options["transform"] = f"{own},{data.transform}" if own else data.transform
        with at(data.place):
            spec = resolve(self.text).spec
            transformed(Preprocess((224, 224), None), options["transform"], spec)
        return replace(self, options=tuple(sorted(options.items())))

    @cached_property
    def offer(self) -> Offer | None:
        """What the catalog says that it has; None of others."""
        try:
            spec = resolve(self.text).spec
        except FeatprobeError:
            return None
        if spec is None or not spec.outputs:
            return None
        deep = {n: spec.blocks if n in ("cls", "mean", "tokens") else 1 for n in spec.outputs}
        return Offer.of(spec.name, deep)

    @property
    def names(self) -> tuple[str, ...]:
        """All that it may be called by a user."""
        return self.name, self.text

    def views_of(self, source: Model) -> tuple[str, ...]:
        """The views of one of its sources that it reads whatever a probe reads."""
        return ()

    def changed(self, change: Callable[[Model], Model]) -> Model:
        """The same of a changed backbone."""
        return change(self)


@dataclass(frozen=True)
class JoinedModel(Model):
    """Backbones side by side (:class:`~featprobe.features.joined.JoinedFeatures`), each at the view
    of its part. Probes read them as one; ``options`` are those that were given of all."""

    @property
    def sources(self) -> tuple[Model, ...]:
        return tuple(dict.fromkeys(p.model for p in self.parts))

    @property
    def name(self) -> str:
        """The joined view: ``tiny_vit14:cls + unit(resnet50:mean)``."""
        return self._written(False)

    @property
    def names(self) -> tuple[str, ...]:
        """All that it may be called; parts as they will be and as the file has them."""
        backbones = JOIN.join(m.name for m in self.sources)
        return tuple(dict.fromkeys([self.name, self._written(True), self.text, backbones]))

    def _written(self, as_given: bool) -> str:
        return written([
            JoinedPart(p.model.text if as_given else p.model.name, p.view, p.unit)
            for p in self.parts
        ])  # fmt: skip

    def load(self) -> Backbone:
        raise InputError(f"{self.place}: {self.name} are {len(self.sources)} backbones, not one")

    def seeing(self, data: Data) -> JoinedModel:
        """Each with the transform of a data set over its own."""
        return replace(self, parts=tuple(
            replace(p, model=p.model.seeing(data)) for p in self.parts
        ))  # fmt: skip

    def changed(self, change: Callable[[Model], Model]) -> JoinedModel:
        """The same of changed backbones."""
        return replace(self, parts=tuple(replace(p, model=change(p.model)) for p in self.parts))

    @property
    def offer(self) -> None:
        """No preset has a view of joined ones: they name their own."""

    def views_of(self, source: Model) -> tuple[str, ...]:
        return tuple(p.view for p in self.parts if p.model == source and p.view)


def joined_of(model: Model, stores: Sequence[FeatureStore]) -> tuple[FeatureSet, list[str]]:
    """The features of joined backbones, of the stores of its sources, and their view."""
    of = {m.name: store for m, store in zip(model.sources, stores)}
    return joined_features(of, [[JoinedPart(p.model.name, p.view, p.unit) for p in model.parts]])
