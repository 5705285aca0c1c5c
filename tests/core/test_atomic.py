"""atomic.py: a name holds the old content or the new one, and nothing half written stays."""

import os
from pathlib import Path

import pytest

from featprobe.core.atomic import PARTIAL, partial_name, write_text_atomic, written_aside


def test_a_file_replaces_the_one_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text_atomic(path, "old")
    write_text_atomic(path, "new ä")
    assert path.read_text("utf-8") == "new ä"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("folder", [False, True])
def test_after_an_error_the_old_content_is_there_and_nothing_else(
    tmp_path: Path, folder: bool
) -> None:
    path = tmp_path / "a"
    write_text_atomic(path, "old")

    def interrupted() -> None:
        with written_aside(path) as aside:
            if folder:
                aside.mkdir()
            (aside / "inside" if folder else aside).write_text("half")
            assert path.read_text() == "old"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_appears_whole_and_never_over_another(tmp_path: Path) -> None:
    path = tmp_path / "a"
    for _ in range(2):
        try:
            with written_aside(path) as aside:
                aside.mkdir()
                (aside / "b").write_text("c")
        except OSError:
            continue
    assert [p.name for p in path.iterdir()] == ["b"]
    assert list(tmp_path.iterdir()) == [path]


def test_names_of_what_is_being_written_are_hidden_and_never_the_same(tmp_path: Path) -> None:
    one, other = partial_name(tmp_path / "x.zarr"), partial_name(tmp_path / "x.zarr")
    assert one != other
    assert one.parent == tmp_path
    assert one.name.startswith(".x.zarr.")
    assert one.name.endswith(PARTIAL)


def test_a_pipe_or_a_device_is_written_to_and_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_text_atomic(pipe, "through")
        assert os.read(reader, 100) == b"through"
    finally:
        os.close(reader)
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_pipe_gets_nothing_of_what_failed(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def interrupted() -> None:
        with written_aside(pipe) as aside:
            aside.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_link_stays_and_what_it_points_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    there, link = tmp_path / "far" / "a.txt", tmp_path / "link"
    there.write_text("old")
    link.symlink_to(there)
    write_text_atomic(link, "new")
    assert link.is_symlink()
    assert there.read_text() == "new"
    assert [p.name for p in (tmp_path / "far").iterdir()] == ["a.txt"]
