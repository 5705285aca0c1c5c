"""Features of several data sets that were made by one backbone in one way."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from featprobe.core.errors import InputError
from featprobe.store.base import FeatureStore


def trained_and_tested(
    stores: Sequence[FeatureStore], train: Collection[str], test: Collection[str]
) -> tuple[list[tuple[FeatureStore, list[FeatureStore]]], list[str]]:
    """Each store of a data set to train on, with those of others to test on; what has no partner.

    ``train``, ``test``: names of data sets as the stores have them. Of several stores of a data set
    the one made in the same way (backbone, frames, precision) is taken, else the only one of the
    backbone. Raises :class:`InputError` where nothing goes together.
    """
    pairs, notes = [], []
    for source in stores:
        if source.dataset not in train:
            continue
        others = []
        for name in dict.fromkeys(test):
            if name == source.dataset:
                continue
            of = [s for s in stores if s.dataset == name and s.backbone == source.backbone]
            alike = [s for s in of if s.key.lineage == source.key.lineage]
            found = alike or of
            if len(found) == 1:
                others += found
                continue
            why = f"{len(found)} stores, none made as it was" if found else "no features"
            notes.append(f"{source.dataset} / {source.backbone}: {why} of {name} by this backbone")
        if others:
            pairs.append((source, others))
    if not pairs:
        why = f": {notes[0]}" if notes else ""
        raise InputError(f"no two data sets with features of one backbone{why}")
    return pairs, notes
