"""Immutable HDF5 files with a header that holds the offset and checksum of each array.

HDF5 leaves the first bytes of a file to its user (the user block). Here they hold one line of JSON
with the offset, the size and the CRC-32C of every array, one more checksum for everything else in
the file, and one for the line itself: no byte changes unseen. Arrays are contiguous, so reading one
needs no HDF5 library; any HDF5 reader opens the file all the same.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from featprobe.store.chunks import Chunk, Damaged, crc32c, raw
from featprobe.store.storage_path import StoragePath

HEADER = 2048
ALIGN = 64


def build(arrays: Mapping[str, np.ndarray], texts: Mapping[str, list[str]]) -> list[memoryview]:
    """Build the bytes of a file that holds arrays and columns of text, in consecutive pieces.

    HDF5 makes everything but the arrays, whose own memory stands where it left room for them.
    """
    import h5py

    out, offsets = io.BytesIO(), {}
    with h5py.File(
        out, "w", libver="latest", userblock_size=HEADER, alignment_threshold=ALIGN,
        alignment_interval=ALIGN,
    ) as f:  # fmt: skip
        for name, values in arrays.items():
            made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            made.set_layout(h5py.h5d.CONTIGUOUS)
            made.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
            made.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
            made.set_obj_track_times(False)  # the same numbers are the same bytes, whenever written
            space = h5py.h5s.create_simple(values.shape)
            kind = h5py.h5t.py_create(values.dtype)
            offsets[name] = h5py.h5d.create(f.id, name.encode(), kind, space, made).get_offset()
        for name, column in texts.items():
            f.create_dataset(name, data=column, dtype=h5py.string_dtype())
    places = sorted((offsets[n] or 0, v.nbytes, n) for n, v in arrays.items() if v.nbytes)
    size = out.seek(0, io.SEEK_END)
    end = max([size, *(a + n for a, n, _ in places)])
    if size < end:  # HDF5 has left out what it was not given
        out.write(bytes(end - size))
    data = out.getbuffer()
    rest = _rest(data, places)
    head = {
        "bytes": end,
        "arrays": {n: [a, size, crc32c(raw(arrays[n]))] for a, size, n in places},
        "texts": sorted(n for n, column in texts.items() if any(column)),
        "rest": crc32c(*rest),
    }
    line = json.dumps(head, separators=(",", ":")).encode()
    body = line.ljust(HEADER - 10) + b"\n"
    if len(body) > HEADER - 9:
        raise ValueError(f"the header of an HDF5 part holds {HEADER} bytes, not {len(body)}")
    pieces = [memoryview(f"{crc32c(body):08x} ".encode() + body), rest[0]]
    for (_, _, name), after in zip(places, rest[1:]):
        pieces += [raw(arrays[name]), after]
    return pieces


def _rest(data: memoryview, places: list[tuple[int, int, str]]) -> list[memoryview]:
    """What lies between the arrays."""
    out, at = [], HEADER
    for start, size, _ in places:
        out.append(data[at:start])
        at = start + size
    return [*out, data[at:]]


def header(where: StoragePath) -> dict[str, Any]:
    """The header of a file. Raises :class:`Damaged`, or ``FileNotFoundError``."""
    head = where.read(0, HEADER)
    if len(head) < HEADER:
        raise Damaged("is cut short")
    if head[:9] != f"{crc32c(head[9:]):08x} ".encode():
        raise Damaged("fails the checksum of its header")
    found: dict[str, Any] = json.loads(head[9:])
    return found


def chunk(where: StoragePath, name: str) -> Chunk:
    """Where an array of a file lies."""
    offset, size, crc = header(where)["arrays"].get(name, (HEADER, 0, 0))
    return Chunk(where, offset, size, crc)


def read(where: StoragePath) -> tuple[dict[str, np.ndarray], dict[str, list[str]]]:
    """All arrays and all text of a file, every byte checked. Raises :class:`Damaged`."""
    import h5py

    data = check(where)
    with h5py.File(io.BytesIO(data), "r") as f:
        text = {n for n in f if h5py.check_string_dtype(f[n].dtype)}
        arrays = {n: f[n][()] for n in f if n not in text}
        return arrays, {n: f[n].asstr()[()].tolist() for n in text}


def texts(where: StoragePath, name: str) -> list[str]:
    """One column of text; nothing, and no reading, where all of it is empty."""
    return read(where)[1][name] if name in header(where)["texts"] else []


def check(where: StoragePath) -> bytes:
    """The bytes of a file. Raises :class:`Damaged` unless every one is as it was written."""
    found, data = header(where), memoryview(where.read())
    if len(data) != found["bytes"]:
        raise Damaged("has another size")
    places = sorted((a, size, n) for n, (a, size, _) in found["arrays"].items())
    for start, size, name in places:
        if crc32c(data[start : start + size]) != found["arrays"][name][2]:
            raise Damaged("fails its checksum")
    if crc32c(*_rest(data, places)) != found["rest"]:
        raise Damaged("fails the checksum of what HDF5 keeps about its arrays")
    return data.obj  # type: ignore[return-value]
