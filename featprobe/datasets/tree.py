"""The files below a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from featprobe.core.errors import InputError


def walk(root: Path) -> Iterator[Path]:
    """List files below a folder, sorted, without hidden ones; a symlink loop is entered once.

    Raises :class:`InputError` for a folder that cannot be listed.
    """
    seen = set()

    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename}: the folder cannot be listed: {error.strerror}")

    for folder, folders, names in os.walk(root, onerror=refuse, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(d for d in folders if not d.startswith((".", "__MACOSX")))
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(folder, name)
