"""Features of several data sets that were made by one backbone in one way, or by the same ones."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TypeVar

from featprobe.core.errors import InputError
from featprobe.features.feature_set import FeatureSet

Views = TypeVar("Views")  # those that are read of a feature set, as each verb has them


def trained_and_tested(
    sets: Sequence[tuple[FeatureSet, Views]], train: Collection[str], test: Collection[str]
) -> tuple[list[tuple[FeatureSet, list[FeatureSet], Views]], list[str]]:
    """The features of a data set to train on, those of others to test on, and the views of both;
    and what has no partner.

    ``sets``: feature sets, of one backbone or joined, each with its views. ``train``, ``test``:
    names of data sets as they have them. Of several of a data set the one made in the same way
    (backbones, frames, precision) is taken, else the only one of the backbone. Raises
    :class:`InputError` where nothing goes together.
    """
    pairs, notes = [], []
    for source, views in sets:
        if source.dataset not in train:
            continue
        others = []
        for name in dict.fromkeys(test):
            if name == source.dataset:
                continue
            of = [
                f for f, theirs in sets
                if (f.dataset, f.backbone, theirs) == (name, source.backbone, views)
            ]  # fmt: skip
            alike = [f for f in of if f.key.lineage == source.key.lineage]
            found = alike or of
            if len(found) == 1:
                others += found
                continue
            why = f"{len(found)} stores, none made as it was" if found else "no features"
            notes.append(f"{source.dataset} / {source.backbone}: {why} of {name} by this backbone")
        if others:
            pairs.append((source, others, views))
    if not pairs:
        why = f": {notes[0]}" if notes else ""
        raise InputError(f"no two data sets with features of one backbone{why}")
    return pairs, notes
