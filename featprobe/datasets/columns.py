"""Which column of a table holds paths, labels, patients and split."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featprobe.core.errors import InputError, UnknownName, nearest
from featprobe.datasets.class_order import as_numbers
from featprobe.datasets.labels import is_binary
from featprobe.datasets.read_options import ReadOptions
from featprobe.datasets.targets import blank

if TYPE_CHECKING:
    import pandas

# Names as `plain` spells them. Of paths and labels the first that is there counts.
PATHS = (
    "path", "image", "file", "filename", "filepath", "imagepath", "imgpath", "imagefile",
    "imagefilename", "imagename", "imageindex", "imageid", "idcode", "img", "relativepath",
    "relpath", "fullpath", "dicompath", "dicom", "dicomid", "scan", "volume", "nifti", "slide",
)  # fmt: skip
LABELS = (
    "label", "class", "target", "diagnosis", "category", "labels", "dx", "findinglabels",
    "classname", "labelname", "groundtruth",
)  # fmt: skip
GROUPS = (
    "patient", "patientid", "subject", "subjectid", "participantid", "participant", "caseid",
    "mrn", "personid", "pid", "patid", "patientnumber", "patientno", "subjectnumber", "usubjid",
    "ptid", "casesubmitterid", "bcrpatientbarcode", "medicalrecordnumber", "group",
)  # fmt: skip
MASKS = (
    "mask", "maskpath", "maskfile", "maskfilename", "segmentation", "segmentationpath", "seg",
    "segpath", "masks", "segmentationmask", "labelmap",
)  # fmt: skip
SPLITS = ("split", "fold", "subset", "partition")
# What is measured of everybody, or describes the picture: 0 and 1 there are no finding.
_COVARIATE = {
    "age", "sex", "gender", "race", "ethnicity", "weight", "height", "bmi", "smoker",
    "smoking", "smoke", "view", "position", "projection", "laterality", "side", "site",
    "scanner", "vendor", "manufacturer", "device", "hospital", "centre", "center",
    "institution", "clinic", "date", "year", "time", "month", "width", "rows", "columns",
    "kvp", "spacing", "thickness", "orientation", "eye", "machine", "protocol", "insurance",
    "index", "unnamed", "followup", "visit", "session", "url", "modality", "bodypart", "dicom",
    "image", "path", "file", "frontal", "male", "female",
}  # fmt: skip
_FILLER = {
    "patient", "subject", "person", "the", "of", "at", "in", "is", "has", "study", "exam",
    "image", "scan", "years", "code",
}  # fmt: skip
_PERSON = {
    "patient", "subject", "participant", "person", "case", "mrn", "pid", "lesion", "study",
    "exam", "accession", "encounter", "series", "uid", "donor", "animal", "specimen", "slide",
    "barcode", "record", "individual",
}  # fmt: skip


def plain(name: str) -> str:
    """A column's name without case, spaces and signs."""
    return re.sub(r"[\W_]+", "", name.lower())


def tokens(name: str) -> set[str]:
    """The words of a column's name: ``PatientAge`` and ``patient_age`` are patient and age."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return {t for t in re.split(r"[\W_\d]+", spaced.lower()) if t}


def named(columns: Iterable[str], names: Sequence[str]) -> list[str]:
    """The columns of these names, in the order of the names."""
    known: dict[str, str] = {}
    for c in columns:
        known.setdefault(plain(c), c)
    return [known[n] for n in names if n in known]


def is_covariate(name: str) -> bool:
    words = tokens(name)
    return bool(words & _COVARIATE) and words <= _COVARIATE | _FILLER


def require_columns(
    path: Path, columns: Iterable[Any], names: Iterable[str], then: str = ""
) -> None:
    """Raise :class:`UnknownName` for one of ``names`` that the table's ``columns`` lack; ``then``:
    what to do, in place of the list of columns."""
    there = list(columns)
    for name in names:
        if name not in there:
            raise UnknownName(
                f"{path}: no column {name!r}.{nearest(name, there)} "
                f"{then or 'It has: ' + ', '.join(there)}"
            )


def label_columns(
    path: Path, table: pandas.DataFrame, reading: ReadOptions, special: Iterable[str]
) -> tuple[list[str], list[str]]:
    """The columns of labels, and notes about the choice.

    Those asked for; else the one of a usual name; else all of present and absent that are no
    covariates (sex, view, ...). Raises :class:`InputError` where several columns may be meant.
    """
    if not reading.labelled:
        return [], []
    if reading.label:
        require_columns(path, table, reading.label)
        return list(reading.label), []
    others = [c for c in table.columns if c not in special]
    usual = named(others, LABELS)
    if usual:
        return [_one_of(path, table, usual)], []
    binary = [c for c in others if is_binary(table[c].tolist(), reading.missing)]
    chosen = [c for c in binary if not is_covariate(c) and not tokens(c) & _PERSON]
    aside = [c for c in others if c not in chosen and _has_values(table, c)]
    if not chosen:
        likely = [c for c in aside if _is_likely(table, c)]
        if likely:
            shown = "; ".join(f"{c} ({_values(table, c)})" for c in likely[:5])
            raise InputError(
                f"{path}: which column is the label? It may be {shown}. Say --label COLUMN, with "
                "--task for grades or measurements, or --label none"
            )
    text = f"columns that are not taken as labels: {', '.join(aside)} (--label COLUMN... takes one)"
    return chosen, [text] if aside else []


def _one_of(path: Path, table: pandas.DataFrame, usual: Sequence[str]) -> str:
    """The first of several columns of a usual name, where the others say the same."""
    first = table[usual[0]]
    for other in usual[1:]:
        pairs = len(set(zip(first, table[other])))
        if not pairs == first.nunique() == table[other].nunique():
            raise InputError(
                f"{path}: {' and '.join(map(repr, usual))} may both be the label and differ; say "
                "--label COLUMN"
            )
    return usual[0]


def _has_values(table: pandas.DataFrame, column: str) -> bool:
    return any(blank(table[column].tolist())[0])


def _is_likely(table: pandas.DataFrame, column: str) -> bool:
    """Whether a column looks like classes: few texts or numbers, of which most recur."""
    if is_covariate(column) or tokens(column) & _PERSON:
        return False
    known = [v for v in blank(table[column].tolist())[0] if v]
    unique = set(known)
    if any("/" in v or "\\" in v or re.search(r"\.\w{2,4}$", v) for v in unique if not _number(v)):
        return False
    return 2 <= len(unique) <= min(20, len(known) / 2)


def _number(text: str) -> bool:
    return as_numbers([text]) is not None


def _values(table: pandas.DataFrame, column: str) -> str:
    unique = sorted(set(table[column]))
    return ", ".join(unique[:4]) + (", ..." if len(unique) > 4 else "")


def group_column(
    table: pandas.DataFrame, reading: ReadOptions, special: Iterable[str]
) -> tuple[str | None, list[str]]:
    """The column of patients, and warnings about the choice.

    One of a standard's name is taken; ``group`` only where its values are many, since it is what
    studies call their arms. Others that may say the patient are named.
    """
    if reading.group in table.columns:
        return reading.group, []
    if reading.group != "auto":
        return None, []
    others = [c for c in table.columns if c not in special]
    for column in named(others, GROUPS):
        n = table[column].nunique()
        if plain(column) != "group" or n >= max(3, min(10, len(table) / 10)):
            return column, []
    warnings = []
    for column in others:
        n = table[column].nunique()
        arm = plain(column) == "group"
        if arm or (tokens(column) & _PERSON and 1 < n < len(table) and not is_covariate(column)):
            warnings.append(
                f"column {column!r} ({n} values in {len(table)} rows) may tell the patients and is "
                f"not used: --group {column!r} uses it"
            )
    return None, warnings
