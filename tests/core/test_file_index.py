"""core/file_index.py and core/opening.py: one opening a file, and never an old digest."""

from __future__ import annotations

import gzip
import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featprobe.core.file_index import BLOCK, UNREADABLE, FileIndex
from featprobe.core.fingerprint import digest, digest_pairs, file_digest
from featprobe.core.opening import held, raw, reading


class Facts:
    """A describe that counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, path: Path) -> tuple[str, object]:
        self.asked.append(path.name)
        text = path.read_bytes()
        if text == b"bad":
            raise ValueError("no header")
        return "plain", {"size": len(text)}


def files(folder: Path, **contents: bytes) -> list[Path]:
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in contents]


def test_what_is_unchanged_is_not_read_again(tmp_path: Path) -> None:
    paths = files(tmp_path, a=b"1", b=b"22", c=b"bad")
    memory, first, second = tmp_path / "m" / "x.index", Facts(), Facts()
    found = list(FileIndex(memory, first).digests(paths))
    assert found == [file_digest(p) for p in paths]
    index = FileIndex(memory, second)
    assert list(index.digests(paths)) == found
    assert list(index.look(paths)) == ["plain", "plain", ""]
    assert index.known(paths) == [{"size": 1}, {"size": 2}, None]
    assert index.known([str(paths[1]), tmp_path / "other"]) == [{"size": 2}, None]
    assert (sorted(first.asked), second.asked, index.kinds) == (["a", "b", "c"], [], {"plain", ""})


@pytest.mark.parametrize("change", ["content", "time", "inode", "gone"])
def test_a_changed_file_is_read_again(tmp_path: Path, change: str) -> None:
    [path] = files(tmp_path, a=b"old")
    memory = tmp_path / "x.index"
    list(FileIndex(memory).digests([path]))
    before = path.stat()
    if change == "content":
        path.write_bytes(b"longer")
    elif change == "time":  # same size and inode, and somebody set the time of modification back
        path.write_bytes(b"new")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    elif change == "inode":
        files(tmp_path, b=b"new")
        os.utime(tmp_path / "b", ns=(before.st_atime_ns, before.st_mtime_ns))
        os.replace(tmp_path / "b", path)
    else:
        path.unlink()
    expected = UNREADABLE if change == "gone" else file_digest(path)
    assert list(FileIndex(memory).digests([path])) == [expected]


@pytest.mark.parametrize("size", [3, (2 << 20) + 3])
def test_header_and_digest_are_of_one_opening(tmp_path: Path, monkeypatch, size: int) -> None:
    [path] = files(tmp_path, a=os.urandom(size))
    opened: list[str] = []
    real = os.open
    monkeypatch.setattr(os, "open", lambda p, *more: opened.append(p) or real(p, *more))

    def describe(path: Path) -> tuple[str, object]:
        with reading(path) as f:
            return "plain", f.read(3).hex()

    index = FileIndex(tmp_path / "x.index", describe)
    assert list(index.look([path])) == ["plain"]
    assert index.known([path]) == [path.read_bytes()[:3].hex()]
    again = FileIndex(tmp_path / "x.index", describe)
    assert list(again.digests([path])) == [file_digest(path)]
    assert opened.count(str(path)) == 1


def test_facts_of_another_version_are_forgotten(tmp_path: Path) -> None:
    paths = files(tmp_path, a=b"1")
    list(FileIndex(tmp_path / "x.index", Facts(), 1).look(paths))
    describe = Facts()
    list(FileIndex(tmp_path / "x.index", describe, 2).look(paths))
    assert describe.asked == ["a"]


def test_what_is_gone_for_long_is_forgotten(tmp_path: Path) -> None:
    memory = tmp_path / "x.index"
    paths = files(tmp_path, **{f"f{i}": b"%d" % i for i in range(BLOCK + 20)})
    list(FileIndex(memory).digests(paths))
    size = memory.stat().st_size
    [new] = files(tmp_path, new=b"new")
    list(FileIndex(memory).digests([paths[0]]))
    assert memory.stat().st_size == size  # nothing new: nothing is written
    list(FileIndex(memory).digests([paths[0], new]))
    assert memory.stat().st_size < size / 100
    assert list(FileIndex(memory).digests(paths)) == [file_digest(p) for p in paths]


@given(st.lists(st.tuples(st.text(), st.text())))
def test_pairs_have_the_digest_of_their_list(pairs: list[tuple[str, str]]) -> None:
    assert digest_pairs(pairs) == digest(pairs)


@given(st.binary(max_size=50), st.lists(st.tuples(st.integers(-9, 60), st.sampled_from([0, 1, 2]))))
def test_a_look_reads_as_a_file(tmp_path_factory, content: bytes, moves) -> None:
    path = tmp_path_factory.mktemp("look") / "f"
    path.write_bytes(content)
    with held(path):
        ours, theirs, other = raw(path), io.BytesIO(content), raw(path)
        for offset, whence in moves:
            target = {0: 0, 1: theirs.tell(), 2: len(content)}[whence] + offset
            if target < 0:
                with pytest.raises(OSError):
                    ours.seek(offset, whence)
                continue
            assert ours.seek(offset, whence) == theirs.seek(target)
            assert ours.read(7) == theirs.read(7)
        assert other.read() == content  # each look has a place of its own


def test_a_held_file_is_opened_once_and_closed(tmp_path: Path) -> None:
    path = tmp_path / "f.gz"
    path.write_bytes(gzip.compress(b"text"))
    with held(path), held(path):
        kept = raw(path)
        number = kept.fileno()
        assert reading(path).fileno() == number
        with gzip.open(reading(path)) as f:
            assert f.read() == b"text"
    with pytest.raises(OSError):
        os.fstat(number)
    with pytest.raises(OSError):  # and no other file that has got the number since
        kept.read(1)
    with held(tmp_path / "none"), pytest.raises(FileNotFoundError):
        raw(tmp_path / "none")


@given(st.binary(max_size=40_000), st.integers(0, 50_000))
def test_the_rest_of_a_held_file_is_read_at_once(tmp_path_factory, data, start):
    path = tmp_path_factory.mktemp("held") / "file"
    path.write_bytes(data)
    with held(path):
        look = raw(path)
        look.seek(start)
        assert look.readall() == data[start:]
        assert look.tell() == max(start, len(data))
        assert look.readall() == b""
        with reading(path) as f:
            assert f.read(7) + f.read() == data
