"""Protocols: which rows train, select and test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from featprobe.core.errors import InputError, look_up
from featprobe.splits.partition import (
    VERSION,
    Partitioner,
    Split,
    check_subset,
    check_version,
    cut,
    folded,
    official_or_made,
    repeated,
)
from featprobe.splits.shots import DRAWN, Draws
from featprobe.splits.study_draws import DRAWS, ONCE

# what earlier versions wrote for what a shot is, in results of probes and of decoders
EARLIER_WORDS = {"sample": "item", "case": "item"}


def in_digests(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings of a protocol in the words that digests of all versions are made of."""
    return settings | ({"by": "sample"} if settings.get("by") == "item" else {})


def check_shots(shots: Sequence[int], tries: int) -> None:
    """Raise :class:`InputError` for few-shot draws of nothing, or none."""
    if not shots or min(shots) < 1 or tries < 1:
        raise InputError("few-shot needs shots and tries of at least 1")


@dataclass(frozen=True)
class Full:
    """Fit on train, choose on val, refit on train and val, test once.

    ``refit=False`` tests the estimator fitted on train alone. ``subset``: the fraction of the
    patients of train and val that there are, or above 1 the number of training items
    (:func:`~featprobe.splits.partition.cut`), the same for every probe and backbone.
    ``split_version``: 1 splits as versions did that recorded none. ``repeats``: so many splits
    instead of one, see :func:`~featprobe.splits.partition.repeated`; a metric is the mean over
    them, and its interval speaks of new training sets too.
    """

    seed: int = 0
    refit: bool = True
    subset: float = 1.0
    split_version: int = VERSION
    repeats: int = 1
    name: str = field(default="full", init=False)

    def __post_init__(self) -> None:
        check_subset(self.subset)
        if self.subset > 1:
            object.__setattr__(self, "subset", int(self.subset))
        if self.repeats < 1:
            raise InputError(f"repeats {self.repeats} must be at least 1")
        check_version(self.split_version)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, without a subset that is all, one repeat, or the first version."""
        usual = (("subset", 1), ("repeats", 1))
        return {k: v for k, v in _plain(self).items() if (k, v) not in usual}

    def split(
        self, partitioner: Partitioner, official: np.ndarray | None = None, origin: str = ""
    ) -> Split:
        """Train, val and test of the items, of repeats with each inside."""
        if self.repeats > 1:
            return repeated(partitioner, official, origin, self.subset, self.seed, self.repeats)
        whole = official_or_made(partitioner, official, origin, self.seed)
        return cut(whole, partitioner, self.subset, self.seed)


@dataclass(frozen=True)
class FewShot:
    """``shots`` items (or patients) of each class of train, drawn ``tries`` times.

    ``by="item"`` (``"sample"`` is read as the same): n items of each class, from different patients
    as far as there are enough. ``by="patient"``: all items that n patients have of the class. Draw
    t of seed s is the same for every probe and backbone, and the draw of n shots is part of the
    draw of 2n.

    ``draw``: ``drawn`` at random, or as a study does, see :mod:`featprobe.splits.shots`: ``first``
    and ``spaced`` are one try, ``dinov2`` draws try t of seed s under seed s + t. ``choose``: val
    chooses the candidate and the view of each try, which makes val part of what was known;
    otherwise val is unused.
    """

    shots: tuple[int, ...] = (1, 2, 4, 8, 16)
    tries: int = 20
    by: str = "item"
    seed: int = 0
    split_version: int = VERSION
    draw: str = DRAWN
    choose: bool = False
    name: str = field(default="fewshot", init=False)

    def __post_init__(self) -> None:
        check_shots(self.shots, self.tries)
        object.__setattr__(self, "by", EARLIER_WORDS.get(self.by, self.by))
        if self.by not in ("item", "patient"):
            raise InputError(f"few-shot by {self.by!r}: choose item or patient")
        look_up("way to draw shots", self.draw, DRAWS)
        if self.draw == "first":  # of each class the first patients
            object.__setattr__(self, "by", "patient")
        elif self.draw != DRAWN and self.by == "patient":
            raise InputError(f"few-shot drawn as {self.draw!r} takes items: leave by=patient out")
        if self.draw in ONCE:
            object.__setattr__(self, "tries", 1)
        check_version(self.split_version)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, without what is usual."""
        usual = (("draw", DRAWN), ("choose", False))
        kept = {k: v for k, v in _plain(self).items() if (k, v) not in usual}
        return {**kept, "shots": list(self.shots)}

    def split(
        self, partitioner: Partitioner, official: np.ndarray | None = None, origin: str = ""
    ) -> Split:
        """Train, from which is drawn, val and test of the items."""
        whole = official_or_made(partitioner, official, origin, self.seed)
        return replace(whole, version=partitioner.version)

    def draws(
        self, y: np.ndarray, groups: np.ndarray, rows: np.ndarray, ids: np.ndarray | None = None
    ) -> Callable[[int, int], np.ndarray]:
        """A function from shots and the number of the draw to rows, a sorted subset of ``rows``."""
        if self.draw != DRAWN:
            return DRAWS[self.draw](y, groups, rows, ids, self.seed)
        return Draws(y, groups, rows, ids, by=self.by, seed=self.seed, version=self.split_version)


@dataclass(frozen=True)
class CrossVal:
    """Every fold is test once, the next one val, the rest train; an official split is not used.

    Folds are stratified and no patient is in two of them. Metrics are means over folds.
    """

    folds: int = 5
    seed: int = 0
    split_version: int = VERSION
    name: str = field(default="cv", init=False)

    def __post_init__(self) -> None:
        if self.folds < 3:
            raise InputError(f"{self.folds} folds: train, val and test need at least 3")
        check_version(self.split_version)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return _plain(self)

    def split(
        self, partitioner: Partitioner, official: np.ndarray | None = None, origin: str = ""
    ) -> Split:
        """All rows as test, with the folds inside; an official split is not used."""
        return folded(partitioner, self.folds, self.seed)


@dataclass(frozen=True)
class LeaveOneOut:
    """Every item is tested by those of all other patients; there is no val, so give one k."""

    seed: int = 0
    name: str = field(default="loo", init=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    def split(
        self, partitioner: Partitioner, official: np.ndarray | None = None, origin: str = ""
    ) -> Split:
        """All rows as test; an official split is not used."""
        if len(np.unique(partitioner.groups)) < 2:
            raise InputError("leave-one-out scores an item by other patients; there is one patient")
        none, rows = np.empty(0, dtype=np.int64), np.arange(len(partitioner))
        text = "made here: each item against the items of all other patients"
        return Split(none, none, rows, text, partitioner.grouping, None)


def make_split(
    y: np.ndarray,
    groups: np.ndarray,
    official: np.ndarray | None = None,
    *,
    seed: int = 0,
    origin: str = "",
    grouping: str = "",
    ids: np.ndarray | None = None,
    version: int = VERSION,
) -> Split:
    """The split of the ``full`` protocol: see :class:`~featprobe.splits.partition.Partitioner` for
    what is split, and :func:`~featprobe.splits.partition.official_or_made` for how.
    """
    partitioner = Partitioner(y, groups, ids, version, grouping)
    return Full(seed=seed, split_version=version).split(partitioner, official, origin)


Protocol = Full | FewShot | CrossVal | LeaveOneOut


def _plain(protocol: Full | FewShot | CrossVal) -> dict[str, Any]:
    """Its fields, without the first version of splits, which results of that time do not say."""
    return {k: v for k, v in asdict(protocol).items() if (k, v) != ("split_version", 1)}


NAMED: dict[str, Callable[[], Protocol]] = {
    "full": Full, "fewshot": FewShot, "cv": CrossVal, "loo": LeaveOneOut,
}  # fmt: skip


def parse(protocol: Any) -> Protocol:
    """Make a protocol from its name, or return it."""
    if isinstance(protocol, Protocol):
        return protocol
    if protocol not in NAMED:
        raise InputError(
            f"unknown protocol {protocol!r}: use one of {', '.join(NAMED)}, or an object of them"
        )
    return NAMED[protocol]()
