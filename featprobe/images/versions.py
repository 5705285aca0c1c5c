"""Versions of what makes pixels: parts of the key of features, see ``docs/format.md``.

A version is raised when a reader gives other pixels, frames or grey values for some files than
before. Features of data sets with files of that kind are then extracted again; those of other
kinds stay. Version 1 is not written into a key, so that keys made before there were versions stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

# By the kinds of featprobe.images.files.kind_of, and "rows" of arrays: its reader's version.
READERS: Mapping[str, int] = {
    "raster": 1, "nifti": 1, "dicom": 1, "itk": 1, "array": 1, "rows": 1,
}  # fmt: skip
# Of what follows the readers: planes, choice of frames, resampling, intensity rules.
FRAMES = 1


def versions_of(kinds: Iterable[str]) -> dict[str, int]:
    """The parts of a key for a data set with files of these kinds, without those that are 1."""
    found = {f"reader {kind}": READERS.get(kind, 1) for kind in sorted(kinds)}
    return {name: v for name, v in {**found, "frames": FRAMES}.items() if v != 1}


def changed() -> bool:
    """Whether any version is not 1."""
    return FRAMES != 1 or any(v != 1 for v in READERS.values())
