"""Which pixels a reader gives: raised where it gives others for a file than before.

Parts of the key of features, see ``docs/format.md``: features of a data set with files of a kind
that was raised are extracted again, those of other kinds stay. 1 is what keys without a version
mean, and is not written.

2: DICOM with a VOI LUT or sigmoid (modality units under rules other than ``auto`` and ``file``),
with padding, with an intercept and no slope, with a rescale at root and by frame, 16-bit palettes
of bytes, palettes of big-endian files, in segments, or of bytes for values beyond 255, a window of
width 1; colour that is not 8 bit under ``auto``; volumes of bytes up to 15 under ``auto``; volumes
with a plateau below -1100; TIFF with an orientation or a palette of bytes, NIfTI with an sform of
zeros. Which files form a DICOM item is part of ids and contents already.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from featprobe.core.opening import raw
from featprobe.images.files import kind_of, kind_of_name
from featprobe.images.plugins import readers

# By the kinds of featprobe.images.files; ``picture``: rasters and arrays of one frame of 8 bits a
# value, and grey PNGs, which no change has touched.
READERS = {"picture": 1, "dicom": 2, "raster": 2, "nifti": 2, "itk": 2, "array": 2}
FRAMES = 1  # of what follows the readers whatever the kind: planes, choice of frames, resampling

PLAIN = (".jpg", ".jpeg", ".bmp")
_COLOURS = (2, 6)  # colour types of PNG that are RGB, without and with alpha


def versions_of(kinds: Iterable[str]) -> dict[str, int | str]:
    """The parts of a key for a data set with files of these kinds, without those that are 1.

    Those of readers of other packages are always there: by the suffix alone it is not known who
    reads.
    """
    kinds = sorted(kinds)
    found: dict[str, int | str] = {f"reader {kind}": READERS.get(kind, 1) for kind in kinds}
    found |= {f"reader {k}": r.key for k, r in readers().items() if k in kinds}
    return {name: v for name, v in {**found, "frames": FRAMES}.items() if v != 1}


def kinds_of(paths: Iterable[str | Path], opened: bool = True) -> set[str]:
    """The kinds that count among files: one of each suffix is looked at, and the header of PNGs.

    Without ``opened`` PNGs are taken for plain pictures.
    """
    found: set[str] = set()
    named: dict[str, str | Path] = {}
    for name in paths:
        text = os.fspath(name)
        dot = text.rfind(".")
        plain = text[dot:] in PLAIN or (text[dot:] == ".png" and not opened)
        if dot > 0 and text[dot - 1] not in "/.":  # as below, for many names
            if plain:
                found.add("picture")
                continue
            if text[dot + 1 :] in named and text.rfind(".", 0, dot) < text.rfind("/"):
                continue
        base = os.path.basename(name)
        suffix = os.path.splitext(base)[1].lower()
        if suffix in PLAIN:
            found.add("picture")
        elif suffix == ".png":
            if "raster" not in found:  # one is enough
                found.add("raster" if opened and _deep_colour(Path(name)) else "picture")
        else:
            ends = base.lstrip(".").split(".")[1:][-2:]
            named.setdefault("" if suffix[1:].isdigit() else ".".join(ends), name)
    return found | {kind for name in named.values() if (kind := kind_of(Path(name)))}


def kind_of_file(path: Path) -> str | None:
    """The kind of a file that counts, None for no image; PNGs and unknown suffixes are opened."""
    suffix = path.suffix.lower()
    if suffix == ".png":
        return "raster" if _deep_colour(path) else "picture"
    return "picture" if suffix in PLAIN else kind_of(path)


def kind_encoded(head: bytes, name: str = "") -> str:
    """The kind of an encoded image in memory: told by how it begins, then by its name.

    ``head``: its first 26 bytes, or more.
    """
    if head.startswith((b"\xff\xd8\xff", b"BM")):
        return "picture"
    if head.startswith(b"\x89PNG"):
        return "raster" if _is_deep(head) else "picture"
    return kind_of_name(name) or "raster"


def kind_named(name: str) -> str | None:
    """The kind that a file's name alone tells; a PNG is taken for a plain picture."""
    if name.lower().endswith((*PLAIN, ".png")):
        return "picture"
    return kind_of_name(name)


def _deep_colour(png: Path) -> bool:
    """Whether a PNG has colours of 16 bits; False for what cannot be read."""
    try:
        with raw(png) as f:
            return _is_deep(f.read(26) or b"")
    except OSError:
        return False


def _is_deep(header: bytes) -> bool:
    return len(header) >= 26 and header[24] == 16 and header[25] in _COLOURS
