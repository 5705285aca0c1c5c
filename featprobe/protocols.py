"""Which rows train, select and test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from featprobe import splits
from featprobe.errors import InputError
from featprobe.fingerprint import digest


@dataclass(frozen=True)
class Split:
    """Row indices of train, val and test, with how they came about.

    ``origin`` and ``grouping`` say in words where split and patients come from. No group is in two
    parts, unless the data set's official split itself puts it there: ``crossing`` counts those.
    """

    train: np.ndarray
    val: np.ndarray
    test: np.ndarray
    origin: str
    grouping: str
    seed: int | None
    crossing: int = 0

    def parts(self) -> np.ndarray:
        """(N,) the part of every row by name, for a split that places them all."""
        out = np.empty(sum(len(getattr(self, n)) for n in splits.NAMES), dtype="<U5")
        for name in splits.NAMES:
            out[getattr(self, name)] = name
        return out

    def to_dict(self, ids: np.ndarray, groups: np.ndarray) -> dict[str, Any]:
        """Plain JSON values, with sizes and a digest of the ids in each part."""
        parts = {n: getattr(self, n) for n in splits.NAMES}
        return {
            "origin": self.origin,
            "grouping": self.grouping,
            "seed": self.seed,
            "crossing_groups": self.crossing,
            "items": {n: len(i) for n, i in parts.items()},
            "groups": {n: len(np.unique(groups[i])) for n, i in parts.items()},
            "digest": digest([sorted(ids[i].tolist()) for i in parts.values()])[:16],
        }


def make_split(
    y: np.ndarray,
    groups: np.ndarray,
    official: np.ndarray,
    *,
    seed: int = 0,
    origin: str = "",
    grouping: str = "",
) -> Split:
    """The official split where the data set ships one, otherwise one made here.

    ``official`` (N,): train, val, test or "". Where there is none, items are split 60/20/20. Where
    test is official and val is not, a fifth of train becomes val. Where no test is published
    (CheXpert), the official val is the test. What is made here is stratified, by patient.

    Raises :class:`InputError` for an official split without train, or with nothing to test on.
    """
    if not (official != "").any():
        part = splits.assign(y, groups, splits.FRACTIONS, seed)
        made = "made here: 60/20/20, stratified, no patient in two parts"
        train, val, test = (np.flatnonzero(part == k) for k in range(3))
        return Split(train, val, test, made, grouping, seed)
    train, val, test = (np.flatnonzero(official == n) for n in splits.NAMES)
    if not len(test):
        test, val = val, test
        origin += "; no test is published, so test is the official val"
    for name, rows in (("train", train), ("test", test)):
        if not len(rows):
            raise InputError(f"the split of the data set ({origin}) has no {name} items")
    used = None
    if not len(val):
        part = splits.assign(y[train], groups[train], (0.8, 0.2), seed)
        train, val = train[part == 0], train[part == 1]
        origin += "; val is a fifth of train, stratified, by patient"
        used = seed
    fit = set(groups[np.r_[train, val]].tolist())
    crossing = len(fit & set(groups[test].tolist()))
    return Split(train, val, test, origin, grouping, used, crossing)


def cut(split: Split, y: np.ndarray, groups: np.ndarray, fraction: float, seed: int) -> Split:
    """The split with train and val cut to a fraction of their patients, see :func:`splits.portion`.

    ``y`` (N,) or (N, C) and ``groups`` (N,) are of all rows. Test stays as it is. With a fraction
    of 1 it is the split itself.
    """
    if fraction == 1:
        return split
    train, val = (
        rows[splits.portion(y[rows], groups[rows], fraction, [seed, part])]
        for part, rows in enumerate((split.train, split.val))
    )
    crossing = len(set(groups[np.r_[train, val]].tolist()) & set(groups[split.test].tolist()))
    origin = f"{split.origin}; train and val are cut to {100 * fraction:g} % of their patients"
    return replace(split, train=train, val=val, origin=origin, seed=seed, crossing=crossing)


@dataclass(frozen=True)
class Full:
    """Fit on train, choose on val, refit on train and val, test once.

    ``refit=False`` tests the estimator fitted on train alone. ``subset``: the fraction of the
    patients of train and val that there are (:func:`cut`), the same for every probe and backbone.
    """

    seed: int = 0
    refit: bool = True
    subset: float = 1.0
    name: str = field(default="full", init=False)

    def __post_init__(self) -> None:
        if not 0 < self.subset <= 1:
            raise InputError(
                f"subset {self.subset} must be above 0 and at most 1: 0.01 is 1 % of train and val"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, without a subset that is all."""
        return {k: v for k, v in asdict(self).items() if (k, v) != ("subset", 1)}


@dataclass(frozen=True)
class FewShot:
    """``shots`` samples (or patients) of each class of train, drawn ``tries`` times; val is unused.

    ``by="sample"``: n items of each class, from different patients as far as there are enough.
    ``by="patient"``: all items that n patients have of the class. Draw t of seed s is the same for
    every probe and backbone, and the draw of n shots is part of the draw of 2n.
    """

    shots: tuple[int, ...] = (1, 2, 4, 8, 16)
    tries: int = 20
    by: str = "sample"
    seed: int = 0
    name: str = field(default="fewshot", init=False)

    def __post_init__(self) -> None:
        if not self.shots or min(self.shots) < 1 or self.tries < 1:
            raise InputError("few-shot needs shots and tries of at least 1")
        if self.by not in ("sample", "patient"):
            raise InputError(f"few-shot by {self.by!r}: choose sample or patient")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "shots": list(self.shots)}

    def draw(
        self, y: np.ndarray, groups: np.ndarray, rows: np.ndarray, shots: int, attempt: int
    ) -> np.ndarray:
        """Rows of one draw, a sorted subset of ``rows``; fewer where a class has fewer."""
        rng = np.random.default_rng([self.seed, attempt])
        chosen: list[int] = []
        for member in _members(y[rows]):
            of_class = rows[member]
            names, code = np.unique(groups[of_class], return_inverse=True)
            rank = rng.permutation(len(names))[code]  # patients in random order
            within = rng.permutation(len(of_class))
            if self.by == "patient":
                chosen.extend(of_class[rank < shots].tolist())
                continue
            by_patient = np.lexsort((within, rank))
            turn = np.empty(len(of_class), dtype=np.int64)  # 0 for the first item of a patient, ...
            turn[by_patient] = splits.running_index(rank[by_patient])
            order = np.lexsort((rank, turn))
            chosen.extend(of_class[order[:shots]].tolist())
        return np.unique(np.array(chosen, dtype=np.int64))


@dataclass(frozen=True)
class CrossVal:
    """Every fold is test once, the next one val, the rest train; an official split is not used.

    Folds are stratified and no patient is in two of them. Metrics are means over folds.
    """

    folds: int = 5
    seed: int = 0
    name: str = field(default="cv", init=False)

    def __post_init__(self) -> None:
        if self.folds < 3:
            raise InputError(f"{self.folds} folds: train, val and test need at least 3")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    def split(self, groups: np.ndarray, grouping: str) -> Split:
        """All rows as test, with the folds described."""
        patients = len(np.unique(groups))
        if patients < self.folds:
            raise InputError(f"{patients} patients cannot be split into {self.folds} folds")
        none, rows = np.empty(0, dtype=np.int64), np.arange(len(groups))
        origin = f"made here: {self.folds} folds, stratified, no patient in two folds"
        return Split(none, none, rows, origin, grouping, self.seed)


@dataclass(frozen=True)
class LeaveOneOut:
    """Every item is tested by those of all other patients; there is no val, so give one k."""

    seed: int = 0
    name: str = field(default="loo", init=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    def split(self, groups: np.ndarray, grouping: str) -> Split:
        """All rows as test."""
        if len(np.unique(groups)) < 2:
            raise InputError("leave-one-out scores an item by other patients; there is one patient")
        none, rows = np.empty(0, dtype=np.int64), np.arange(len(groups))
        origin = "made here: each item against the items of all other patients"
        return Split(none, none, rows, origin, grouping, None)


Protocol = Full | FewShot | CrossVal | LeaveOneOut


def _members(y: np.ndarray) -> list[np.ndarray]:
    """Boolean masks of the classes; of positives and of all-negatives for multi-label targets."""
    if y.ndim == 2:
        positive = y == 1
        return [*positive.T, ~positive.any(1)]
    return [y == c for c in np.unique(y)]


NAMED: dict[str, Callable[[], Protocol]] = {
    "full": Full, "fewshot": FewShot, "cv": CrossVal, "loo": LeaveOneOut,
}  # fmt: skip


def parse(protocol: Any) -> Protocol:
    """A protocol from itself or its name."""
    if isinstance(protocol, Protocol):
        return protocol
    if protocol not in NAMED:
        raise InputError(
            f"unknown protocol {protocol!r}: use one of {', '.join(NAMED)}, or an object of them"
        )
    return NAMED[protocol]()
