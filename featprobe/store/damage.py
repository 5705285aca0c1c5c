"""Descriptions of damage to a store, and how to repair it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from featprobe.core.errors import StoreError, reason
from featprobe.store import attributes
from featprobe.store.chunks import Damaged
from featprobe.store.storage_path import StoragePath


@dataclass(frozen=True)
class Damage:
    """Something in a store that is not what was written. ``shard`` None: not of a shard."""

    shard: int | None
    array: str
    what: str

    def __str__(self) -> str:
        where = "" if self.shard is None else f"shard {self.shard}, "
        return f"{where}{self.array}: {self.what}"


def what_is_wrong(error: Exception) -> str:
    """In a few words, after the name of what was read."""
    if isinstance(error, Damaged):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return "is missing"
    return f"cannot be read ({reason(error)})"


def damaged(store: StoragePath, what: str, error: Exception) -> StoreError:
    """The error for a file of a store that cannot be read, with the way out."""
    if isinstance(error, PermissionError):
        return StoreError(f"{what} {what_is_wrong(error)}; nothing is damaged: let it be read")
    return StoreError(
        f"{what} {what_is_wrong(error)}; the store is damaged: 'featprobe cache verify "
        f"{store.stem} --repair' and the same extract command mend it"
    )


def way_out(store: StoragePath, error: Exception) -> str:
    """Say how to repair a store whose attributes cannot be read."""
    if isinstance(error, PermissionError):
        return "let it be read"
    if attributes.copy(store) is not None:
        return f"'featprobe cache verify {store.stem} --repair' mends it"
    return f"'featprobe cache rm {store.stem}' removes it"


def errors(
    jobs: Iterable[tuple[str, Callable[..., Any], Sequence[Any]]],
) -> Iterator[tuple[str, Exception]]:
    """Names and causes of the jobs that fail; ``jobs``: name, function and its arguments."""
    for name, job, arguments in jobs:
        try:
            job(*arguments)
        except Exception as error:
            yield name, error.__cause__ if isinstance(error.__cause__, Exception) else error
