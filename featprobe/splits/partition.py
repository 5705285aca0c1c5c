"""Splits of the items of a data set, with their origin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from featprobe.core.errors import InputError
from featprobe.core.fingerprint import digest
from featprobe.core.text_columns import codes_of
from featprobe.splits import assign as splits
from featprobe.splits import version1 as splits_first

VERSION = 2
VERSIONS = (1, 2)
KEPT = 0.8  # of the patients of train and val, in each repeat with an official test


@dataclass(frozen=True)
class Split:
    """Row indices of train, val and test, with the origin of the split.

    ``origin`` and ``grouping`` say in words where split and patients come from, and what was not
    reached of what was asked for. No group is in two parts, unless the data set's official split
    itself puts it there: ``crossing`` counts those. ``inner``: the splits of a cross-validation's
    folds or of repeats; ``test`` is then all that any of them tests. ``version``: of the way in
    which something was drawn, None where nothing was. ``shared``: of repeats, what their results
    have in common, see :func:`~featprobe.stats.mean_over_tries.margin`.
    """

    train: np.ndarray
    val: np.ndarray
    test: np.ndarray
    origin: str
    grouping: str
    seed: int | None
    crossing: int = 0
    version: int | None = None
    inner: tuple[Split, ...] = ()
    shared: float | None = None

    def parts(self) -> np.ndarray:
        """(N,) the part of every row by name, for a split that places them all."""
        out = np.empty(sum(len(getattr(self, n)) for n in splits.NAMES), dtype="<U5")
        for name in splits.NAMES:
            out[getattr(self, name)] = name
        return out

    def to_dict(self, ids: np.ndarray, groups: np.ndarray) -> dict[str, Any]:
        """Plain JSON values, with sizes and a digest of the ids in each part, folds too."""
        parts = {n: getattr(self, n) for n in splits.NAMES}
        held: list[Any] = [sorted(ids[i].tolist()) for i in parts.values()]
        if self.inner and self.version != 1:
            held += [s.to_dict(ids, groups)["digest"] for s in self.inner]
        shared = {} if self.shared is None else {"shared": self.shared}
        return {
            **shared,
            "origin": self.origin,
            "grouping": self.grouping,
            "seed": self.seed,
            "version": self.version,
            "crossing_groups": self.crossing,
            "items": {n: len(i) for n, i in parts.items()},
            "groups": {n: len(np.unique(groups[i])) for n, i in parts.items()},
            "digest": digest(held)[:16],
        }


@dataclass(frozen=True)
class Partitioner:
    """The items to split, and the ``version`` of the algorithm.

    Targets ``y`` (N,) or (N, C), ``groups`` (patients) and ``ids`` (N,); without ids a row's number
    is its id. ``grouping`` says in words where the patients come from, ``classes`` are names for
    what is said of classes. Raises :class:`InputError` for a version that there is not.
    """

    y: np.ndarray
    groups: np.ndarray
    ids: np.ndarray | None = None
    version: int = VERSION
    grouping: str = ""
    classes: Sequence[str] = ()

    def __post_init__(self) -> None:
        check_version(self.version)

    def __len__(self) -> int:
        return len(self.groups)

    def assign(
        self, rows: np.ndarray, fractions: Sequence[float], seed: splits.Seed, names: Sequence[str]
    ) -> tuple[np.ndarray, str]:
        """Assign ``rows`` to parts; also returns what was not reached, in words."""
        y, groups = self.y[rows], self.groups[rows]
        if self.version == 1:
            return splits_first.assign(y, groups, fractions, seed), ""
        part = splits.assign(y, groups, fractions, seed, self._ids(rows))
        return part, splits.missed(y, groups, part, fractions, names, self.classes)

    def portion(self, rows: np.ndarray, fraction: float, seed: splits.Seed) -> np.ndarray:
        """Select the rows in a portion of their groups."""
        y, groups = self.y[rows], self.groups[rows]
        if self.version == 1:
            return rows[splits_first.portion(y, groups, fraction, seed)]
        return rows[splits.portion(y, groups, fraction, seed, self._ids(rows))]

    def portion_of(self, rows: np.ndarray, n: int, seed: splits.Seed) -> tuple[np.ndarray, float]:
        """Select the largest portion of rows of at most n; also returns the fraction it is of."""
        if self.version == 1:
            raise InputError("a number of training items needs splits of version 2")
        y, groups = self.y[rows], self.groups[rows]
        kept, fraction = splits.portion_of(y, groups, n, seed, self._ids(rows))
        return rows[kept], fraction

    def patients(self, rows: np.ndarray) -> int:
        """Number of groups among rows."""
        return len(np.unique(codes_of(self.groups[rows])))

    def crossing(self, fit: np.ndarray, test: np.ndarray) -> int:
        """Number of groups with items in both sets of rows."""
        return len(set(self.groups[fit].tolist()) & set(self.groups[test].tolist()))

    def _ids(self, rows: np.ndarray) -> np.ndarray:
        return rows if self.ids is None else self.ids[rows]


def check_version(version: int) -> None:
    """Raise :class:`InputError` for an unknown version of splits."""
    if version not in VERSIONS:
        raise InputError(
            f"split version {version}: there are {' and '.join(map(str, VERSIONS))}; 1 makes the "
            "splits of results from before versions were recorded"
        )


def known_targets(y: np.ndarray) -> np.ndarray:
    """(N,) whether a target is known: a class from 0, a value, any label of several."""
    if y.ndim == 2:
        return ~np.isnan(y).all(1)
    return ~np.isnan(y) if y.dtype.kind == "f" else y >= 0


def official_or_made(
    partitioner: Partitioner,
    official: np.ndarray | None = None,
    origin: str = "",
    seed: splits.Seed = 0,
) -> Split:
    """Use the official split where the data set has one, otherwise make one.

    ``official`` (N,): train, val, test or "", and ``origin``, where that comes from in words. Where
    there is none, items are split 60/20/20. Where test is official and val is not, a fifth of train
    becomes val. Where no test is published (CheXpert), the official val is the test. What is made
    here is stratified, by patient; where a part or a class is further from its share than one
    patient or 1 %, the split's ``origin`` says so.

    Raises :class:`InputError` for an official split without train, or with nothing to test on.
    """
    recorded = seed if isinstance(seed, int) else seed[0]
    grouping, version = partitioner.grouping, partitioner.version
    if official is None or not (official != "").any():
        every = np.arange(len(partitioner))
        part, missed = partitioner.assign(every, splits.FRACTIONS, seed, splits.NAMES)
        made = "made here: 60/20/20, stratified, no patient in two parts" + missed
        train, val, test = (np.flatnonzero(part == k) for k in range(3))
        return Split(train, val, test, made, grouping, recorded, version=version)
    train, val, test = (np.flatnonzero(official == n) for n in splits.NAMES)
    if not len(test):
        test, val = val, test
        origin += "; no test is published, so test is the official val"
    for name, rows in (("train", train), ("test", test)):
        if not len(rows):
            raise InputError(f"the split of the data set ({origin}) has no {name} items")
    made_val = not len(val)
    if made_val:
        part, missed = partitioner.assign(train, (0.8, 0.2), seed, ("train", "val"))
        train, val = train[part == 0], train[part == 1]
        origin += "; val is a fifth of train, stratified, by patient" + missed
    crossing = partitioner.crossing(np.r_[train, val], test)
    used = (recorded, version) if made_val else (None, None)
    return Split(train, val, test, origin, grouping, used[0], crossing, used[1])


def check_subset(subset: float) -> None:
    """Raise :class:`InputError` for what is neither a fraction of train nor a number of items."""
    if not (0 < subset <= 1 or (subset > 1 and subset == int(subset))):
        raise InputError(
            f"subset {subset:g} must be above 0 and at most 1 (0.01 is 1 % of train and val), or a "
            "whole number of training items"
        )


def subset_text(subset: float) -> str:
    """``10 % of train``, or ``500 items of train``."""
    return f"{subset:g} items of train" if subset > 1 else f"{100 * subset:g} % of train"


def cut(split: Split, partitioner: Partitioner, subset: float, seed: splits.Seed) -> Split:
    """Cut train and val to a fraction of their patients, see :func:`splits.portion`.

    A ``subset`` above 1 is a number of training items: as many patients are kept as have no more,
    and of val the same fraction. Test stays as it is. With 1 it is the split itself.
    """
    if subset == 1:
        return split
    seeds = [seed] if isinstance(seed, int) else list(seed)
    fraction, text = subset, f"train and val are cut to {100 * subset:g} % of their patients"
    if subset > 1:
        if subset >= len(split.train):
            text = f"{subset:g} training items were asked for, and train has {len(split.train)}"
            return replace(split, origin=f"{split.origin}; {text}")
        train, fraction = partitioner.portion_of(split.train, int(subset), [*seeds, 0])
        text = f"train is cut to {len(train)} items ({subset:g} asked for), val alike"
    else:
        train = partitioner.portion(split.train, fraction, [*seeds, 0])
    val = partitioner.portion(split.val, fraction, [*seeds, 1]) if len(split.val) else split.val
    origin = f"{split.origin}; {text}"
    crossing = partitioner.crossing(np.r_[train, val], split.test)
    return replace(
        split, train=train, val=val, origin=origin, seed=seeds[0], crossing=crossing,
        version=partitioner.version,
    )  # fmt: skip


def folded(partitioner: Partitioner, folds: int, seed: int) -> Split:
    """Split into folds: each is test once, the next one val; an official split is not used.

    Raises :class:`InputError` when there are fewer patients than folds.
    """
    patients = partitioner.patients(np.arange(len(partitioner)))
    if patients < folds:
        raise InputError(f"{patients} patients cannot be split into {folds} folds")
    names = [f"fold {k + 1}" for k in range(folds)]
    every = np.arange(len(partitioner))
    part, missed = partitioner.assign(every, [1 / folds] * folds, [seed, 1], names)
    origin = f"made here: {folds} folds, stratified, no patient in two folds{missed}"
    none = every[:0]
    grouping, version = partitioner.grouping, partitioner.version
    whole = Split(none, none, every, origin, grouping, seed, version=version)
    inner = []
    for fold in range(folds):
        val = (fold + 1) % folds
        train = np.flatnonzero((part != fold) & (part != val))
        rows = np.flatnonzero(part == val), np.flatnonzero(part == fold)
        inner.append(replace(whole, train=train, val=rows[0], test=rows[1]))
    return replace(whole, inner=tuple(inner))


def repeated(
    partitioner: Partitioner,
    official: np.ndarray | None,
    origin: str,
    subset: float,
    seed: int,
    repeats: int,
) -> Split:
    """Split ``repeats`` times, each with train and val cut to ``subset``.

    Where there is no official test, every repeat is a fresh random split. Where there is one, test
    stays, and every repeat has :data:`KEPT` of the patients of train and val (val made anew where
    it is not official): fits to all of one training set would not tell how much another one would
    have changed.
    """
    wholes = [official_or_made(partitioner, official, origin, [seed, 3, r]) for r in range(repeats)]
    inner = [cut(s, partitioner, subset, [seed, 3, r, 1]) for r, s in enumerate(wholes)]
    first = inner[0]
    if official is not None and (official != "").any():
        inner = [cut(s, partitioner, KEPT, [seed, 3, r, 2]) for r, s in enumerate(inner)]
        text = f"{first.origin}; {repeats} fits to {100 * KEPT:g} % of these patients, drawn anew"
        had = partitioner.patients(np.r_[wholes[0].train, wholes[0].val])
        kept = partitioner.patients(np.r_[inner[0].train, inner[0].val]) / had
        shared = kept / max(1 - kept, 1 / had)
    else:
        text = next((s.origin for s in inner if "; not reached" in s.origin), first.origin)
        text = text.replace("made here:", f"made here, {repeats} times anew:")
        shared = partitioner.patients(first.test) / partitioner.patients(
            np.r_[first.train, first.val]
        )
    test = np.unique(np.concatenate([s.test for s in inner]))
    none = test[:0]
    return Split(
        none, none, test, text, partitioner.grouping, seed, max(s.crossing for s in inner),
        partitioner.version, tuple(inner), shared,
    )  # fmt: skip
