"""Files and folders that appear under their name complete, or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

PARTIAL = ".partial"  # the end of the names of what is being written


def partial_name(path: Path) -> Path:
    """A new hidden name beside ``path``, which ``featprobe cache gc`` knows as half written."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}{PARTIAL}")


@contextlib.contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write a file or a folder to, renamed to ``path`` at the end.

    A file replaces the one that is there; a folder does not (``OSError``). After an exception
    nothing of it is left and ``path`` is as it was. A link stays, and what it points to is
    replaced. What is there and is neither file nor folder (``/dev/null``, ``/dev/stdout``, a pipe)
    is written to at the end: root would put a file in its place.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        with tempfile.TemporaryDirectory() as folder:
            yield (aside := Path(folder) / path.name)
            with aside.open("rb") as made, path.open("wb") as device:
                shutil.copyfileobj(made, device)
        return
    path = path.resolve() if path.is_symlink() and path.is_file() else path
    aside = partial_name(path)
    try:
        yield aside
        os.replace(aside, path)
    finally:
        if aside.is_dir():
            shutil.rmtree(aside, ignore_errors=True)
        else:
            aside.unlink(missing_ok=True)


def write_text_atomic(path: Path, text: str) -> None:
    """Write a text file so that a reader sees the old or the new one, never a part."""
    with written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")


def try_folder(folder: Path) -> None:
    """Make a folder and see that files can be written in it; raises ``OSError``."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass
