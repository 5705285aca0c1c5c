"""Reads and validates YAML files; every error says where in the file the mistake is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from featprobe.core.errors import InputError, MissingPath, UnknownName, nearest
from featprobe.core.options import checked as fitting
from featprobe.core.paths import expanded


def checked(values: Mapping[Any, Any], kinds: Mapping[str, Any], place: str) -> dict[str, Any]:
    """The values as the annotations in ``kinds`` have them.

    Raises :class:`UnknownName` with the nearest key, or :class:`InputError`.
    """
    for key in values:
        if key not in kinds:
            raise UnknownName(
                f"{place}: unknown key {key!r}.{nearest(str(key), kinds)} Known: {', '.join(kinds)}"
            )
    return {key: fitting(key, value, kinds[key], place) for key, value in values.items()}


def entries(values: Any, key: str, place: str) -> list[tuple[str, dict[str, Any]]]:
    """The entries of a list, each with its place; a text ``x`` stands for ``{key: x}``.

    A single entry needs no list. Raises :class:`InputError` for what is neither text nor mapping.
    """
    listed = values if isinstance(values, list) else [values]
    out = []
    for i, value in enumerate(listed, 1):
        here = f"{place}, entry {i}" if isinstance(values, list) else place
        entry = {key: value} if isinstance(value, str) else value
        if not isinstance(entry, dict) or not entry:
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
