"""Scores of test items: what metrics, intervals and tests are computed from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from featprobe.core.errors import InputError
from featprobe.metrics.measures import Measure
from featprobe.metrics.sums import nan_mean

HOW = ("mean", "max")


@dataclass(frozen=True)
class ItemScores:
    """Scores of the test items of one result.

    ``ids``, ``groups`` (N,) text (a group is a patient); ``y`` and scores as in
    :class:`~featprobe.metrics.measures.Measure`. ``tries``: scores (n, C) of each try of a few-shot
    run or fold of a cross-validation; ``rows``: for each the positions that it is of, None where
    every try scores all items. A metric is the mean over tries. ``classes``: names, where values of
    single classes are wanted. ``cuts``: for each try the thresholds of decisions, as of
    :class:`~featprobe.metrics.measures.Measure`; empty without.
    """

    task: str
    ids: np.ndarray
    y: np.ndarray
    groups: np.ndarray
    tries: Sequence[np.ndarray]
    rows: Sequence[np.ndarray] | None = None
    classes: tuple[str, ...] = ()
    cuts: Sequence[np.ndarray] = ()

    def parts(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Yield the rows and the scores of each try."""
        rows = [np.arange(len(self.ids))] * len(self.tries) if self.rows is None else self.rows
        return list(zip(rows, self.tries))

    @cached_property
    def code(self) -> np.ndarray:
        """(N,) number of each item's patient, 0, 1, ..."""
        return np.unique(self.groups, return_inverse=True)[1]

    @property
    def patients(self) -> int:
        """Number of patients."""
        return int(self.code.max(initial=-1)) + 1

    def values(self, wanted: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        """Compute metric -> (tries,) values."""
        one = np.ones((self.patients, 1))
        tries = [m(one) for m in self._measures(wanted)]
        return {n: np.concatenate([t[n] for t in tries]) for n in tries[0]}

    def mean(self, wanted: Sequence[str] | None = None) -> dict[str, float]:
        """Compute metric -> mean over the tries where it is defined; NaN where none is."""
        return {n: float(nan_mean(v)) for n, v in self.values(wanted).items()}

    def measure(
        self, wanted: Sequence[str] | None = None
    ) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
        """Return a function from counts (patients, B) to metric -> (B,), the mean over tries.

        A try in which a metric is not defined is left out of its mean.
        """
        measures = self._measures(wanted)

        def mean(counts: np.ndarray) -> dict[str, np.ndarray]:
            tries = [m(counts) for m in measures]
            return {n: nan_mean(np.stack([t[n] for t in tries])) for n in tries[0]}

        return mean

    def _measures(self, wanted: Sequence[str] | None) -> list[Measure]:
        return [
            Measure(
                self.task, self.y[r], p, self.code[r], self.patients, wanted=wanted,
                classes=self.classes, cut=self.cuts[t] if len(self.cuts) else None,
            )
            for t, (r, p) in enumerate(self.parts())
        ]  # fmt: skip

    @classmethod
    def tried(cls, several: Sequence[ItemScores]) -> ItemScores:
        """Fits that were scored apart, as tries of one; they may test different items.

        ``ids``: of all that any of them tests. An item has one target and patient in all. Raises
        :class:`InputError` where it has not.
        """
        first = several[0]
        ids, at = np.unique(np.concatenate([s.ids for s in several]), return_index=True)
        y, groups = (np.concatenate([getattr(s, n) for s in several]) for n in ("y", "groups"))
        y, groups = y[at], groups[at]
        same = all(len(s.ids) == len(ids) and s.rows is None for s in several)
        tries, rows = [], []
        for s in several:
            place = np.searchsorted(ids, s.ids)
            if not (np.array_equal(groups[place], s.groups) and _same(y[place], s.y)):
                raise InputError("targets or patients of test items differ between seeds")
            for r, p in s.parts():
                order = np.argsort(place[r])
                rows.append(place[r][order])
                tries.append(p[order])
        cuts = [cut for s in several for cut in s.cuts]
        return replace(
            first, ids=ids, y=y, groups=groups, tries=tries, rows=None if same else rows,
            cuts=cuts if len(cuts) == len(tries) else (),
        )  # fmt: skip

    def only(self, keep: np.ndarray) -> ItemScores:
        """Select the items of a mask (N,); a try without any is dropped."""
        rows, cuts = None, self.cuts
        parts = [(r[keep[r]], p[keep[r]]) for r, p in self.parts()]
        if self.rows is not None:
            cuts = [cut for (r, _), cut in zip(parts, self.cuts) if len(r)]
            parts = [(r, p) for r, p in parts if len(r)]
            place = np.cumsum(keep) - 1
            rows = [place[r] for r, _ in parts]
        return replace(
            self, ids=self.ids[keep], y=self.y[keep], groups=self.groups[keep],
            tries=[p for _, p in parts], rows=rows, cuts=cuts,
        )  # fmt: skip

    def in_order(self, ids: np.ndarray) -> ItemScores:
        """Reorder the items by ``ids``, which must be the same ids."""
        place = np.empty(len(ids), dtype=np.int64)
        place[np.argsort(ids, kind="stable")] = np.argsort(self.ids, kind="stable")
        at = np.empty_like(place)
        at[place] = np.arange(len(ids))
        # scores of each part are put in the order of its rows, so that equal folds look alike
        moved = [(at[r], p) for r, p in self.parts()]
        sort = [np.argsort(r) for r, _ in moved]
        return replace(
            self, ids=ids, y=self.y[place], groups=self.groups[place],
            tries=[p[s] for (_, p), s in zip(moved, sort)],
            rows=None if self.rows is None else [r[s] for (r, _), s in zip(moved, sort)],
        )  # fmt: skip

    def by_unit(self, unit: np.ndarray, how: str = "mean") -> ItemScores:
        """Average scores, or take their maximum, over the items of each unit (a patient, a study).

        ``unit`` (N,) names that of each item. The target of a unit is that of its items, which must
        agree; a label is positive where any item is, unknown where all items are. The maximum of
        class probabilities is normalised to sum to one.

        Raises :class:`InputError` for items of one unit that differ in their target or patient,
        naming the first, and for an unknown ``how``.
        """
        if how not in HOW:
            raise InputError(f"scores of a unit are joined by {' or '.join(HOW)}, not {how!r}")
        names, first, code = np.unique(unit, return_index=True, return_inverse=True)
        self._agree(self.groups, first, code, unit, "patients")
        if self.y.ndim == 1:
            self._agree(self.y, first, code, unit, "targets")
            y = self.y[first]
        else:
            y = np.full((len(names), self.y.shape[1]), -1.0)
            np.maximum.at(y, code, np.where(np.isnan(self.y), -1.0, self.y))
            y = np.where(y < 0, np.nan, y)
        tries, rows = [], []
        for r, p in self.parts():
            present, place = np.unique(code[r], return_inverse=True)
            tries.append(self._join(p, place, len(present), how))
            rows.append(present)
        return replace(
            self, ids=names, y=y, groups=self.groups[first], tries=tries,
            rows=None if self.rows is None else rows,
        )  # fmt: skip

    def _join(self, p: np.ndarray, place: np.ndarray, units: int, how: str) -> np.ndarray:
        if how == "max":
            out = np.full((units, p.shape[1]), -np.inf)
            np.maximum.at(out, place, p)
            several = self.y.ndim == 1 and p.shape[1] > 1
            return out / out.sum(1, keepdims=True) if several else out
        out = np.zeros((units, p.shape[1]))
        np.add.at(out, place, p)
        return out / np.bincount(place, minlength=units)[:, None]

    def _agree(
        self, of: np.ndarray, first: np.ndarray, code: np.ndarray, unit: np.ndarray, what: str
    ) -> None:
        differs = np.flatnonzero(of != of[first][code])
        if len(differs):
            i = int(differs[0])
            j = int(first[code[i]])
            raise InputError(
                f"{unit[i]}: its items have different {what} ({self.ids[j]}: {self._text(of[j])}, "
                f"{self.ids[i]}: {self._text(of[i])}), so it has no single one; score items "
                "instead (level 'item'), or name other units"
            )

    def _text(self, target: object) -> str:
        if isinstance(target, np.integer) and self.classes:
            return self.classes[int(target)]
        return str(target)


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
