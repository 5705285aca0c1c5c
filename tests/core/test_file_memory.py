"""core/file_memory.py: the table on disk, whatever the order of its records."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featprobe.core.file_memory import RECORD, FileMemory

MARK = b"a mark\n"


def records(keys: list[int], text: str) -> tuple[np.ndarray, bytes]:
    """Records of some keys with texts of different lengths."""
    found = np.zeros(len(keys), RECORD)
    texts = [f"{text}{key}".encode() * (key % 3) for key in keys]
    found["key"], found["size"] = keys, [len(t) for t in texts]
    found["stamp"][:, 0] = [len(text) * 1000 + key for key in keys]
    return found, b"".join(texts)


def content(memory: FileMemory, keys: list[int]) -> dict[int, tuple[int, bytes]]:
    rows = memory.rows(np.array(keys, np.uint64))
    there = [k for k, r in zip(keys, rows) if r >= 0]
    found = memory.records(rows[rows >= 0])
    assert found["key"].tolist() == there
    stamps = found["stamp"][:, 0].tolist()
    return dict(zip(there, zip(stamps, memory.texts(found))))


KEYS = st.lists(st.integers(0, 400), max_size=40)


@given(st.lists(KEYS, min_size=1, max_size=4), st.booleans())
def test_a_table_is_a_dictionary(tmp_path_factory, added: list[list[int]], kept: bool) -> None:
    """The newest of a key counts; what was written is read again by another."""
    path = tmp_path_factory.mktemp("m") / "x.index" if kept else None
    memory, expected = FileMemory(path, MARK), dict[int, tuple[int, bytes]]()
    for turn, keys in enumerate(added):
        text = "ab"[: turn + 1] * (turn + 1)
        if keys:
            memory.add(*records(keys, text))
        assert memory.keep(np.ones(len(memory), bool), 0) == bool(keys)
        expected |= {k: (len(text) * 1000 + k, f"{text}{k}".encode() * (k % 3)) for k in keys}
    every = list(range(401))
    assert content(memory, every) == expected
    assert content(memory, every[::-7]) == {k: expected[k] for k in every[::-7] if k in expected}
    if kept:
        assert content(FileMemory(path, MARK), every) == expected
        assert len(FileMemory(path, b"other\n")) == 0


def test_records_sorted_by_key_are_read(tmp_path: Path) -> None:
    """As they were written until now."""
    path, keys = tmp_path / "x.index", [9, 2, 250, 31, 7]
    memory = FileMemory(path, MARK)
    memory.add(*records(keys, "a"))
    memory.keep(np.zeros(0, bool), 0)
    data, start = path.read_bytes()[:-32], len(MARK) + 8
    table = np.frombuffer(data, RECORD, len(keys), start)
    body = data[:start] + np.sort(table, order="key").tobytes() + data[start + table.nbytes :]
    path.write_bytes(body + hashlib.sha256(body).digest())
    assert content(FileMemory(path, MARK), keys) == content(memory, keys)


@pytest.mark.parametrize("at", [0, 10, 40, -40, -1])
def test_a_damaged_table_is_none(tmp_path: Path, at: int) -> None:
    path = tmp_path / "x.index"
    memory = FileMemory(path, MARK)
    memory.add(*records(list(range(20)), "a"))
    memory.keep(np.zeros(0, bool), 0)
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    assert len(FileMemory(path, MARK)) == 0
    path.write_bytes(data[:25])
    assert len(FileMemory(path, MARK)) == 0


def test_where_nothing_can_be_written_it_lasts_as_long_as_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    memory = FileMemory(tmp_path / "file" / "x.index", MARK)
    memory.add(*records([1, 2], "a"))
    assert memory.keep(np.zeros(0, bool), 0)
    assert set(content(memory, [1, 2, 3])) == {1, 2}
