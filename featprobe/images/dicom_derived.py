"""DICOM objects that are made from images and are none: masks, doses, pictures of reports."""

from __future__ import annotations

import re
from typing import Any

_STORAGE = "1.2.840.10008.5.1.4.1.1."
# SOP classes with pixels that are no image of the patient (PS3.4 B.5)
_CLASSES = {
    "66.4": "segmentation", "66.7": "label map", "66.5": "surface segmentation",
    "481.2": "radiotherapy dose", "30": "parametric map", "66.2": "deformation",
}  # fmt: skip
CAPTURES = tuple(f"{_STORAGE}7{part}" for part in ("", ".1", ".2", ".3", ".4"))
_REPORTING = {"SR", "DOC", "KO", "PR", "SEG", "RTDOSE", "RTSTRUCT", "RTPLAN", "REG", "FID"}
_REPORT = re.compile(
    r"\b(reports?|protocol|dose (report|info\w*|summary|record)|exam summary|summary|worksheet|"
    r"screen ?(save|shot|capture)|patient (info|data|protocol)|befund|arztbrief)\b",
    re.IGNORECASE,
)
DESCRIBING = ("SeriesDescription", "ImageComments", "DocumentTitle", "ConversionType")
CAPTURE = "secondary capture"


def derived(ds: Any) -> str:
    """What kind of derived object a data set is, or "" for an image.

    A secondary capture counts where its modality or its description is that of a report. The SOP
    class alone says little: scanned films and whole anonymised collections have it.
    """
    sop = str(ds.get("SOPClassUID") or "")
    kind = _CLASSES.get(sop.removeprefix(_STORAGE), "") if sop.startswith(_STORAGE) else ""
    modality = str(ds.get("Modality") or "").upper()
    if kind:
        return f"DICOM {kind}"
    if modality in _REPORTING:
        return "DICOM object of modality " + modality
    text = " ".join(str(ds.get(n) or "") for n in DESCRIBING[:3]).replace("_", " ")
    if sop in CAPTURES and _REPORT.search(text):
        return "secondary capture of a report"
    return ""
