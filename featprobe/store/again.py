"""Features that the cache has under another name: a data folder or a backbone was renamed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from featprobe.errors import FeatprobeError
from featprobe.store.base import FeatureStore
from featprobe.store.cache import store_path
from featprobe.store.container import sealed
from featprobe.store.containers import SUFFIXES, container, kind_of, open_store
from featprobe.store.format import FeatureKey
from featprobe.store.locate import place
from featprobe.store.place import LocalPlace, Place, Where, aside


def found_again(
    root: Where | Place, key: FeatureKey, names: Mapping[str, str]
) -> FeatureStore | None:
    """A complete store of this key under other ``names`` (``dataset``, ``backbone``), given these.

    Its files never change, so the new store shares them by hard links where the file system has
    such; either of the two may be removed. None where there is no such store, or the cache is not
    on this machine. The provenance of what is returned says ``renamed_from``.
    """
    folder = place(root) / "features"
    if folder.local is None:
        return None
    for dataset in folder.names():
        for name in (folder / dataset).names():
            kind = kind_of(folder / dataset / name)
            if not kind or not name.endswith(f"-{key.digest[:12]}{SUFFIXES[kind]}"):
                continue
            try:
                old = open_store(folder / dataset / name, key)
                if old.complete and dict(names) != {n: getattr(old, n) for n in names}:
                    return _linked(old, kind, root, key, names)
            except (FeatprobeError, OSError):  # damaged, or no place: it is extracted
                continue
    return None


def _linked(
    old: FeatureStore, kind: str, root: Where | Place, key: FeatureKey, names: Mapping[str, str]
) -> FeatureStore:
    where = store_path(root, names["dataset"], names["backbone"], key.digest, kind)
    with aside(where) as new:
        for name, _ in old.path.files():
            _link(Path(str(old.path)) / name, new / name)
        made = container(kind)(LocalPlace(new), old.attributes)
        provenance = {
            **old.attributes["provenance"], "renamed_from": f"{old.dataset} / {old.backbone}"
        }  # fmt: skip
        made._put_attributes(sealed({**old.attributes, **names, "provenance": provenance}))
        where.adopt(new, "")
    return open_store(where, key)


def _link(old: Path, new: Path) -> None:
    new.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(old, new)
    except OSError:  # a file system without links
        shutil.copy2(old, new)
