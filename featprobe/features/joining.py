"""Which stores a joined view means, data set by data set."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from featprobe.core.errors import FeatprobeError, InputError, UnknownName
from featprobe.features.feature_set import FeatureSet
from featprobe.features.joined import JoinedFeatures
from featprobe.features.joined_views import JoinedPart, joined_parts, written
from featprobe.features.lookup import data_named, model_named
from featprobe.store.base import FeatureStore
from featprobe.store.cache import find, named
from featprobe.store.storage_path import StoragePath, Where

View = Sequence[JoinedPart]
_STORE = re.compile(r"[0-9a-f]{12}(\.zarr|\.h5)?$")  # ends the name of a store


def joined_views(views: Sequence[str]) -> list[View]:
    """The joined views among which val chooses; none where views name no backbone.

    Raises :class:`InputError` where some do and some do not.
    """
    found = [joined_parts(v) for v in views]
    if any(found) and not all(found):
        plain = next(v for v, parts in zip(views, found) if not parts)
        raise InputError(
            f"--features {plain!r} names no backbone and others do: write BACKBONE:{plain} there"
        )
    return [parts for parts in found if parts]


def joined_sets(
    cache: Where | StoragePath, views: Sequence[View], data: Sequence[str] = ()
) -> tuple[list[tuple[FeatureSet, list[str]]], list[str]]:
    """Each data set's features of the sources that the views name, with the views in the words of
    the cache; and notes on what is left aside.

    A source is a backbone, whose stores of all data sets in ``data`` (all, by default) are taken,
    or the name of one store. Raises :class:`UnknownName` for a source that is nowhere, and the
    first reason where no data set has all.
    """
    sources = list(dict.fromkeys(p.source for view in views for p in view))
    there = _Sources.found(cache, sources, data)
    made, problems = [], []
    for dataset in there.datasets():
        try:
            made.append(joined_features(there.of(dataset), views))
        except FeatprobeError as error:
            problems.append(error)
    if not made:
        raise (
            problems[0]
            if problems
            else InputError(
                f"no data set has features of all of {', '.join(sources)}; extract what is missing"
            )
        )
    return made, [*dict.fromkeys(there.notes), *map(str, problems)]


@dataclass
class _Sources:
    """By source its stores, or the one store that it names (``fixed``)."""

    stores: dict[str, list[FeatureStore]] = field(default_factory=dict)
    fixed: dict[str, FeatureStore] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @classmethod
    def found(
        cls, cache: Where | StoragePath, sources: Sequence[str], data: Sequence[str]
    ) -> _Sources:
        out = cls()
        for source in sources:
            if _STORE.search(source) and (store := _store(cache, source)):
                out.fixed[source] = store
                continue
            stores, notes = _found(cache, source, data)
            exact = [s for s in stores if s.backbone == source]
            out.stores[source] = exact or stores
            out.notes += [text for text in notes if source in text]
        return out

    def datasets(self) -> list[str]:
        """Those of named stores, where some are, else all that one of the backbones has."""
        fixed = [s.dataset for s in self.fixed.values()]
        if fixed:
            return fixed[:1]
        return sorted({s.dataset for stores in self.stores.values() for s in stores})

    def of(self, dataset: str) -> dict[str, FeatureStore]:
        """The store of each source; raises :class:`InputError` for none or several."""
        out = dict(self.fixed)
        for source, stores in self.stores.items():
            able = [s for s in stores if s.dataset == dataset]
            if not able:
                raise InputError(
                    f"{dataset}: no complete features of {source!r}; run 'featprobe extract "
                    f"--model {source} --data {dataset}'"
                )
            if len(able) > 1:
                raise InputError(
                    f"{dataset}: {source!r} is {len(able)} stores; name one in its place: "
                    f"{', '.join(s.path.stem for s in able)}"
                )
            out[source] = able[0]
        return out


def _found(
    cache: Where | StoragePath, source: str, data: Sequence[str]
) -> tuple[list[FeatureStore], list[str]]:
    """The complete stores of a backbone, and notes."""
    try:
        return find(cache, data, [source], (data_named, model_named))
    except UnknownName as unknown:
        plus = "; names with a + in them are joined by ' + ', with spaces" if "+" in source else ""
        raise UnknownName(f"{unknown}{plus}") from None


def _store(cache: Where | StoragePath, source: str) -> FeatureStore | None:
    """The complete store of that name; None where none is called so."""
    try:
        entry = named(cache, source)
    except UnknownName:
        return None
    if entry.store is None or not entry.store.complete:
        raise InputError(f"{entry.path.name}: {entry.error or 'incomplete, extract it again'}")
    return entry.store


def joined_features(
    stores: Mapping[str, FeatureStore], views: Sequence[View]
) -> tuple[FeatureSet, list[str]]:
    """The features of some stores, and the views in the names that their parts have.

    ``stores``: by source, as views name it. Raises :class:`InputError` for stores of other items,
    labels, patients or splits (:class:`~featprobe.features.joined.JoinedFeatures`)."""
    backbones = [s.backbone for s in {str(s.path): s for s in stores.values()}.values()]
    called = {
        source: s.backbone if backbones.count(s.backbone) == 1 else s.path.stem
        for source, s in stores.items()
    }
    sets = {called[source]: FeatureSet(s) for source, s in stores.items()}
    named_views = [
        [
            replace(p, source=called[p.source], view=p.view or sets[called[p.source]].default_view)
            for p in view
        ]
        for view in views
    ]
    if len(sets) == 1 and not any(p.unit for view in named_views for p in view):
        only = next(iter(sets.values()))  # outputs of one backbone are a view of its own
        return only, ["+".join(p.view for p in view) for view in named_views]
    texts = [written(view) for view in named_views]
    for text in texts:
        joined_parts(text)  # two names of one part
    return JoinedFeatures(sets), texts
