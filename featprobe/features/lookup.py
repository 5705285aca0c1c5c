"""What a user calls data sets and backbones, in the words of the cache.

Every verb that chooses from stores or results asks here, so what ``extract`` was given works
wherever features are named: a path, a common name (``chestxray``), a hub id.
"""

from __future__ import annotations

from collections.abc import Collection

from featprobe.core.errors import FeatprobeError, InputError, UnknownName
from featprobe.core.paths import expanded
from featprobe.datasets.load import dataset_name, entry_named
from featprobe.store.cache import CacheEntry, called, entries, named
from featprobe.store.storage_path import StoragePath, Where


def data_named(text: str, known: Collection[str]) -> str:
    """The name under which the data set is cached, of those in ``known`` where one is meant.

    What is cached under that very name comes first; then a path that is there, as ``extract``
    would take it; then a common name; then a path that has been moved since. Anything else stays.
    """
    if text in known:
        return text
    path = expanded(text)
    if path.exists():
        return dataset_name(path)
    if entry := entry_named(text):
        return entry
    gone = [dataset_name(path), dataset_name(path.with_suffix(""))] if text != path.stem else []
    return next((name for name in gone if name in known), text)


def model_named(text: str, known: Collection[str]) -> str:
    """The name under which features of the backbone are cached: ``org/name`` is ``name``.

    What is cached under that very name stays, as does what no backbone is called.
    """
    if not text or any(called(name, text) for name in known):
        return text
    from featprobe.backbones.load import resolve

    try:
        return resolve(text).label
    except FeatprobeError:
        return text


def store_named(cache: Where | StoragePath, text: str) -> CacheEntry:
    """The store of a name or digest, or the only one of the data set that is called so.

    Raises :class:`UnknownName`, and :class:`InputError` where several are meant, naming them.
    """
    try:
        return named(cache, text)
    except UnknownName:
        known = list(entries(cache))
        wanted = data_named(text, {e.path.parent.name for e in known})
        found = [e for e in known if e.path.parent.name == wanted]
        if not found:
            raise
    if len(found) > 1:
        raise InputError(
            f"{text!r} is a data set with {len(found)} stores; name one: "
            f"{', '.join(e.path.name for e in found)}"
        )
    return found[0]
