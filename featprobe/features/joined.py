"""Features of several backbones side by side, matched by item."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from featprobe.core.errors import InputError, UnknownName, nearest
from featprobe.core.numeric import unit_rows
from featprobe.features.bags import Bags
from featprobe.features.feature_set import FeatureSet
from featprobe.features.joined_views import JOIN, JoinedPart, joined_parts, written
from featprobe.features.labeled_items import ExcludedItem
from featprobe.store.format import FeatureKey, Items
from featprobe.store.memory import MemoryStore


class JoinedFeatures(FeatureSet):
    """The feature sets of several sources as one; a view says which are side by side.

    ``parts``: name -> feature set, all of the same items. Items are in the order of the first part,
    those that a part lacks are in ``left_out``. The ``key`` holds those of all parts. Views name
    the parts, ``a:cls + b:mean`` (:mod:`featprobe.features.joined_views`); a volume is pooled in
    each part by its own slices.

    Raises :class:`InputError` for parts of other items, labels, patients or splits, naming one.
    """

    def __init__(self, parts: Mapping[str, FeatureSet]) -> None:
        if not parts:
            raise InputError("no features to be joined")
        self.parts = dict(parts)
        first = next(iter(self.parts.values()))
        self._order = {name: _matched(first, f) for name, f in self.parts.items()}
        data = dict.fromkeys(f.dataset for f in self.parts.values())
        key = FeatureKey.joined({n: f.key for n, f in self.parts.items()})
        store = MemoryStore(
            key, {}, first.items, JOIN.join(data), JOIN.join(self.parts),
            _joint_provenance(self.parts),
        )  # fmt: skip
        super().__init__(store)

    @cached_property
    def _places(self) -> dict[str, np.ndarray]:
        """Name -> (M,) the row of each item of the table in a part, -1 where it has none."""
        out = {}
        for name, f in self.parts.items():
            row = np.full(len(f.items.ids), -1)
            row[f.rows] = np.arange(len(f.rows))
            out[name] = row[self._order[name]]
        return out

    @cached_property
    def rows(self) -> np.ndarray:
        """(N,) items that every part has."""
        return np.flatnonzero(np.all([p >= 0 for p in self._places.values()], axis=0))

    @cached_property
    def left_out(self) -> list[ExcludedItem]:
        """Items that a part lacks, with the reason of the first one."""
        why: dict[str, str] = {}
        for name, f in self.parts.items():
            for item in f.left_out:
                why.setdefault(item.id, f"{name}: {item.reason}")
        return [ExcludedItem(i, text) for i, text in why.items()]

    @property
    def default_view(self) -> str:
        """The default views of all parts."""
        return written([JoinedPart(n, f.default_view) for n, f in self.parts.items()])

    @property
    def several_frames(self) -> bool:
        return any(f.several_frames for f in self.parts.values())

    @property
    def augmented_views(self) -> int:
        """As many as every part has."""
        return min(f.augmented_views for f in self.parts.values())

    @property
    def findings(self) -> list[str]:
        return [f"{n}: {text}" for n, f in self.parts.items() for text in f.findings]

    def x(self, view: str | None = None, pool: str = "mean", augmented: int = 0) -> np.ndarray:
        """Features (N, D') float32 of the parts of a view side by side, one row an item."""
        blocks = []
        for part, f, name in self._read(view):
            x = f.x(part.view or None, pool, augmented)[self._places[name][self.rows]]
            blocks.append(unit_rows(x) if part.unit else x)
        return np.concatenate(blocks, axis=1)

    def bags(self, view: str | None = None) -> Bags:
        """Features of every frame side by side, where all parts have the same frames."""
        found = []
        for part, f, name in self._read(view):
            bags = f.bags(part.view or None)[self._places[name][self.rows]]
            rows = unit_rows(bags.frames) if part.unit else bags.frames
            found.append(Bags(rows, bags.offsets))
        first = found[0]
        if any(not np.array_equal(b.offsets, first.offsets) for b in found):
            raise InputError(
                f"{self.backbone}: items have not as many frames in each part, so frames cannot be "
                "side by side; use a probe of pooled features, such as logistic"
            )
        return Bags(np.concatenate([b.frames for b in found], axis=1), first.offsets)

    def frames(self, output: str, *args: Any, **options: Any) -> np.ndarray:
        raise InputError(f"{self.backbone}: frames are read of one backbone, not of joined ones")

    def _read(self, view: str | None) -> list[tuple[JoinedPart, FeatureSet, str]]:
        """The parts of a view with their feature sets."""
        view = view or self.default_view
        parts = joined_parts(view)
        if not parts:
            raise InputError(
                f"view {view!r} names no backbone, and {self.backbone} are joined: write "
                f"{self.default_view!r}"
            )
        for part in parts:
            if part.source not in self.parts:
                raise UnknownName(
                    f"view {view!r}: {part.source!r} is not one of the joined "
                    f"{', '.join(self.parts)}.{nearest(part.source, self.parts)}"
                )
        return [(p, self.parts[p.source], p.source) for p in parts]


def _matched(first: FeatureSet, other: FeatureSet) -> np.ndarray:
    """(M,) the place of each item of the first part's table in the other's."""
    one, two = first.items, other.items
    where = f"{first.dataset} / {first.backbone} and {other.dataset} / {other.backbone}"
    order = np.argsort(two.ids, kind="stable")
    if len(one.ids) != len(two.ids) or not np.array_equal(np.sort(one.ids), two.ids[order]):
        lacking = [i for a, b in ((one, two), (two, one)) for i in np.setdiff1d(a.ids, b.ids)]
        raise InputError(
            f"{where} are not of the same items: {len(one.ids)} and {len(two.ids)}, "
            f"{len(lacking)} are in one alone, first {str(lacking[0])!r}; extract both of the same "
            "data set"
        )
    place = order[np.searchsorted(two.ids[order], one.ids)]
    if differ := _unlike(one, _ordered(two, place)):
        raise InputError(
            f"{where} have other {' and '.join(differ)} of the same items; run both extractions "
            "again with the same --label, --group and --split"
        )
    return place


def _ordered(items: Items, place: np.ndarray) -> Items:
    targets = None if items.targets is None else items.targets[place]
    columns = {n: getattr(items, n)[place] for n in ("ids", "groups", "split")}
    return Items.made(columns, targets, items.about)


def _unlike(one: Items, two: Items) -> list[str]:
    """In what two tables of the same items differ."""
    out = []
    if (one.task, one.classes) != (two.task, two.classes) or not _equal(one.targets, two.targets):
        out.append("labels")
    if not np.array_equal(one.split, two.split):
        out.append("splits")
    if not _same_groups(one.groups, two.groups):
        out.append("patients")
    return out


def _same_groups(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether the same items are together, whatever the groups are called."""
    one, two = (np.unique(g, return_inverse=True)[1] for g in (a, b))
    ones, twos = (int(g.max(initial=-1)) + 1 for g in (one, two))
    return len(np.unique(one * twos + two)) == ones == twos


def _equal(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    if a is None or b is None:
        return a is b
    return a.shape == b.shape and np.array_equal(a.astype(float), b.astype(float), equal_nan=True)


def _joint_provenance(parts: Mapping[str, FeatureSet]) -> dict[str, Any]:
    every = {name: f.provenance for name, f in parts.items()}
    return {
        "parts": every,
        "kinds": sorted({k for f in parts.values() for k in f.kinds}),
        "random": all(p.get("random") for p in every.values()),
    }
