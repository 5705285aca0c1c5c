"""What every container of features can do, and the rules that all of them share."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from featprobe.core.display import Displayable
from featprobe.core.errors import InputError, StoreError, UnknownName, nearest, reason
from featprobe.store import attributes as written
from featprobe.store import last_used, locks, quantised
from featprobe.store.chunks import Chunk, Damaged, Rows, raw
from featprobe.store.container import INDEX, STATUS, Container, as_index
from featprobe.store.damage import Damage, errors, what_is_wrong
from featprobe.store.format import DONE, FAILED
from featprobe.store.storage_path import StoragePath


class FeatureStore(Displayable, Container):
    """One store: features by frame, their status, the table of items.

    F frames in shards of R. A shard is the unit of commit: it is written whole and is there or not.
    Stores can be read at any moment, also while others write; frames that are not there read as 0.

    ``key``, ``dataset``, ``backbone``, ``layout`` say what it holds; ``attributes`` is all that is
    written about it as JSON, ``attributes["provenance"]`` how it came about.
    """

    def __init__(self, path: StoragePath, attributes: dict[str, Any]) -> None:
        super().__init__(path, attributes)
        self._rows: dict[str, Rows] = {}

    def facts(self) -> tuple[Sequence[str], dict[str, Any]]:
        return (str(self.path),), {"frames": self.layout.frames, "arrays": list(self.layout.arrays)}

    # -- progress -------------------------------------------------------------------------------

    @property
    def complete(self) -> bool:
        """Whether no frame is pending."""
        return not self.pending()

    def pending(self, retry_failed: bool = False) -> list[int]:
        """Shards with frames still to be extracted, in order; with failed ones on request.

        Lists what is there and reads no chunk; of a finished store it reads nothing.
        """
        shards = range(self.layout.shards)
        if self.attributes.get("complete"):
            todo = set()
            have: set[int] | range = shards
        else:
            have = self.committed()
            todo = set(shards) - have
        if retry_failed:
            todo |= set(self._failed(have))
        return sorted(todo)

    def _failed(self, committed: set[int] | range) -> dict[int, int]:
        """Shard -> number of failed frames."""
        if self.attributes.get("complete") and "failed" in self.attributes:
            return {int(s): n for s, n in self.attributes["failed"].items()}
        counts = {s: int((self._shard_status(s) == FAILED).sum()) for s in sorted(committed)}
        return {s: n for s, n in counts.items() if n}

    def status(self) -> np.ndarray:
        """(F,) uint8: 0 pending, 1 done, 2 failed."""
        out = np.zeros(self.layout.frames, np.uint8)
        known = bool(self.attributes.get("complete")) and "failed" in self.attributes
        if known:
            out[:] = DONE
        for shard in self._failed(range(0)) if known else self.committed():
            start, stop = self.layout.bounds(shard)
            out[start:stop] = self._shard_status(shard)
        return out

    def _shard_status(self, shard: int) -> np.ndarray:
        start, stop = self.layout.bounds(shard)
        out = np.empty(stop - start, np.uint8)
        try:
            chunk = self._chunk(STATUS, shard)
            if chunk is None:
                out[:] = 0
            else:
                chunk.fill(raw(out))
        except FileNotFoundError:  # reset by another process just now
            out[:] = 0
        except (Damaged, OSError) as error:
            raise self._damaged(STATUS, shard, error) from error
        return out

    def lock_shard(self, shard: int, committed: bool = False) -> locks.ShardLock | None:
        """Lock a shard for this process; a context manager.

        None when another process works on it, or when it has been committed since (unless
        ``committed``, to extract it again). See :mod:`featprobe.store.locks`.
        """
        lock = locks.take(self.path, str(shard))
        if lock is not None and not committed and self._chunk(STATUS, shard) is not None:
            lock.release()
            return None
        return lock

    def locked_shards(self) -> list[int]:
        """Shards that any process is working on."""
        return sorted(int(n) for n in locks.held(self.path) if n.isdecimal())

    # -- frames ---------------------------------------------------------------------------------

    def write_shard(
        self, shard: int, arrays: Mapping[str, np.ndarray], status: np.ndarray, reasons: list[str]
    ) -> None:
        """Write the features (n, L, D) of a shard, status (n,) and reasons, and commit them.

        Raises :class:`StoreError` when the place cannot be written; what is committed stays.
        """
        start, stop = self.layout.bounds(shard)
        options = {n: v.shape for n, v in arrays.items()}
        wanted = {n: (stop - start, *s) for n, s in self.layout.arrays.items()}
        if options != wanted or len(status) != stop - start or len(reasons) != stop - start:
            raise InputError(f"{self.path}: shard {shard} is {wanted}, not {options}")
        values = {n: quantised.on_disk(v, self.key.dtype) for n, v in arrays.items()}
        try:
            if self.attributes.get("complete"):
                self.update(complete=None, failed=None)
            self._put(shard, values, status.astype(np.uint8), reasons)
        except OSError as error:
            raise StoreError(
                f"{self.path}: shard {shard} cannot be written: {reason(error)}; what is committed "
                "stays, and the same command goes on from there"
            ) from error
        for rows in self._rows.values():
            rows.forget(shard)

    def read(
        self, name: str, blocks: int | None = None, frames: slice | np.ndarray | None = None,
        decoded: bool = True,
    ) -> np.ndarray:  # fmt: skip
        """Features (n, L, ...) of one output as stored, of codes as floats if ``decoded``.

        ``blocks``: of the last ones. ``frames``: a slice, or an ascending index (n,) without
        repeats. A file read whole is checked, else its size; :class:`StoreError` names the shard.
        """
        if name not in self.layout.arrays:
            have = ", ".join(self.layout.arrays)
            raise UnknownName(
                f"{self.path} has no {name!r}.{nearest(name, self.layout.arrays)} It has: {have}"
            )
        rows = None if frames is None else self._index_of(frames)
        found = self._array(name).read(blocks, rows)
        codes = quantised.is_quantised(self.key.dtype)
        return quantised.decode(found) if codes and decoded else found

    def _index_of(self, frames: slice | np.ndarray) -> np.ndarray | None:
        if isinstance(frames, slice):
            if frames.indices(self.layout.frames) == (0, self.layout.frames, 1):
                return None
            frames = np.arange(self.layout.frames)[frames]
        index = np.asarray(frames)
        if len(index) and (
            index[0] < 0 or index[-1] >= self.layout.frames or (np.diff(index) <= 0).any()
        ):
            raise InputError(
                f"{self.path}: frames are an ascending index without repeats below "
                f"{self.layout.frames}"
            )
        return index

    def _array(self, name: str) -> Rows:
        if name not in self._rows:

            def locate(shard: int) -> Chunk | None:
                chunk = self._chunk(name, shard)
                if chunk is None and self.attributes.get("complete"):
                    raise FileNotFoundError
                return chunk

            def pending(shard: int) -> bool:
                return not self.attributes.get("complete") and self._chunk(STATUS, shard) is None

            def wrap(shard: int, error: Exception) -> Exception:
                return self._damaged(name, shard, error)

            self._rows[name] = Rows(
                self.layout.frames, self.layout.shard,
                quantised.stored_shape(self.layout.arrays[name], self.key.dtype),
                quantised.stored_type(self.key.dtype),
                self.path.local is not None, locate, pending, wrap,
            )  # fmt: skip
        return self._rows[name]

    def reasons(self) -> dict[int, str]:
        """Frame -> text, of frames that have one: why it failed, or a note on one that did not."""
        out: dict[int, str] = {}
        for shard in self._shards_with_reasons():
            start, _ = self.layout.bounds(shard)
            for i, text in enumerate(self._guarded(shard, "reason", self._shard_reasons)):
                if text:
                    out[start + i] = text
        return out

    def _guarded(self, shard: int, name: str, read: Callable[[int], Any]) -> Any:
        try:
            return read(shard)
        except Exception as error:
            raise self._damaged(name, shard, error) from error

    # -- after a run ----------------------------------------------------------------------------

    def touch(self) -> None:
        """Mark as used now: of stores of changed data, the one used last is read."""
        last_used.touch(self.path)
        if not written.file(self.path).exists():  # of a store by an earlier version
            with contextlib.suppress(StoreError):
                written.keep(self.path, self.attributes, self.items().about)

    def finish(self, summary: Mapping[str, Any]) -> bool:
        """Mark the store complete, with the summary of the run that completed it.

        False, and nothing is marked, while frames are pending: others are still at work.
        Raises :class:`StoreError` when the place cannot be written.
        """
        committed = self.committed()
        if len(committed) < self.layout.shards:
            return False
        failed = {str(s): n for s, n in self._failed(committed).items()}
        try:
            self._consolidate()
            self.update(complete=True, failed=failed, summary=dict(summary))
        except OSError as error:
            raise StoreError(
                f"{self.path}: cannot be written: {reason(error)}; all frames are there, and the "
                "same command finishes the store"
            ) from error
        return True

    def reset(self, shards: list[int]) -> None:
        """Mark shards as pending, to be extracted again."""
        self.update(complete=None, failed=None)
        for shard in shards:
            self._drop(shard)
            for rows in self._rows.values():
                rows.forget(shard)

    def verify(self, progress: Callable[[int], None] = lambda n: None) -> list[Damage]:
        """Read everything there is and name what is damaged; ``progress`` is told every shard."""
        found = [Damage(None, name, what_is_wrong(e)) for name, e in self._verify_index()]
        committed = self.committed()
        if self.attributes.get("complete"):
            lost = sorted(set(range(self.layout.shards)) - committed)
            found += [Damage(s, STATUS, "is missing") for s in lost]
        for shard in sorted(committed):
            for name, error in self._verify_shard(shard):
                found.append(Damage(shard, name, what_is_wrong(error)))
            progress(1)
        return found

    def repair(self, damage: list[Damage]) -> None:
        """Make damaged shards pending, and drop a damaged table of items or index of frames.

        The next extract writes them: it knows which frames these are.
        """
        if any(d.shard is None and d.array in INDEX for d in damage):
            self.update(index="lost", complete=None)
        shards = sorted({d.shard for d in damage if d.shard is not None})
        if shards:
            self.reset(shards)
        if any(d.shard is None and d.array not in INDEX for d in damage):
            self.update(items=None, complete=None)

    def set_index(self, frame_item: np.ndarray, frame_index: np.ndarray) -> None:
        """Write a lost index of frames anew, as given to :meth:`create`.

        Raises :class:`StoreError` when it is of other frames, or cannot be written.
        """
        if len(frame_item) != self.layout.frames:
            raise StoreError(
                f"{self.path}: the index of its {self.layout.frames} frames is damaged, and the "
                f"files have {len(frame_item)}; remove it: 'featprobe cache rm {self.path.stem}'"
            )
        try:
            self._put_index(as_index(frame_item, frame_index))
            self.update(index=None)
        except OSError as error:
            raise StoreError(f"{self.path}: cannot be written: {reason(error)}") from error

    def _verify_index(self) -> Iterator[tuple[str, Exception]]:
        yield from errors((name, self._frame_index, (name,)) for name in INDEX)
        table = self.attributes.get("items")
        yield from errors([(table or "items", self.items, ())])

    def _verify_shard(self, shard: int) -> Iterator[tuple[str, Exception]]:
        yield from errors((n, self._array(n).check, (shard,)) for n in self.layout.arrays)
        yield from errors([(STATUS, self._shard_status, (shard,))])
        yield from errors([("reason", self._shard_reasons, (shard,))])
