"""What planning asks of a file, told by its header in one opening and remembered between runs."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from featprobe.images import dicom, files, plugins
from featprobe.images.decoded_image import FrameRecipe, ImageHeader
from featprobe.images.dicom_header import Header
from featprobe.images.versions import kind_of_file

_FORMAT = 2  # raise where facts say more or other things of a file than before
_PLAIN = FrameRecipe()


def version() -> int:
    """By which remembered facts are trusted: other readers may know other files."""
    readers = sorted(f"{name} {r.key}" for name, r in plugins.readers().items())
    return zlib.crc32(repr((_FORMAT, readers)).encode())


def describe(path: Path) -> tuple[str, dict[str, Any]]:
    """The kind of a file as keys of features name it (see :mod:`~featprobe.images.versions`), ""
    for no image, and what its header says as JSON values.

    ``dicom``: the facts of a :class:`Header`, None for an object without pixels. ``shape`` and
    ``affine``: of an :class:`ImageHeader`. What cannot be read is not there: who reads the file
    says why.
    """
    kind = kind_of_file(path)
    facts: dict[str, Any] = {}
    with suppress(Exception):
        if kind == "dicom":
            header = dicom.read_header(path)
            facts["dicom"] = None if header is None else header.to_facts()
            found = None if header is None else dicom.extent([path], _PLAIN, header)
        elif kind and kind not in plugins.readers():
            found = files.header([path], _PLAIN)
        else:
            found = None
        if found is not None:
            facts["shape"] = found.shape
            facts["affine"] = None if found.affine is None else found.affine.tolist()
    return kind or "", facts


def header_in(path: Path, facts: Any) -> Header | None:
    """The header of a DICOM file, read from it where the facts do not hold it.

    Raises as :func:`~featprobe.images.dicom.read_header`.
    """
    if facts and "dicom" in facts:
        return None if facts["dicom"] is None else Header.from_facts(path, facts["dicom"])
    return dicom.read_header(path)


def extent_in(
    paths: Sequence[Path], ends: Sequence[Any], recipe: FrameRecipe
) -> ImageHeader | None:
    """The header of an item by the facts of its first and last file, None where they do not tell.

    Those of one channel or array of a file are of it alone.
    """
    if not all(ends) or recipe.channel is not None or recipe.key is not None:
        return None
    if len(paths) > 1:
        found = [
            Header.from_facts(paths[i], known) for i in (0, -1) if (known := ends[i].get("dicom"))
        ]
        return dicom.extent_of_series(paths, found) if len(found) == 2 else None
    if "shape" not in ends[0]:
        return None
    affine = ends[0]["affine"]
    width, height, depth = ends[0]["shape"]
    return ImageHeader((width, height, depth), None if affine is None else np.array(affine))
