"""The protocol of a probe that is tested on another data set than that it was fitted to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from featprobe.core.errors import InputError
from featprobe.evaluation.protocols import Full
from featprobe.features.labeled_items import LabeledItems
from featprobe.splits.partition import Partitioner, Split

ON = ("auto", "test", "all")
SHARED = ("keep", "drop")


@dataclass(frozen=True)
class Transfer(Full):
    """The ``full`` protocol on a ``source``, tested elsewhere, too: what a Result says of it.

    ``mapped``: renamed classes, ``classes``: those that all data sets share, ``on``: ``test`` or
    ``all`` items are tested, ``shared``: whether those of the source's patients are kept.
    """

    source: str = ""
    mapped: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    on: str = "test"
    shared: str = "keep"
    name: str = field(default="transfer", init=False)

    @classmethod
    def of(
        cls, full: Full, source: str, mapped: Sequence[str], classes: tuple[str, ...], shared: str
    ) -> Transfer:
        """Raises :class:`InputError` for repeats, and for what is to become of ``shared`` items."""
        if full.repeats > 1:
            raise InputError("transfer fits once: leave repeats out")
        if shared not in SHARED:
            raise InputError(f"what the data sets share is {' or '.join(SHARED)}, not {shared!r}")
        return cls(
            full.seed, full.refit, full.subset, full.split_version, source=source,
            mapped=tuple(sorted(mapped)), classes=classes, shared=shared,
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        usual = (("mapped", ()), ("shared", "keep"))
        found = {k: v for k, v in super().to_dict().items() if (k, v) not in usual}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in found.items()}


@dataclass(frozen=True)
class _Everything(Full):
    """Every item is tested, none is fitted to."""

    def split(
        self, partitioner: Partitioner, official: np.ndarray | None = None, origin: str = ""
    ) -> Split:
        none, rows = np.empty(0, dtype=np.int64), np.arange(len(partitioner))
        return Split(none, none, rows, "all of its items", partitioner.grouping, None)


def tested_on(labeled: LabeledItems, on: str, full: Full) -> tuple[str, Full]:
    """Which items of a data set are tested, ``test`` or ``all``, and the protocol that says so.

    ``auto``: the test part where an official one is there, else all. Raises :class:`InputError` for
    another word.
    """
    if on not in ON:
        raise InputError(f"a data set is tested on {', '.join(ON)}, not {on!r}")
    official = bool(np.isin(labeled.split, ["val", "test"]).any())
    which = ("test" if official else "all") if on == "auto" else on
    return (which, Full(full.seed, split_version=full.split_version)) if which == "test" else (
        which, _Everything(full.seed, split_version=full.split_version)
    )  # fmt: skip
