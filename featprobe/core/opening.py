"""Several looks at one file cost one opening of it."""

from __future__ import annotations

import errno
import io
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_here = threading.local()  # .held: the file of this thread


class _Held:
    """A file that is opened when it is first read and closed with its context."""

    def __init__(self, path: Path) -> None:
        self.name, self.fd = os.fspath(path), -1

    def open(self) -> None:
        if self.fd < 0:
            self.fd = os.open(self.name, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1  # who reads on has an error, and never another file of the same number


class _Look(io.RawIOBase):
    """A position of its own in a held file, which stays open when this is closed."""

    def __init__(self, held: _Held) -> None:
        held.open()
        self._held, self._at, self.name = held, 0, held.name

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._held.fd

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        size = os.fstat(self._held.fd).st_size if whence == os.SEEK_END else 0
        at = (0, self._at, size)[whence] + offset
        if at < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        self._at = at
        return self._at

    def readinto(self, buffer: Any) -> int:
        n = os.preadv(self._held.fd, [buffer], self._at)
        self._at += n
        return n

    def readall(self) -> bytes:
        """All that follows, at once and not 8 kB by 8 kB."""
        left = max(1, os.fstat(self._held.fd).st_size - self._at)
        parts = []
        while part := os.pread(self._held.fd, left, self._at):
            parts.append(part)
            self._at += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Within it :func:`raw` of this path opens it once in this thread, however often it is asked.

    On file systems of a network each opening is a round trip, which costs more than the bytes of a
    slice. Nothing is opened before it is read, so a file that is not there raises where it is read.
    """
    before = getattr(_here, "held", None)
    if not hasattr(os, "preadv") or (before is not None and before.name == os.fspath(path)):
        yield
        return
    _here.held = _Held(path)
    try:
        yield
    finally:
        _here.held.close()
        _here.held = before


def is_held(path: Path) -> bool:
    """Whether this thread is within :func:`held` of a path."""
    found = getattr(_here, "held", None)
    return found is not None and found.name == os.fspath(path)


def raw(path: Path) -> io.RawIOBase:
    """A file to read, unbuffered, from its beginning. Raises ``OSError`` as ``open`` does."""
    return _Look(_here.held) if is_held(path) else io.FileIO(path)


def reading(path: Path) -> io.BufferedReader:
    """As :func:`raw`, buffered."""
    return io.BufferedReader(raw(path))
