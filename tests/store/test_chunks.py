"""chunks.py: parts of a file, however few bytes the system gives at a time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from featprobe.store.chunks import Chunk, Damaged
from featprobe.store.locate import storage_path


@pytest.fixture
def chunk(tmp_path: Path) -> tuple[Chunk, bytes]:
    data = np.random.default_rng(0).integers(0, 256, 1000, dtype=np.uint8).tobytes()
    (tmp_path / "c").write_bytes(b"head" + data + bytes(4))
    return Chunk(storage_path(tmp_path / "c"), 4, 1000), data


@pytest.mark.parametrize("most", [1, 7, 300, 5000])
@pytest.mark.parametrize(("start", "size"), [(0, 1000), (1, 1), (250, 700), (999, 1)])
def test_a_part_is_whole_however_little_comes_at_a_time(
    chunk: tuple[Chunk, bytes], most: int, start: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, data = chunk
    read, asked = os.preadv, []

    def little(handle: int, buffers: Any, offset: int) -> int:
        asked.append(len(buffers[0]))
        return read(handle, [buffers[0][:most]], offset)

    monkeypatch.setattr(os, "preadv", little)
    target = bytearray(size)
    one.part(memoryview(target), start)
    assert bytes(target) == data[start : start + size]
    assert asked == list(range(size, 0, -most))  # never more than is left, and no call for nothing


def test_a_file_that_ends_while_it_is_read_is_cut_short(
    chunk: tuple[Chunk, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = chunk
    given = iter([300, 0])
    monkeypatch.setattr(os, "preadv", lambda *_: next(given))
    with pytest.raises(Damaged, match="is cut short"):
        one.part(memoryview(bytearray(1000)), 0)
    assert not list(given)


@pytest.mark.parametrize("lost", [1, 4, 5, 900])
def test_a_file_that_lacks_a_byte_is_not_read_in_parts(tmp_path: Path, lost: int) -> None:
    (tmp_path / "c").write_bytes(bytes(1008 - lost))
    with pytest.raises(Damaged, match="is cut short"):
        Chunk(storage_path(tmp_path / "c"), 4, 1000).part(memoryview(bytearray(1)), 0)
