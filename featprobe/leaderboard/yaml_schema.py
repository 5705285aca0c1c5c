"""Lists, entries and paths in the YAML of a leaderboard; every error says where they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from featprobe.core.errors import InputError, MissingPath
from featprobe.core.paths import expanded


def entries(values: Any, key: str, place: str) -> list[tuple[str, dict[str, Any]]]:
    """The entries of a list, each with its place; a text ``x`` stands for ``{key: x}``.

    A single entry needs no list. Raises :class:`InputError` for what is neither text nor mapping.
    """
    listed = values if isinstance(values, list) else [values]
    out = []
    for i, value in enumerate(listed, 1):
        here = f"{place}, entry {i}" if isinstance(values, list) else place
        entry = {key: value} if isinstance(value, str) else value
        if not isinstance(entry, dict) or not entry or value == "":
            raise InputError(f"{here}: a name or a mapping is needed, not {value!r}")
        out.append((here, entry))
    return out


def listed(value: Any) -> list[Any]:
    """A list as it is, None as an empty one, anything else as a list of one."""
    return value if isinstance(value, list) else [] if value is None else [value]


def existing(text: str, folder: Path, place: str) -> str:
    """A path of the file as one to be opened; :class:`MissingPath` where there is nothing."""
    path = folder / expanded(text)
    if not path.exists():
        raise MissingPath(f"{place}: {path}: no such file or folder")
    return str(path)
