"""Stores of a data folder that was renamed or moved, found again under its old name."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from featprobe.core.errors import FeatprobeError
from featprobe.store.attributes import copy, keep, sealed
from featprobe.store.base import FeatureStore
from featprobe.store.cache import store_path
from featprobe.store.containers import SUFFIXES, container, open_store
from featprobe.store.format import FeatureKey
from featprobe.store.locate import storage_path
from featprobe.store.storage_path import LocalPath, StoragePath, Where, aside


def find_moved(
    root: Where | StoragePath, key: FeatureKey, dataset: str, backbone: str
) -> FeatureStore | None:
    """A complete store of this key and backbone under another data set's name, given this one.

    Its files never change, so the new store shares them by hard links where the file system has
    such; either of the two may be removed. None where there is no such store, or the cache is not
    on this machine. The provenance of what is returned says ``renamed_from``. A backbone of another
    name is another one, whatever its weights: what is known of it differs.
    """
    folder = storage_path(root) / "features"
    if folder.local is None:
        return None
    for name in folder.names():
        for kind in SUFFIXES:
            path = store_path(root, name, backbone, key.digest, kind)
            try:
                if name != dataset and path.exists() and (old := open_store(path, key)).complete:
                    return _linked(old, store_path(root, dataset, backbone, key.digest, kind))
            except (FeatprobeError, OSError):  # damaged, or no place: it is extracted
                continue
    return None


def _linked(old: FeatureStore, where: StoragePath) -> FeatureStore:
    with aside(where) as new:
        for name, _ in old.path.files():
            _link(Path(str(old.path)) / name, new / name)
        made = container(old.kind)(LocalPath(new), old.attributes)
        provenance = {**old.attributes["provenance"], "renamed_from": old.dataset}
        names = {"dataset": where.parent.name, "provenance": provenance}
        made._put_attributes(attributes := sealed({**old.attributes, **names}))
        where.adopt(new, "")
    known = copy(old.path)
    keep(where, attributes, known[1] if known else None)
    return open_store(where, old.key)


def _link(old: Path, new: Path) -> None:
    new.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(old, new)
    except OSError:  # a file system without links
        shutil.copy2(old, new)
