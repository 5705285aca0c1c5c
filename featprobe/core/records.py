"""A file of records: one JSON object a line, appended by several processes, each found or named.

A line that was cut short (killed, disk full) damages itself alone: the next record begins on a line
of its own, and a reader says which line is damaged.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from featprobe.core.file_lock import lock
from featprobe.core.fingerprint import digest

SEAL = "seal"  # the last key of a record: 16 digits of the sha256 of the others


CHANGED = "changed since it was written"


@dataclass(frozen=True)
class Line:
    """A line of a file: its ``number`` from 1, its ``record`` or None, and what is ``wrong``.

    ``begin``: what can still be read of a line without a record. A record that was changed since it
    was written is there, and so is what is wrong with it.
    """

    number: int
    record: dict[str, Any] | None
    wrong: str = ""
    begin: str = ""


def append(file: Path, record: Mapping[str, Any]) -> None:
    """Add a record of JSON values on a line of its own and bring it to the disk.

    Raises ``OSError`` where it cannot be written whole; what was written of it is taken back.
    """
    plain = {k: v for k, v in record.items() if k != SEAL}
    line = json.dumps({**plain, SEAL: digest(plain)[:16]}, allow_nan=False).encode() + b"\n"
    handle = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        alone = lock(handle, wait=True)
        end = os.fstat(handle).st_size
        if end and os.pread(handle, 1, end - 1) != b"\n":
            line = b"\n" + line  # whatever was cut there stays apart
        try:
            _write(handle, line)
            os.fsync(handle)
        except OSError:
            if alone:  # without a lock others may have written behind it
                with contextlib.suppress(OSError):
                    os.ftruncate(handle, end)
            raise
    finally:
        os.close(handle)


def _write(handle: int, data: bytes) -> None:
    while data:  # a short write is no error to the system
        data = data[os.write(handle, data) :]


def read(file: Path) -> Iterator[Line]:
    """Every line that is not empty, in order.

    Lines of earlier versions have no seal and are taken as they are. A record that an earlier
    version appended to a cut line is a line of the same number.
    """
    for number, line in enumerate(file.read_bytes().split(b"\n"), 1):
        if not line.strip():
            continue
        found = _parsed(number, line)
        yield found
        start = line.find(b'{"', 1) if found.record is None else -1
        while start > 0:
            behind = _parsed(number, line[start:])
            if behind.record is not None and "id" in behind.record:  # not a part of the cut one
                yield behind
                break
            start = line.find(b'{"', start + 1)


def _parsed(number: int, line: bytes) -> Line:
    begin = line[:400].decode(errors="replace")
    try:
        record = json.loads(line)
    except ValueError:
        return Line(number, None, "cut short or damaged", begin)
    if not isinstance(record, dict):
        return Line(number, None, "no record", begin)
    seal = record.pop(SEAL, None)
    if seal is None and record and _sealed(record):
        record.popitem()  # what was changed is the name of the seal
        return Line(number, record, CHANGED)
    try:
        changed = seal is not None and seal != digest(record)[:16]
    except ValueError:  # NaN, which is never written with a seal
        changed = True
    return Line(number, record, CHANGED if changed else "")


def _sealed(record: Mapping[str, Any]) -> bool:
    """Whether the last value is the seal of the others, under another name."""
    *others, last = record
    try:
        return bool(record[last] == digest({k: record[k] for k in others})[:16])
    except ValueError:  # NaN, as in records of earlier versions
        return False
