"""What planning reads of a DICOM file: identity, place, what tells volumes of a series apart."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from featprobe.images.dicom_derived import DESCRIBING, derived
from featprobe.images.dicom_file import dataset, named, numbers, whole_number
from featprobe.images.dicom_pixels import frames_of

Numbers = tuple[float, ...] | None
_EMPTY: tuple[Any, ...] = ("", None, 0, {}, ("", ""))  # values of a header that says nothing

# Values that all slices of one volume share. Those of STATES never differ within one volume; the
# others may (a table that moves on, a scanner that counts each slice), so they count only where
# positions recur.
STATES = (
    "EchoTime", "EchoNumbers", "InversionTime", "DiffusionBValue", "DiffusionGradientOrientation",
    "TemporalPositionIdentifier", "TemporalPositionIndex", "NominalPercentageOfCardiacPhase",
    "FrameReferenceTime", "ComplexImageComponent",
)  # fmt: skip
TELLING = (
    *STATES, "ImageType", "KVP", "ConvolutionKernel", "FlipAngle", "ContrastBolusAgent",
    "AcquisitionNumber", "TriggerTime", "AcquisitionDateTime", "AcquisitionTime", "ContentTime",
)  # fmt: skip
# Values that rise from slice to slice and from volume to volume.
RISING = ("TriggerTime", "AcquisitionDateTime", "AcquisitionTime", "ContentTime")
_TAGS = [
    "Rows", "Columns", "NumberOfFrames", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID",
    "InstanceNumber", "ImagePositionPatient", "ImageOrientationPatient", "PatientID",
    "SOPClassUID", "SamplesPerPixel", "BitsAllocated", "PhotometricInterpretation", "Modality",
    "FrameOfReferenceUID", "PixelSpacing", "SpacingBetweenSlices", "SliceThickness",
    *TELLING, *DESCRIBING,
]  # fmt: skip


@dataclass(frozen=True)
class Header:
    """What planning needs of one file. ``position`` and ``orientation`` are None where absent.

    ``patient``, ``study``, ``series``, ``space`` (frame of reference) and ``instance`` are codes of
    the identifiers, "" where absent: equal where these are, and all that grouping needs. ``kind``:
    SOP class and modality. ``thickness``: upper bound of the distance of slices, in mm, 0 where not
    known. ``tells``: the values there are of :data:`TELLING`, as text. ``derived``: what kind of
    derived object it is, "" for an image. ``spacing``: of rows and columns in mm.
    """

    path: Path
    rows: int
    columns: int
    frames: int
    series: str
    patient: str
    number: int
    position: Numbers
    orientation: Numbers
    instance: str = ""
    study: str = ""
    space: str = ""
    kind: tuple[str, str] = ("", "")
    thickness: float = 0.0
    tells: Mapping[str, str] = field(default_factory=dict)
    derived: str = ""
    spacing: Numbers = None

    def to_facts(self) -> dict[str, Any]:
        """All but the path as JSON values, without what is as by default."""
        found = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "path"}
        return {name: v for name, v in found.items() if v not in _EMPTY}

    @classmethod
    def from_facts(cls, path: Path, facts: Mapping[str, Any]) -> Header:
        """The header of a file whose :meth:`to_facts` these are, its texts shared with others."""
        given: dict[str, Any] = {
            "series": "",
            "patient": "",
            "number": 0,
            "position": None,
            "orientation": None,
        }
        given |= {n: _shared(v) for n, v in facts.items()}
        return cls(path=path, **given)

    @cached_property
    def depth(self) -> float:
        """Position along the normal of the image plane, in millimetres."""
        return depth_of(self.position, self.orientation)

    def rising(self, name: str) -> float | None:
        """A value of :data:`RISING` as a number: clock times are read as the digits they are."""
        try:
            return float(self.tells[name])
        except (KeyError, ValueError):
            return None

    @property
    def natural(self) -> list[tuple[int, str]]:
        """The file's name as people sort it: ``im2`` before ``im10``."""
        parts = re.split(r"(\d+)", str(self.path))
        return [(int(p), "") if p.isdecimal() else (-1, p) for p in parts]


def _shared(value: Any) -> Any:
    """A value out of JSON as a header holds it; the files of a study share its texts."""
    if isinstance(value, str):
        return sys.intern(value)
    if isinstance(value, dict):
        return {sys.intern(n): sys.intern(t) for n, t in value.items()}
    return tuple(map(_shared, value)) if isinstance(value, list) else value


def read_header(path: Path) -> Header | None:
    """The header of an image file; None for a DICOM object without pixels (SR, RTSTRUCT, PR)."""
    with named(path):
        ds = dataset(path, stop_before_pixels=True, specific_tags=_TAGS)
        if "Rows" not in ds or "Columns" not in ds:
            return None
        gaps = [numbers_of(ds, n) for n in ("SpacingBetweenSlices", "SliceThickness")]
        return Header(
            path=path,
            rows=int(ds.Rows),
            columns=int(ds.Columns),
            frames=frames_of(path, ds),
            series=_coded(ds, "SeriesInstanceUID"),
            patient=_coded(ds, "PatientID"),
            number=whole_number(ds, "InstanceNumber", 0),
            position=numbers(ds, "ImagePositionPatient", 3),
            orientation=numbers(ds, "ImageOrientationPatient", 6),
            instance=_coded(ds, "SOPInstanceUID"),
            study=_coded(ds, "StudyInstanceUID"),
            space=_coded(ds, "FrameOfReferenceUID"),
            kind=(_text(ds, "SOPClassUID"), _text(ds, "Modality")),
            thickness=min((g for g in gaps if g > 0), default=0.0),
            tells={n: t for n in TELLING if (t := _text(ds, n))},
            derived=derived(ds),
            spacing=numbers(ds, "PixelSpacing", 2),
        )


def depth_of(position: Numbers, orientation: Numbers) -> float:
    """Position (3,) along the normal of a plane of ``orientation`` (6,), in millimetres."""
    assert position is not None
    assert orientation is not None
    a, b, c, d, e, f = orientation  # not through numpy, whose calls take longer than the sums
    x, y, z = position
    return float((b * f - c * e) * x + (c * d - a * f) * y + (a * e - b * d) * z)


def numbers_of(ds: Any, name: str) -> float:
    """One finite number, 0 where it is absent or damaged."""
    try:
        value = float(ds.get(name))
    except Exception:  # a damaged value is an absent one
        return 0.0
    return value if np.isfinite(value) else 0.0


def _text(ds: Any, name: str) -> str:
    try:
        value = ds.get(name)
    except Exception:  # a damaged value is an absent one
        return ""
    return "" if value is None else str(value).strip()


def _coded(ds: Any, name: str) -> str:
    """A code of an identifier, which is not kept itself: headers are remembered between runs."""
    text = _text(ds, name)
    return text and blake2b(text.encode(), digest_size=12, person=b"featprobe").hexdigest()
