"""Several data sets as one: fitted to items of the first, tested on those of all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from featprobe.core.errors import InputError
from featprobe.datasets.groups import NO_GROUPS
from featprobe.evaluation.fitted import Data, View
from featprobe.features.bags import Bags, one_row_an_item
from featprobe.features.labeled_items import LabeledItems
from featprobe.features.leakage import alike_between
from featprobe.splits.partition import Split

SAME = ("auto", "same", "apart")
_COUNTED = 100  # times as many as there are patients: a number up to there is a counter


def same_patients(
    one: LabeledItems, other: LabeledItems, how: str = "auto"
) -> tuple[set[str], str]:
    """Names of patients that are one person in two data sets, and what to say of it.

    ``same``: equal names are one patient; ``apart``: none is; ``auto``: they are, unless the names
    are mere counters (``7``, ``patient-0007``) that any two data sets have in common, or patients
    are not known. Raises :class:`InputError` for another word.
    """
    if how not in SAME:
        raise InputError(f"patients of two data sets are {', '.join(SAME)}, not {how!r}")
    known = [f.items.group_origin for f in (one, other)]
    both = set(one.groups.tolist()) & set(other.groups.tolist())
    if how == "apart" or not both or any(o.startswith(NO_GROUPS) for o in known):
        return set(), ""
    if how == "auto" and all(_counter(name, f) for name in both for f in (one, other)):
        return set(), (
            f"{len(both)} names of patients are in {one.dataset} and in {other.dataset}; they are "
            "mere numbers and taken for different people: --patients same where they are not"
        )
    return both, f"{len(both)} patients are in {one.dataset} and in {other.dataset}, by name"


def _counter(name: str, of: LabeledItems) -> bool:
    """Whether a name is a number that counting the patients of a data set gives."""
    number = re.fullmatch(r"(?:patient|subject|case|pat|p|s)?[\W_]*(\d+)", name, re.IGNORECASE)
    return number is not None and int(number[1]) <= _COUNTED * len(np.unique(of.groups))


@dataclass(frozen=True)
class Seen:
    """What the test items of a target have in common with a source.

    ``patients``: how many of both; ``theirs`` (n,): test items of patients that were fitted to;
    ``pairs``: (id, id in the source, cosine) of near-copies, ``copies`` (n,): which items these
    are; ``threshold``: of the cosine.
    """

    patients: int
    theirs: np.ndarray
    pairs: list[tuple[str, str, float]]
    copies: np.ndarray
    threshold: float

    def without(self, data: Data, name: str) -> Data:
        """The data of the target with these items out of its test part."""
        left = data.split.test[~(self.theirs | self.copies)]
        if not len(left):
            raise InputError(f"{name}: every test item is of the source's patients, or a copy")
        return replace(data, split=replace(data.split, test=left))

    def notes(self, source: str, dropped: bool) -> list[str]:
        """What a reader should know of it."""
        out, end = [], ": left out" if dropped else ""
        n = len(self.theirs)
        if self.theirs.any():
            many = int(self.theirs.sum())
            out.append(f"{many} of {n} test items are of patients who were trained on{end}")
        if self.pairs:
            few = ", ".join(f"{a} ~ {b} ({s:.4f})" for a, b, s in self.pairs[:3])
            more = f" and {len(self.pairs) - 3} more" if len(self.pairs) > 3 else ""
            out.append(
                f"{len(self.pairs)} of {n} test items are nearly the same as an item of {source}, "
                f"by a cosine of {self.threshold:g} or more ({few}{more}){end}"
            )
        return out


def seen(source: Data, target: Data, same: set[str], threshold: float) -> Seen:
    """Look for the source's patients and pictures among the test items of a target.

    ``same``: patients that are in both data sets. Pictures are compared by their features in the
    first view, with all items of the source (:func:`~featprobe.features.leakage.alike_between`).
    """
    test, view = target.split.test, source.views[0]
    fitted = source.groups[np.r_[source.split.train, source.split.val]]
    theirs = np.isin(target.groups[test], list(same & set(fitted.tolist())))
    here, there = map(one_row_an_item, (target.read(view)[test], source.read(view)))
    found = alike_between(here, there, threshold)
    copies = np.isin(np.arange(len(test)), [i for i, _, _ in found])
    pairs = [(str(target.ids[test[i]]), str(source.ids[j]), s) for i, j, s in found]
    return Seen(len(same), theirs, pairs, copies, threshold)


@dataclass
class DataSets:
    """The rows of a source and of the test items of targets, one behind the other.

    ``data``: fitted to the source's train and val, tested on the test items of all; the patients of
    different data sets are different ones. ``tested``: positions in that test part, of each data
    set; ``names`` of the data sets.
    """

    data: Data
    names: Sequence[str]
    tested: list[np.ndarray]
    _parts: list[Data] = field(repr=False, default_factory=list)

    @classmethod
    def joined(cls, parts: Sequence[Data], names: Sequence[str]) -> DataSets:
        """Join the data of a source (first) and of targets, of which only the test part counts."""
        first = parts[0]
        rows = [np.arange(len(first.y)), *(p.split.test for p in parts[1:])]
        starts = np.r_[0, np.cumsum([len(r) for r in rows])]
        of_targets = [np.arange(a, b) for a, b in pairwise(starts[1:])]
        tests = [first.split.test, *of_targets]
        ends = np.r_[0, np.cumsum([len(t) for t in tests])]

        @lru_cache(maxsize=2)
        def read(view: View) -> Any:
            x = [first.read(view), *(p.read(view)[r] for p, r in zip(parts[1:], rows[1:]))]
            return Bags.joined(x) if isinstance(x[0], Bags) else np.concatenate(x)

        s = first.split
        data = replace(
            first, read=read, y=np.concatenate([p.y[r] for p, r in zip(parts, rows)]),
            groups=np.concatenate([_apart(p.groups[r], n) for p, r, n in zip(parts, rows, names)]),
            ids=np.concatenate([_apart(p.ids[r], n) for p, r, n in zip(parts, rows, names)]),
            split=replace(s, test=np.concatenate(tests)),
        )  # fmt: skip
        cut = [replace(p, ids=p.ids[r], groups=p.groups[r]) for p, r in zip(parts, rows)]
        places = [np.arange(a, b) for a, b in pairwise(ends)]
        return cls(data, list(names), places, cut)

    def of(self, which: int, same: set[str]) -> Data:
        """The data as a Result on the data set ``which`` has it: its own items alone are tested and
        called by their own names. ``same``: patients that are those of the source, too."""
        sets = list(enumerate(zip(self._parts, self.names)))
        ids = [p.ids if k == which else _apart(p.ids, n) for k, (p, n) in sets]
        groups = [p.groups if k == which else _apart(p.groups, n) for k, (p, n) in sets]
        if which:
            own = self._parts[0].groups
            groups[0] = np.where(np.isin(own, list(same)), own, groups[0])
        test = self.data.split.test[self.tested[which]]
        part = self._parts[which]
        split = replace(self.data.split, test=test, crossing=0)
        if which:
            split = _on(split, part.split, self.names[0], self.names[which])
        return replace(
            self.data, ids=np.concatenate(ids), groups=np.concatenate(groups), split=split,
            unknown=part.unknown,
        )  # fmt: skip


def _on(source: Split, target: Split, name: str, other: str) -> Split:
    origin = f"trained on {name} ({source.origin}), tested on {other} ({target.origin})"
    return replace(source, origin=origin, grouping=f"{source.grouping}; {target.grouping}")


def _apart(names: np.ndarray, dataset: str) -> np.ndarray:
    return np.array([f"{dataset}: {n}" for n in names.tolist()], dtype=str)
