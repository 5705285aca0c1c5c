"""Repair of the metadata of a store without its images.

Of a store's metadata the attributes have a copy (:mod:`featprobe.store.attributes`), and all others
follow from them. What does not follow (features, the index of frames, the table of items) is left
to :meth:`~featprobe.store.base.FeatureStore.repair` and the next extract.
"""

from __future__ import annotations

from featprobe.core.errors import StoreError, reason
from featprobe.store import attributes
from featprobe.store.base import FeatureStore
from featprobe.store.containers import container, kind_of, open_store
from featprobe.store.locate import storage_path
from featprobe.store.storage_path import StoragePath, Where


def mend(path: Where | StoragePath) -> tuple[FeatureStore, list[str]]:
    """The store there, readable, and the files that were written anew, by name.

    Raises :class:`StoreError` where it stays unreadable: without a copy of its attributes, or where
    files may not be read or written.
    """
    where, made = storage_path(path), []
    known = attributes.copy(where)
    try:
        try:
            store = open_store(where)
        except StoreError as error:
            kind = kind_of(where)
            if known is None or kind is None or isinstance(error.__cause__, PermissionError):
                raise
            store = container(kind)(where, known[0])
            store._put_attributes(store.attributes)
            made.append("attributes")
        made += _table(store)
        made += store._mend(known[1] if known else {})
    except OSError as error:
        raise StoreError(f"{where}: cannot be mended: {reason(error)}") from error
    return open_store(where), made


def _table(store: FeatureStore) -> list[str]:
    """A copy may name the table of items before; where there is one alone, that is meant."""
    there, named = store._tables(), store.attributes.get("items")
    if named is None or named in there or len(there) != 1:
        return []
    store.update(items=there[0])
    return ["the name of the table of items"]
