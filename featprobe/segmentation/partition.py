"""Which items train, select and test a decoder."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from featprobe.core.errors import InputError
from featprobe.evaluation.protocols import CrossVal, FewShot, Full, check_shots
from featprobe.segmentation.items import MaskedItems
from featprobe.splits.partition import VERSION, Partitioner, Split, official_or_made
from featprobe.splits.shots import Draws
from featprobe.splits.study_draws import evenly

DRAWS = ("drawn", "spaced")


@dataclass(frozen=True)
class Shots:
    """``shots`` items of train, ``tries`` times.

    ``draw``: ``drawn`` at random, of different patients as far as there are enough, those of n a
    part of those of 2n; or ``spaced``, evenly over train in the order of ids, as RAD takes them,
    which is one try. ``choose``: val chooses a candidate for each try, which makes val part of what
    was known; otherwise val is not touched and the middle candidate is taken.
    """

    shots: tuple[int, ...] = (1, 2, 4, 8, 16)
    tries: int = 5
    draw: str = "drawn"
    choose: bool = False
    seed: int = 0
    split_version: int = VERSION
    name: str = field(default="fewshot", init=False)

    def __post_init__(self) -> None:
        check_shots(self.shots, self.tries)
        if self.draw not in DRAWS:
            raise InputError(f"shots are {' or '.join(DRAWS)}, not {self.draw!r}")
        if self.draw == "spaced" and self.tries != 1:
            object.__setattr__(self, "tries", 1)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        kept = {k: v for k, v in asdict(self).items() if k != "draw"}
        return {**kept, "shots": list(self.shots), "by": "item", "draws": self.draw}

    def of(self, items: MaskedItems, train: np.ndarray, shots: int, attempt: int) -> np.ndarray:
        """The rows of one draw; all of train where it has fewer."""
        if self.draw == "spaced":
            order = train[np.argsort(items.ids[train], kind="stable")]
            return np.sort(order[evenly(len(order), min(shots, len(order)))])
        one = np.zeros(len(items), dtype=np.int64)
        draws = Draws(
            one, items.groups, train, items.ids, seed=self.seed, version=self.split_version
        )
        return draws(shots, attempt)


Protocol = Full | CrossVal | Shots


def checked(protocol: Any) -> Protocol:
    """A protocol of items. Raises :class:`InputError` for one of classified items."""
    if isinstance(protocol, (Full, CrossVal, Shots)):
        return protocol
    if isinstance(protocol, FewShot):
        raise InputError("few-shot of segmentations draws items: give Shots(...)")
    made = {"full": Full, "cv": CrossVal, "fewshot": Shots}.get(protocol)
    if made is None:
        raise InputError(f"unknown protocol {protocol!r}: use full, cv or fewshot")
    return made()


def split_items(items: MaskedItems, protocol: Protocol) -> Split:
    """The split of the items that have masks, as rows of ``items``.

    Where a part is made here, the classes that items have are balanced between parts, for which all
    masks are read. Raises :class:`InputError` for too few patients, and where nothing is left to
    train or to test on.
    """
    rows = np.flatnonzero([items.tokens.has_mask(i) for i in range(len(items))])
    where = items.tokens.dataset
    if not len(rows):
        raise InputError(f"{where}: no item has a mask")
    official = items.split[rows]
    made = isinstance(protocol, CrossVal) or not {"train", "val", "test"} <= set(official.tolist())
    y = items.presence[rows] if made else np.zeros(len(rows), dtype=np.int64)
    partitioner = Partitioner(
        y, items.groups[rows], items.ids[rows], protocol.split_version, items.group_origin,
        items.foreground if made else (),
    )  # fmt: skip
    try:
        if isinstance(protocol, Shots):
            found = official_or_made(partitioner, official, items.split_origin, protocol.seed)
            found = replace(found, version=partitioner.version)
        else:
            found = protocol.split(partitioner, official, items.split_origin)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    found = _renamed(found, rows)
    for part in found.inner or (found,):
        if not len(part.train) or not len(part.test):
            raise InputError(f"{where}: too few items with masks to train and to test")
    return found


def _renamed(split: Split, rows: np.ndarray) -> Split:
    """Positions among ``rows`` as these rows."""
    parts = {n: rows[getattr(split, n)] for n in ("train", "val", "test")}
    return replace(split, **parts, inner=tuple(_renamed(s, rows) for s in split.inner))
