"""YAML files that users write: plain values, and every mistake with its place."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from featprobe.core.errors import (
    FeatprobeError,
    InputError,
    MissingPath,
    UnknownName,
    nearest,
    reason,
)
from featprobe.core.options import checked as fitting


@lru_cache(maxsize=1)
def _loader() -> Any:
    """Plain values; ``1e-4`` is a number, and a key that is there twice is an error."""
    import yaml

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            seen: set[str] = set()
            for key, _ in node.value:
                line = key.start_mark.line + 1
                if not isinstance(key, yaml.ScalarNode):
                    raise yaml.YAMLError(
                        f"line {line}: a key must be a text, not a list or mapping"
                    )
                if key.value in seen:
                    raise yaml.YAMLError(f"line {line}: {key.value!r} is there twice")
                seen.add(key.value)
            return super().construct_mapping(node, deep)

    Loader.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"),
        list("-+0123456789"),
    )  # fmt: skip
    return Loader


def read_yaml(file: Path, needs: str) -> dict[str, Any]:
    """The mapping that a file holds; ``needs``: what to say to who wrote none.

    Raises :class:`MissingPath` or :class:`InputError`.
    """
    import yaml

    if not file.is_file():
        raise MissingPath(f"{file}: {'a folder, not a' if file.is_dir() else 'no such'} file")
    try:
        values: Any = yaml.load(file.read_text(encoding="utf-8"), _loader())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: not readable as YAML: {' '.join(str(error).split())}") from error
    except OSError as error:
        raise InputError(reason(error)) from error
    if not isinstance(values, dict):
        raise InputError(f"{file}: {needs}")
    return values


def checked(
    values: Mapping[Any, Any], kinds: Mapping[str, Any], place: str, prose: Collection[str] = ()
) -> dict[str, Any]:
    """The values of a mapping as the annotations in ``kinds`` have them.

    ``prose``: keys whose texts may have several lines. Raises :class:`UnknownName` with the nearest
    key, or :class:`InputError`.
    """
    for key, value in values.items():
        if key not in kinds:
            raise UnknownName(
                f"{place}: unknown key {key!r}.{nearest(str(key), kinds)} Known: {', '.join(kinds)}"
            )
        if key not in prose:
            _check_texts(key, value, place)
    return {key: fitting(key, value, kinds[key], place) for key, value in values.items()}


def _check_texts(key: str, value: Any, place: str) -> None:
    """Raise for a text that is nothing, or that no path, name or option can be."""
    if value == [] or (isinstance(value, str) and not value.strip(" ")):
        raise InputError(f"{place}: {key} is empty; leave it out")
    if isinstance(value, str) and not value.replace("\t", "").isprintable():
        raise InputError(f"{place}: {key} {value!r} holds a line break or control character")
    for one in value if isinstance(value, list) else ():
        _check_texts(key, one, place)


@contextmanager
def at(place: str) -> Iterator[None]:
    """Put the place before the message of an error."""
    try:
        yield
    except FeatprobeError as error:
        raise type(error)(f"{place}: {error}") from error
