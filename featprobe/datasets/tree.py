"""The files below a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from featprobe.core.errors import InputError


def walk(root: Path) -> Iterator[Path]:
    """As :func:`names`, as paths."""
    return (Path(root, name) for name in names(root))


def names(root: Path) -> Iterator[str]:
    """List files below a folder by their paths from there with ``/``, sorted folder by folder.

    Hidden ones are left out; a symlink loop is entered once. Raises :class:`InputError` for a
    folder that cannot be listed.
    """
    seen = set()

    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename}: the folder cannot be listed: {error.strerror}")

    for folder, folders, inside in os.walk(root, onerror=refuse, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(d for d in folders if not d.startswith((".", "__MACOSX")))
        inner = Path(os.path.relpath(folder, root)).as_posix()
        start = "" if inner == "." else f"{inner}/"
        for name in sorted(inside):
            if not name.startswith("."):
                yield start + name
