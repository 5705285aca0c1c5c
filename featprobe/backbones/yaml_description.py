"""A user's own backbone, described by a YAML file that names a transformers folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from featprobe.backbones.source import Source
from featprobe.backbones.spec import Preprocess
from featprobe.core.errors import InputError, MissingPath
from featprobe.core.options import annotations_of
from featprobe.core.paths import expanded
from featprobe.core.yaml_file import at, checked, read_yaml

FIELDS = {
    "name": str, "path": str, "weights": str, "revision": str,
    "preprocess": Mapping[str, Any] | None,
}  # fmt: skip


def read_description(path: Path) -> Source:
    """Read ``name``, ``path`` and optionally ``weights``, ``revision`` and ``preprocess``.

    ``path``: a folder saved by transformers (relative to the file), a hub id, ``timm:NAME`` or
    ``open_clip:ARCH:TAG``. ``preprocess``: the fields of
    :class:`~featprobe.backbones.spec.Preprocess`; by default the folder's own.
    """
    needs = "a backbone's YAML needs at least 'path: FOLDER'"
    options = checked(read_yaml(path, needs), FIELDS, str(path))
    if "path" not in options:
        raise InputError(f"{path}: {needs}")
    place = options["path"]
    beside = path.parent / place
    if beside.is_dir():
        place = str(beside)
    elif place.startswith((".", "/", "~")):
        raise MissingPath(f"{path}: {place}: no such model folder")
    weights = options.get("weights")
    return Source(
        str(path),
        label=options.get("name", path.stem),
        place=place,
        preprocess=_preprocess(path, options.get("preprocess")),
        revision=options.get("revision"),
        weights=(path.parent / expanded(weights),) if weights else (),
    )


def _preprocess(path: Path, given: Any) -> Preprocess | None:
    if given is None:
        return None
    place = f"{path}: preprocess"
    kinds = annotations_of(Preprocess)
    found = checked(given, kinds, place)
    if lacking := [n for n in ("resize", "crop") if n not in found]:
        raise InputError(f"{place}: {lacking[0]} is needed, null for none")
    with at(place):
        return Preprocess(**found)
