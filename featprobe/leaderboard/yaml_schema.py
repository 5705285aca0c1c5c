"""A YAML file as values with places, so that each mistake says where it is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from featprobe.core.errors import (
    FeatprobeError,
    InputError,
    MissingPath,
    UnknownName,
    nearest,
    reason,
)
from featprobe.core.options import checked as fitting


class _Loader(yaml.SafeLoader):
    """Plain values; ``1e-4`` is a number, and a key that is there twice is an error."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                line = key.start_mark.line + 1
                raise yaml.YAMLError(f"line {line}: {key.value!r} is there twice")
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def read_yaml(file: Path) -> dict[str, Any]:
    """The mapping that a file holds; :class:`MissingPath` or :class:`InputError` otherwise."""
    if not file.is_file():
        raise MissingPath(f"{file}: no such file")
    try:
        values: Any = yaml.load(file.read_text(encoding="utf-8"), _Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: not readable as YAML: {' '.join(str(error).split())}") from error
    except OSError as error:
        raise InputError(reason(error)) from error
    if not isinstance(values, dict):
        raise InputError(f"{file}: a mapping is needed, with keys such as 'data' and 'models'")
    return values


@contextmanager
def at(place: str) -> Iterator[None]:
    """Put the place before the message of an error."""
    try:
        yield
    except FeatprobeError as error:
        raise type(error)(f"{place}: {error}") from error


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
    path = folder / Path(text).expanduser()
    if not path.exists():
        raise MissingPath(f"{place}: {path}: no such file or folder")
    return str(path)
