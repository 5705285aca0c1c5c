"""Paths of files and folders on this machine; :mod:`featprobe.store.remote` has those elsewhere.

:func:`featprobe.store.locate.storage_path` makes either from a path or an address.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

from featprobe.core.atomic import PARTIAL, partial_name
from featprobe.core.file_lock import lock

Where = str | os.PathLike[str]
Buffer = bytes | bytearray | memoryview


class StoragePath(ABC):
    """Interface of a file system for stores: atomic writes of whole files, reads of parts.

    A file is seen complete or not at all: on this machine it is written aside, brought to the disk
    and renamed; on an object store a put is like that by itself.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """The last part of the path."""

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return self.name.rpartition(".")[0] or self.name

    @property
    @abstractmethod
    def parent(self) -> StoragePath:
        """The folder it lies in."""

    is_local = False

    @property
    def local(self) -> Path | None:
        """The path on this machine, None elsewhere."""
        return None

    @abstractmethod
    def __truediv__(self, part: str) -> StoragePath: ...

    @abstractmethod
    def exists(self) -> bool:
        """Whether there is such a file or folder."""

    @abstractmethod
    def size(self) -> int:
        """Bytes of a file; 0 when there is none."""

    @abstractmethod
    def read(self, start: int = 0, stop: int | None = None) -> bytes:
        """Bytes of a file; fewer than asked for where it ends. Raises ``FileNotFoundError``."""

    @abstractmethod
    def write(self, *data: Buffer, sync: bool = True) -> None:
        """Write a file atomically, replacing what is there. Raises ``OSError``.

        Without ``sync`` it survives the process, but perhaps not a power failure.
        """

    @abstractmethod
    def names(self) -> list[str]:
        """Names in a folder; empty when there is no such folder."""

    def filled(self) -> list[str]:
        """Names in a folder without empty files, which a power failure may leave."""
        return self.names()

    @abstractmethod
    def files(self) -> Iterator[tuple[str, int]]:
        """All files below, with their bytes."""

    @abstractmethod
    def adopt(self, folder: Path, last: str) -> None:
        """Move a finished local folder here, its file ``last`` last.

        Raises ``OSError``; ``FileExistsError`` when this is there already.
        """

    @abstractmethod
    def remove(self) -> None:
        """Remove a file or a folder with all it holds; nothing when it is not there."""

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"


class LocalPath(StoragePath):
    """A path on this machine."""

    is_local = True

    def __init__(self, path: Where) -> None:
        self._path = os.fspath(path)  # pathlib costs more than the reading of a small file

    def __str__(self) -> str:
        return self._path

    def __fspath__(self) -> str:
        return self._path

    @property
    def name(self) -> str:
        return os.path.basename(self._path)

    @property
    def parent(self) -> StoragePath:
        return LocalPath(os.path.dirname(self._path) or ".")

    @property
    def local(self) -> Path:
        return Path(self._path)

    def __truediv__(self, part: str) -> LocalPath:
        return LocalPath(f"{self._path}/{part}")

    def exists(self) -> bool:
        return os.path.exists(self._path)

    def size(self) -> int:
        try:
            return os.stat(self._path).st_size
        except FileNotFoundError:
            return 0

    def read(self, start: int = 0, stop: int | None = None) -> bytes:
        with open(self._path, "rb", buffering=0) as f:
            f.seek(start)
            return f.read(-1 if stop is None else stop - start) or b""

    def write(self, *data: Buffer, sync: bool = True) -> None:
        aside = str(partial_name(self.local))
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        try:
            handle = os.open(aside, flags, 0o666)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(aside), exist_ok=True)
            handle = os.open(aside, flags, 0o666)
        try:
            try:
                lock(handle)  # tells 'cache gc' that the writer lives
                _write(handle, [memoryview(part).cast("B") for part in data])
                if sync:
                    os.fsync(handle)
                os.replace(aside, self._path)
            finally:
                os.close(handle)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(aside)
            raise

    def names(self) -> list[str]:
        try:
            return sorted(os.listdir(self._path))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def filled(self) -> list[str]:
        try:
            with os.scandir(self._path) as found:
                return sorted(e.name for e in found if e.stat().st_size)
        except (FileNotFoundError, NotADirectoryError):
            return []

    def files(self) -> Iterator[tuple[str, int]]:
        for folder, _, names in os.walk(self._path):
            for name in names:
                path = os.path.join(folder, name)
                with contextlib.suppress(FileNotFoundError):  # a temporary file, renamed by now
                    yield os.path.relpath(path, self._path), os.stat(path).st_size

    def adopt(self, folder: Path, last: str) -> None:
        if self.exists():  # a rename would go into it, or replace it when empty
            raise FileExistsError(f"{self} is there already")
        for name, _ in LocalPath(folder).files():
            with (folder / name).open("rb") as f:
                os.fsync(f.fileno())
        os.makedirs(str(self.parent), exist_ok=True)
        os.rename(folder, self._path)
        handle = os.open(str(self.parent), os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def remove(self) -> None:
        try:
            os.unlink(self._path)
        except FileNotFoundError:
            pass
        except OSError:
            if not os.path.isdir(self._path):
                raise
            shutil.rmtree(self._path)


def _write(handle: int, parts: list[memoryview]) -> None:
    """Write pieces one after the other, in as few calls as the system allows."""
    parts = [p for p in parts if p]
    while parts:
        n = os.writev(handle, parts[:64])
        while parts and n >= len(parts[0]):
            n -= len(parts.pop(0))
        if n:
            parts[0] = parts[0][n:]


@contextlib.contextmanager
def aside(where: StoragePath) -> Iterator[Path]:
    """A local folder to lay something out in for a place; gone afterwards unless adopted."""
    if where.local is None:
        folder = Path(tempfile.mkdtemp(suffix=PARTIAL))
    else:
        folder = partial_name(where.local)
        folder.mkdir(parents=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        lock(handle)
        yield folder
    finally:
        os.close(handle)
        shutil.rmtree(folder, ignore_errors=True)
