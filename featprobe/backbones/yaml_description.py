"""A user's own backbone, described by a YAML file that names a transformers folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from featprobe.backbones.source import Source
from featprobe.backbones.spec import Preprocess
from featprobe.core.errors import InputError, MissingPath, nearest, reason
from featprobe.core.yaml_file import read_yaml

FIELDS = ("name", "path", "weights", "revision", "preprocess")


def read_description(path: Path) -> Source:
    """Read ``name``, ``path`` and optionally ``weights``, ``revision`` and ``preprocess``.

    ``path``: a folder saved by transformers (relative to the file), a hub id, ``timm:NAME`` or
    ``open_clip:ARCH:TAG``. ``preprocess``: the fields of
    :class:`~featprobe.backbones.spec.Preprocess`; by default the folder's own.
    """
    needs = "a backbone's YAML needs at least 'path: FOLDER'"
    options = read_yaml(path, needs)
    if "path" not in options:
        raise InputError(f"{path}: {needs}")
    for field in options:
        if field not in FIELDS:
            raise InputError(f"{path}: unknown field {field!r}.{nearest(str(field), FIELDS)}")
    place = str(options["path"])
    beside = path.parent / place
    if beside.is_dir():
        place = str(beside)
    elif place.startswith((".", "/", "~")):
        raise MissingPath(f"{path}: {place}: no such model folder")
    weights = options.get("weights")
    return Source(
        str(path),
        label=str(options.get("name") or path.stem),
        place=place,
        preprocess=_preprocess(path, options.get("preprocess")),
        revision=options.get("revision"),
        weights=(path.parent / str(weights),) if weights else (),
    )


def _preprocess(path: Path, given: Any) -> Preprocess | None:
    if given is None:
        return None
    try:
        fields: dict[str, Any] = {k: _tuple(v) for k, v in given.items()}
        return Preprocess(**fields)
    except (TypeError, AttributeError, InputError) as error:
        raise InputError(f"{path}: preprocess: {reason(error)}") from error


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
