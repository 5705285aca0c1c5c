"""Naming schemes that show the patient: those of public collections, and of common habit."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import PurePosixPath

import numpy as np

from featprobe.core.text_columns import CodedTexts, each_text

# Searched in the id of an item, a relative path; the group is the patient. From the collections'
# own descriptions: BIDS 1.9 (bids-specification.readthedocs.io), OASIS-1 to 4, ADNI, GDC's TCGA
# barcode (docs.gdc.cancer.gov), CPTAC, LIDC-IDRI, CBIS-DDSM, MIMIC-CXR, CheXpert, BraTS 2017-2024,
# ISPY, fastMRI, EyePACS.
SCHEMES: dict[str, str] = {
    "BIDS sub-<patient>": r"(?:^|/)(sub-[A-Za-z0-9]+)(?=[_/.]|$)",
    "OASIS": r"(?<![A-Za-z0-9])(OAS[12]_\d{4}|OAS[34]\d{4})(?!\d)",
    "ADNI": r"(?<!\d)(\d{3}_S_\d{4,5})(?!\d)",
    "TCGA barcode": r"(?<![A-Za-z0-9])(TCGA-[A-Z0-9]{2}-[A-Z0-9]{4})(?![A-Z0-9])",
    "CPTAC": r"(?<![A-Za-z0-9])(C3[LN]-\d{5})(?!\d)",
    "LIDC-IDRI": r"(LIDC-IDRI-\d{4})(?!\d)",
    "CBIS-DDSM": r"(?<![A-Za-z0-9])(P_\d{5})_(?:LEFT|RIGHT)",
    "MIMIC-CXR": r"(?:^|/)(p\d{8})/s\d{8}(?=/|\.|$)",
    "BraTS": r"(?<![A-Za-z0-9])(BraTS(?:\d*_(?:[A-Za-z]+_)*\w*?\d{3,5}|[-A-Za-z]*-\d{5}))(?!\d)",
    "ISPY": r"(?<![A-Za-z0-9])(ISPY[12][-_]\d+)(?!\d)",
    "patient<number>": (
        r"(?i)(?<![A-Za-z0-9])((?:patient|subject|participant|person|pat|subj|pt|pid)[ _-]?"
        r"(?:id)?[ _-]?\d+)(?!\d)"
    ),
}
_ASPECTS = {
    "left", "right", "l", "r", "od", "os", "oi", "ou", "cc", "mlo", "lcc", "rcc", "lmlo",
    "rmlo", "frontal", "lateral", "lat", "pa", "ap", "front", "side", "axial", "sagittal",
    "coronal", "ax", "sag", "cor", "t1", "t2", "t1w", "t2w", "t1c", "t1ce", "t1gd", "t1n",
    "t1wce", "t2f", "flair", "pd", "pdw", "dwi", "adc", "swi", "bold", "dti", "ct", "mr",
    "mri", "pet", "us", "cbct", "pre", "post", "baseline", "followup", "fu", "native",
    "contrast", "arterial", "venous", "portal", "delayed", "ed", "es", "seg", "mask",
}  # fmt: skip
_NUMBERED = re.compile(
    r"(?i)(slice|slc|sl|img|image|im|frame|fr|f|z|view|v|scan|ses|session|study|series|ser|visit|"
    r"day|month|tp|timepoint|time|t|run|patch|tile|crop|aug|copy|echo|phase|mr|ct|roi|x|y|acq|eye|"
    r"rot|level|page|stack|idx|index|class|label|grade)\d+"
)
_JOINED = re.compile(r"(?i)(.*\d)(?:slice|slc|frame|view|image|img|scan|visit|series|patch)\d+")
_INDEX_WORD = re.compile(
    r"(?i)slice|sl|img|image|im|frame|view|scan|ses|session|study|series|visit|run|patch|tile|crop|"
    r"echo|phase|page|tp"
)


def scheme_of(ids: Sequence[str] | np.ndarray) -> tuple[CodedTexts, str] | None:
    """The patient of each id ("" where the scheme does not fit), and the scheme's name.

    The first scheme that fits at least nine of ten ids; None without one.
    """
    for name, pattern in SCHEMES.items():
        found = mostly(map(_searching(pattern), each_text(ids)), len(ids))
        if found is not None:
            return found, name
    return None


def _searching(pattern: str) -> Callable[[str], str]:
    search, small = re.compile(pattern).search, "(?i)" in pattern

    def patient(item: str) -> str:
        match = search(item)
        return "" if match is None else match[1].lower() if small else match[1]

    return patient


def mostly(found: Iterable[str], n: int) -> CodedTexts | None:
    """What was found in each of n names, None where more than a tenth have nothing ("")."""
    misses = 0

    def counted() -> Iterator[str]:
        nonlocal misses
        for text in found:
            misses += not text
            if misses > 0.1 * n:  # of a million names a few tell
                return
            yield text

    coded = CodedTexts.of(counted())
    return coded if len(coded) == n else None


def without_aspect(stem: str) -> str:
    """A file name without what says which image of a patient it is; "" where nothing says so.

    ``001_left`` is 001, ``12_OD`` 12, ``P001-0-slice12`` P001, ``case_7_slice_3`` case_7.
    """
    parts = re.split(r"([_\-. ]+)", stem)
    tokens, seps = parts[::2], parts[1::2]
    n, dropped, counted = len(tokens), False, False
    while n > 1:
        last, before = tokens[n - 1], tokens[n - 2]
        if _NUMBERED.fullmatch(last):
            n, dropped, counted = n - 1, True, True
        elif last.lower() in _ASPECTS:
            n, dropped = n - 1, True
        elif n > 2 and last.isdigit() and _INDEX_WORD.fullmatch(before):
            n, dropped, counted = n - 2, True, True
        elif counted and last.isdigit() and any(re.search(r"\d", t) for t in tokens[: n - 1]):
            n -= 1
        else:
            break
    joined = _JOINED.fullmatch(tokens[n - 1])
    if joined:
        tokens[n - 1], dropped = joined[1], True
    core = "".join(t + s for t, s in zip(tokens[:n], [*seps[: n - 1], ""]))
    return core if dropped and re.search(r"\d", core) else ""


def by_aspect(stems: Iterable[str], n: int) -> CodedTexts | None:
    """The patient of each of n file names where all but a tenth show one and some recur, else
    None."""
    cores = mostly(map(without_aspect, stems), n)
    if cores is None:
        return None
    sizes = np.bincount(cores.codes, minlength=len(cores.table))
    return cores if any(k > 1 and text for k, text in zip(sizes.tolist(), cores.table)) else None


def shared_starts(stems: Iterable[str]) -> Counter[str]:
    """Starts of file names that several share, in front of a last index or aspect."""
    last = re.compile(r"(.*\d.*?)[_\-. ]+[A-Za-z]{0,6}\d+")

    def start(stem: str) -> str:
        return without_aspect(stem) or (m[1] if (m := last.fullmatch(stem)) else "")

    return Counter({s: n for s, n in Counter(map(start, stems)).items() if s and n > 1})


def looks_like_patient(name: str) -> bool:
    """Whether the name of a folder is one of a patient in a known scheme."""
    return any(re.search(p, name) for p in SCHEMES.values()) or bool(
        re.search(r"^(?:LUNG\d?|QIN|NSCLC|HN|HNSCC|AMC|R01|Case|PANCREAS)[-_].*\d{2,}$", name)
    )


def is_numbering(names: Sequence[str]) -> bool:
    """Whether names are one word and a running number with leading zeros: ``case_001``, ``0042``.

    Such folders are numbered things, more likely patients than classes.
    """
    matches = [re.fullmatch(r"(\D*)(\d{3,})", PurePosixPath(n).name) for n in names]
    if len(names) < 10 or not all(matches):
        return False
    words = {m[1].lower().strip("_- ") for m in matches if m}
    widths = {len(m[2]) for m in matches if m}
    return len(words) == 1 and len(widths) == 1
