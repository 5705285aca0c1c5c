"""Labelled items as a backbone sees them, whatever holds what it sees."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from featprobe.store.format import FeatureKey, Items


@dataclass(frozen=True)
class ExcludedItem:
    """An item without features, and why."""

    id: str
    reason: str


class LabeledItems(ABC):
    """Items of a data set and a backbone, one row an item of which all frames are there.

    ``ids``, ``groups``, ``split`` (N,) text; ``y`` (N,) or (N, C), or None without labels;
    ``classes``; ``task``; ``key``. Items that could not be read are in ``left_out``. A protocol
    splits all subjects of the same items alike.
    """

    dataset: str
    backbone: str
    key: FeatureKey

    @property
    @abstractmethod
    def items(self) -> Items:
        """The table of all items, those left out included."""

    @property
    @abstractmethod
    def rows(self) -> np.ndarray:
        """(N,) the item of each row."""

    @property
    @abstractmethod
    def left_out(self) -> Sequence[ExcludedItem]:
        """Items without a row."""

    @property
    @abstractmethod
    def provenance(self) -> dict[str, Any]:
        """Where the backbone comes from, and what ran it."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """Which readers the items have; empty where that is not known."""
        return tuple(self.provenance.get("kinds") or ())

    @property
    def findings(self) -> list[str]:
        """Notes of every result on these items."""
        return []

    @property
    def ids(self) -> np.ndarray:
        return self.items.ids[self.rows]

    @property
    def groups(self) -> np.ndarray:
        return self.items.groups[self.rows]

    @property
    def split(self) -> np.ndarray:
        return self.items.split[self.rows]

    @property
    def y(self) -> np.ndarray | None:
        targets = self.items.targets
        return None if targets is None else targets[self.rows]

    @property
    def classes(self) -> tuple[str, ...]:
        return self.items.classes

    @property
    def task(self) -> str | None:
        return self.items.task

    def __len__(self) -> int:
        return len(self.rows)


def unlabeled(features: LabeledItems) -> str:
    """Why a probe cannot run on a feature set or other labelled items, or an empty string."""
    where = f"{features.dataset} / {features.backbone}"
    y = features.y
    if y is None:
        return f"{where}: the data set has no labels, so there is nothing to probe"
    if not len(features):
        return f"{where}: no item could be read"
    if features.task == "multiclass":
        found = np.unique(y[y >= 0])
        if not len(found):
            return f"{where}: every label is unknown"
        if len(found) == 1:
            name = features.classes[found[0]]
            return f"{where}: one class only ({name}), a probe needs two"
    return ""
