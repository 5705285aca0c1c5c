"""The base class of containers: how a store is created and opened, and what each format defines."""

from __future__ import annotations

import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Self

import numpy as np

from featprobe.core.errors import InputError, MissingPath, StoreError, reason
from featprobe.store import attributes as written
from featprobe.store import last_used, locks
from featprobe.store.attributes import sealed
from featprobe.store.chunks import Chunk
from featprobe.store.damage import damaged, way_out
from featprobe.store.format import FORMAT_VERSION, FeatureKey, Items, Layout
from featprobe.store.locate import storage_path
from featprobe.store.storage_path import StoragePath, Where

STATUS = "status"
INDEX = ("frame_item", "frame_index")


class Container(ABC):
    """The part of a :class:`~featprobe.store.base.FeatureStore` that reads and writes files."""

    kind: ClassVar[str]
    suffix: ClassVar[str]

    def __init__(self, path: StoragePath, attributes: dict[str, Any]) -> None:
        self.path = path
        self.attributes = attributes
        a = attributes
        self.key = FeatureKey(**a["key"])
        self.dataset: str = a["dataset"]
        self.backbone: str = a["backbone"]
        self.layout = Layout(
            a["frames"], a["shard"], {n: tuple(map(int, v)) for n, v in a["arrays"].items()}
        )

    def __reduce__(self) -> tuple[Callable[..., Container], tuple[str]]:
        return type(self).open, (str(self.path),)

    @classmethod
    def create(
        cls,
        path: Where | StoragePath,
        key: FeatureKey,
        layout: Layout,
        frame_item: np.ndarray,
        frame_index: np.ndarray,
        items: Items,
        names: Mapping[str, str],
        provenance: Mapping[str, Any],
    ) -> Self:
        """Create an empty store; it appears under its path complete or not at all.

        ``frame_item``, ``frame_index`` (F,): the item of each frame and its number within it.
        ``names``: ``dataset`` and ``backbone``. A store that is there already is opened instead.
        Raises :class:`InputError` when the place cannot be written.
        """
        where = storage_path(path)
        attributes = {
            "featprobe": FORMAT_VERSION,
            **names,
            "key": key.to_dict(),
            "frames": layout.frames,
            "shard": layout.shard,
            "arrays": {n: list(s) for n, s in layout.arrays.items()},
            "items": table_name(items),
            "provenance": dict(provenance),
        }
        index = as_index(frame_item, frame_index)
        try:
            cls._lay_out(where, key, layout, index, items, sealed(attributes))
        except FileExistsError:  # another process was first; its layout is the same
            return cls.open(where, key)
        except OSError as error:
            if where.exists():
                return cls.open(where, key)
            raise InputError(f"{where.parent}: cannot be written: {reason(error)}") from error
        last_used.touch(where)
        written.keep(where, sealed(attributes), items.about)
        return cls.open(where, key)

    @classmethod
    def open(cls, path: Where | StoragePath, key: FeatureKey | None = None) -> Self:
        """Open a store for reading and writing. Reads its attributes and nothing else.

        Raises :class:`MissingPath`, or :class:`StoreError` for another format version, a damaged
        index, or, where ``key`` is given, a key that differs.
        """
        where = storage_path(path)
        try:
            attributes = cls._attributes(where)
            version = attributes.get("featprobe")
            if version is None:
                raise ValueError("its attributes name no format version")
            if version != FORMAT_VERSION:
                raise StoreError(
                    f"{where}: format version {version!r}; this featprobe reads {FORMAT_VERSION}"
                )
            if attributes != sealed(attributes) and "seal" in attributes:
                raise ValueError("its attributes have been changed")
            store = cls(where, attributes)
        except StoreError:
            raise
        except Exception as error:  # file, JSON and key errors of a damaged index
            if isinstance(error, FileNotFoundError) and not where.exists():
                raise MissingPath(f"{where}: no such feature store") from None
            raise StoreError(
                f"{where}: not a readable feature store ({reason(error)}); {way_out(where, error)}"
            ) from error
        if key is not None and store.key != key:
            fields = ", ".join(key.differences(store.key.to_dict()))
            raise StoreError(
                f"{where}: holds features of another key (different: {fields}); not read"
            )
        return store

    def update(self, about: Mapping[str, Any] | None = None, **values: Any) -> None:
        """Change attributes, on disk as it is now; None removes one. ``about``: of a new table."""
        with self._alone():
            changed = {**self._attributes(self.path), **values}
            changed = sealed({k: v for k, v in changed.items() if v is not None})
            self._put_attributes(changed)
            self.attributes = changed
            written.keep(self.path, changed, about)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        while (lock := locks.take(self.path, "store")) is None:
            time.sleep(0.01)
        with lock:
            yield

    def _damaged(self, name: str, shard: int | None, error: Exception) -> StoreError:
        where = name if shard is None else f"{name} of shard {shard}"
        return damaged(self.path, f"{self.path}: {where}", error)

    # -- items ----------------------------------------------------------------------------------

    def frame_item(self) -> np.ndarray:
        """(F,) int64 item of each frame, non-decreasing."""
        return self._indexed("frame_item")

    def frame_index(self) -> np.ndarray:
        """(F,) int32 number of each frame within its item."""
        return self._indexed("frame_index")

    def _indexed(self, name: str) -> np.ndarray:
        try:
            return self._frame_index(name)
        except Exception as error:
            raise self._damaged(name, None, error) from error

    def items(self) -> Items:
        """The table of items."""
        name = self.attributes.get("items")
        if name is None:
            raise StoreError(f"{self.path}: no table of items; run its extract again to write one")
        try:
            return self._table(name)
        except Exception as error:
            raise self._damaged(name, None, error) from error

    def set_items(self, items: Items) -> bool:
        """Store the table of items; True when it replaced one of other labels, groups or split.

        A table that means the same stays, whatever it is called (earlier versions named it by
        another rule). The new table is written beside the old one; one change of the attributes
        switches over.
        """
        name, old = table_name(items), self.attributes.get("items")
        if old == name or (old and self._means(old, items)):
            return False
        try:
            self._put_table(name, items)
            self.update(items.about, items=name)
            if old:
                self._drop_table(old)
        except OSError as error:
            raise StoreError(
                f"{self.path}: the table of items cannot be written: {reason(error)}"
            ) from error
        return bool(old)

    def _means(self, name: str, items: Items) -> bool:
        """Whether a table there has the labels of another; one that cannot be read has not."""
        try:
            return self._table(name).labels_digest == items.labels_digest
        except Exception:
            return False

    # -- what a container does ------------------------------------------------------------------

    @classmethod
    @abstractmethod
    def _lay_out(
        cls, where: StoragePath, key: FeatureKey, layout: Layout, index: Mapping[str, np.ndarray],
        items: Items, attributes: Mapping[str, Any],
    ) -> None: ...  # fmt: skip

    @classmethod
    @abstractmethod
    def _attributes(cls, where: StoragePath) -> dict[str, Any]: ...

    @abstractmethod
    def _put_attributes(self, attributes: Mapping[str, Any]) -> None: ...

    @abstractmethod
    def committed(self) -> set[int]:
        """Shards that are there."""

    @abstractmethod
    def _chunk(self, name: str, shard: int) -> Chunk | None:
        """Where rows of a shard lie, None where the shard is pending."""

    @abstractmethod
    def _put(
        self, shard: int, arrays: Mapping[str, np.ndarray], status: np.ndarray, reasons: list[str]
    ) -> None: ...

    @abstractmethod
    def _drop(self, shard: int) -> None: ...

    @abstractmethod
    def _shards_with_reasons(self) -> list[int]: ...

    @abstractmethod
    def _shard_reasons(self, shard: int) -> list[str]: ...

    @abstractmethod
    def _frame_index(self, name: str) -> np.ndarray: ...

    @abstractmethod
    def _table(self, name: str) -> Items: ...

    @abstractmethod
    def _put_table(self, name: str, items: Items) -> None: ...

    @abstractmethod
    def _drop_table(self, name: str) -> None: ...

    @abstractmethod
    def _put_index(self, index: Mapping[str, np.ndarray]) -> None: ...

    @abstractmethod
    def _tables(self) -> list[str]:
        """The names of all tables of items that are there."""

    @abstractmethod
    def _mend(self, about: Mapping[str, Any]) -> list[str]:
        """Write anew what is damaged and known from the attributes; the files that were.

        ``about``: what the copy says of the table of items, empty without one.
        """

    def _consolidate(self) -> None:  # noqa: B027 - most have nothing to do
        """What a container makes of a store whose shards are all there."""


def as_index(frame_item: np.ndarray, frame_index: np.ndarray) -> dict[str, np.ndarray]:
    """The index of frames as it is stored."""
    return {"frame_item": frame_item.astype(np.int64), "frame_index": frame_index.astype(np.int32)}


def table_name(items: Items) -> str:
    """``items-<digest12>``."""
    return f"items-{items.table_digest[:12]}"
