"""The containers (zarr, HDF5), and which of them a path holds."""

from __future__ import annotations

from typing import Any

from featprobe.core.errors import MissingPath, StoreError, UnknownName, nearest
from featprobe.store.base import FeatureStore
from featprobe.store.format import FeatureKey
from featprobe.store.locate import storage_path
from featprobe.store.storage_path import StoragePath, Where

SUFFIXES = {"zarr": ".zarr", "hdf5": ".h5"}


def container(kind: str) -> type[FeatureStore]:
    """The class of a container by name. Raises :class:`UnknownName`."""
    if kind == "zarr":
        from featprobe.store.zarr import ZarrStore

        return ZarrStore
    if kind == "hdf5":
        from featprobe.store.hdf5 import HDF5Store

        return HDF5Store
    raise UnknownName(
        f"unknown store {kind!r}.{nearest(kind, SUFFIXES)} There are: {', '.join(SUFFIXES)}"
    )


def kind_of(path: Where | StoragePath) -> str | None:
    """Name of the container that a file name belongs to, None for other names."""
    name = storage_path(path).name
    return next((k for k, s in SUFFIXES.items() if name.endswith(s)), None)


def open_store(path: Where | StoragePath, key: FeatureKey | None = None) -> FeatureStore:
    """Open the feature store at a path, whatever its container.

    Raises what :meth:`FeatureStore.open` does.
    """
    where = storage_path(path)
    kind = kind_of(where)
    marks = {"zarr": "zarr.json", "hdf5": "store.json"}
    if kind is None:
        if not where.exists():
            raise MissingPath(f"{where}: no such feature store")
        kind = next((k for k, mark in marks.items() if (where / mark).exists()), None)
    if kind is None:
        raise StoreError(f"{where}: not a feature store: it holds no {' or '.join(marks.values())}")
    return container(kind).open(where, key)


def create_store(kind: str, path: Where | StoragePath, *args: Any, **kwargs: Any) -> FeatureStore:
    """Create an empty store in a named container; arguments of :meth:`FeatureStore.create`."""
    return container(kind).create(path, *args, **kwargs)
