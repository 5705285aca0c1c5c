"""file_lock.py: one holder of an open file, until it closes it."""

import os
from pathlib import Path

from featprobe.core import file_lock


def test_a_lock_is_held_until_the_handle_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.touch()
    one, other = os.open(path, os.O_RDONLY), os.open(path, os.O_RDONLY)
    assert file_lock.lock(one) is True
    assert file_lock.lock(other) is False
    os.close(one)
    assert file_lock.lock(other, wait=True) is True
    os.close(other)


def test_a_folder_can_be_locked(tmp_path: Path) -> None:
    one, other = (os.open(tmp_path, os.O_RDONLY) for _ in range(2))
    assert file_lock.lock(one) is True
    assert file_lock.lock(other) is False
    os.close(one)
    os.close(other)


def test_without_locks_nobody_is_refused(tmp_path: Path, monkeypatch) -> None:
    def none(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    handle = os.open(tmp_path, os.O_RDONLY)
    monkeypatch.setattr(file_lock.fcntl, "flock", none)
    assert file_lock.lock(handle) is None
    monkeypatch.setattr(file_lock, "fcntl", None)
    assert file_lock.lock(handle, wait=True) is None
    os.close(handle)
