"""Inference of the patients of items from their names and folders."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath

import numpy as np

from featprobe.core.errors import InputError
from featprobe.core.text_columns import (
    CodedTexts,
    PackedTexts,
    TextColumn,
    as_texts,
    each_text,
    smallest,
)
from featprobe.datasets.base import Dataset
from featprobe.datasets.patient_names import by_aspect, scheme_of

_INDEX = re.compile(r"^(?P<patient>.+?)[_-](?P<index>[A-Za-z]{0,6}\d+)$")
_PLACE = re.compile(r"(?i)(site|scanner|cent(er|re)|hospital|clinic|vendor|device|machine|batch)")
NO_GROUPS = "none known: each item is its own group"
RULES = ("auto", "none", "folder")
# So few groups, of so many items each and all with items of every class, are places.
FEW, MANY = 30, 8


def infer_groups(
    ids: Sequence[str] | np.ndarray, rule: str = "auto", labels: Iterable[str] | None = None
) -> tuple[np.ndarray, str]:
    """Infer groups (N,) of items named ``ids`` (relative paths), and their origin in words.

    ``none``: every item alone. ``folder``: the folder that holds the file. ``regex:PATTERN``: the
    pattern's group ``patient``, or its first group, searched in the id. ``auto``: a known scheme
    (:data:`~featprobe.datasets.patient_names.SCHEMES`); or what is left of the names without side,
    view, modality, slice and visit (``001_left``, ``P001-0-slice12``); or names of the form
    ``<patient>_<index>`` (``00000061_012.png``), believed only when the prefix recurs and yields at
    least ten patients and a tenth as many patients as items; otherwise none. A guess that is the
    class (``labels``, one text an item), or few prefixes that occur in every class, as sites and
    scanners do, is not believed.
    """
    if rule == "none":
        return _each_its_own(ids), NO_GROUPS + " (asked for)"
    if rule == "folder":
        folders = CodedTexts.of(str(PurePosixPath(i).parent) for i in each_text(ids))
        return as_texts(folders), "the folder of the file"
    pattern = patient_pattern(rule)
    if pattern is not None:
        return _by_regex(ids, pattern)
    if rule != "auto":
        raise InputError(f"unknown group rule {rule!r}: use auto, none, folder or regex:PATTERN")
    known = scheme_of(ids)
    if known is not None:
        return _own(ids, known[0], f"file names: {known[1]}")
    cores = by_aspect(map(stem_of, each_text(ids)), len(ids))
    origin = "file names without side, view, modality or slice"
    if cores is None:
        cores, origin = _prefixes(ids), "file names of the form <patient>_<index>"
        if cores is None:
            return _each_its_own(ids), NO_GROUPS
    why = _disbelieved(cores, labels)
    if why:
        note = f"{NO_GROUPS} ({origin}: {why}; --group regex:PATTERN to use them)"
        return _each_its_own(ids), note
    return _own(ids, cores, origin)


def _each_its_own(ids: Sequence[str] | np.ndarray) -> np.ndarray:
    texts = ids if isinstance(ids, TextColumn) else PackedTexts(each_text(ids))
    return as_texts(CodedTexts.each_its_own(texts))


def _prefixes(ids: Sequence[str] | np.ndarray) -> CodedTexts | None:
    """What stands before the last index, or before the last two or more where that still gives
    many groups (``<patient>_<study>_<index>``): groups too wide are safe, too narrow ones leak."""
    best: CodedTexts | None = None
    for indices in itertools.count(1):
        coarser = _without_indices(ids, indices)
        few = coarser is None or len(coarser.table) < max(10, len(ids) / 10)
        if coarser is None or few or (best and _word(coarser.table)):
            return best
        best = coarser if len(coarser.table) < len(ids) else None
    raise AssertionError


def _without_indices(ids: Sequence[str] | np.ndarray, indices: int) -> CodedTexts | None:
    """File names without so many indices at their ends; None where one has fewer."""

    def starts() -> Iterator[str]:
        for item in each_text(ids):
            start = stem_of(item)
            for _ in range(indices):
                match = _INDEX.match(start)
                if match is None:
                    return
                start = match["patient"]
            yield start

    found = CodedTexts.of(starts())
    return found if len(found) == len(ids) else None


def _word(starts: Iterable[str]) -> bool:
    """Whether starts of names are words or places, and not numbers of patients."""
    worded = [not re.search(r"\d", s) or bool(_PLACE.match(s)) for s in starts]
    return sum(worded) > len(worded) / 2


def _own(ids: Sequence[str] | np.ndarray, cores: CodedTexts, origin: str) -> tuple[np.ndarray, str]:
    """Groups by core; an item without one is its own group."""
    alone = sum(not c for c in cores) if "" in cores.table else 0
    if not alone:
        return as_texts(cores), origin
    note = f" ({alone} items have none: each its own group)"
    return as_texts(CodedTexts.of(c or i for c, i in zip(cores, each_text(ids)))), origin + note


def _disbelieved(cores: CodedTexts, labels: Iterable[str] | None) -> str:
    """Why a guess is of no patients; "" where it may be."""
    unique = [c for c in cores.table if c]
    worded = sum(not re.search(r"\d", c) for c in unique)
    if worded > len(unique) / 2:
        return f"the {len(unique)} starts of names are words without a number, as classes are"
    if sum(bool(_PLACE.match(c)) for c in unique) > len(unique) / 2:
        return f"the {len(unique)} starts of names are called after places or devices"
    if labels is None:
        return ""
    classes = set(labels) - {""}
    if len(unique) > max(FEW, len(classes)):
        return ""
    of: dict[str, set[str]] = {}
    for core, label in zip(cores, labels):
        if label:
            of.setdefault(core, set()).add(label)
    if len(classes) > 1 and len(unique) <= len(classes) and all(len(s) == 1 for s in of.values()):
        return f"the {len(unique)} starts of names are the classes"
    few = len(unique) < FEW and len(cores) >= MANY * len(unique)
    if few and 1 < len(classes) <= 20 and all(len(s) == len(classes) for s in of.values()):
        return (
            f"each of the {len(unique)} starts of names occurs in every class, as sites and "
            "scanners do"
        )
    return ""


def groups_as_codes(values: Iterable[str]) -> np.ndarray:
    """Patient identifiers as ``patient-0001`` ... in order of appearance.

    Nothing of the identifier is left, so a store can be shared; equal stays equal.
    """
    found = CodedTexts.of(values)
    names = PackedTexts(f"patient-{i + 1:04d}" for i in range(len(found.table)))
    return as_texts(CodedTexts(found.codes, names))


def label_texts(data: Dataset) -> TextColumn | None:
    """The class of each item, "" where unknown; None where items have no class of their own."""
    if data.targets is None or data.task not in ("multiclass", "ordinal"):
        return None
    codes = np.where(data.targets < 0, len(data.classes), data.targets)
    return CodedTexts(smallest(codes, len(data.classes) + 1), [*data.classes, ""])


def stem_of(item: str) -> str:
    """The file name of a path without its suffix, ``.nii.gz`` being one."""
    name = item.rstrip("/").rpartition("/")[2]  # not through PurePosixPath: asked a million times
    if name[-7:].lower() == ".nii.gz":
        return name[:-7]
    dot = name.rfind(".")
    return name[:dot] if 0 < dot < len(name) - 1 else name


def patient_pattern(rule: str) -> re.Pattern[str] | None:
    """The pattern of a rule ``regex:PATTERN``, None for another rule.

    Raises :class:`InputError` for one that is no regular expression, or has no group.
    """
    sign, pattern = rule[:6], rule[6:]
    if sign != "regex:":
        return None
    try:
        compiled = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise InputError(f"group pattern {pattern!r} is no regular expression: {error}") from None
    if not compiled.groups:
        raise InputError(f"group pattern {pattern!r} has no (group) to take the patient from")
    return compiled


def _by_regex(ids: Sequence[str] | np.ndarray, pattern: re.Pattern[str]) -> tuple[np.ndarray, str]:
    which = "patient" if "patient" in pattern.groupindex else 1

    def patient(item: str) -> str:
        match = pattern.search(item)
        if match is None:
            raise InputError(f"group pattern {pattern.pattern!r} does not match item {item!r}")
        return str(match[which])

    found = CodedTexts.of(map(patient, each_text(ids)))
    return as_texts(found), f"pattern {pattern.pattern!r} in the file name"
