"""Inference of the patients of items from their names and folders."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np

from featprobe.core.errors import InputError
from featprobe.datasets.base import Dataset
from featprobe.datasets.encode import each_text
from featprobe.datasets.patient_names import by_aspect, scheme_of

_INDEX = re.compile(r"^(?P<patient>.+?)[_-](?P<index>[A-Za-z]{0,6}\d+)$")
_PLACE = re.compile(r"(?i)(site|scanner|cent(er|re)|hospital|clinic|vendor|device|machine|batch)")
NO_GROUPS = "none known: each item is its own group"
RULES = ("auto", "none", "folder")
# So few groups, of so many items each and all with items of every class, are places.
FEW, MANY = 30, 8


def infer_groups(
    ids: Sequence[str] | np.ndarray, rule: str = "auto", labels: Sequence[str] | None = None
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
    names = np.asarray(ids, dtype=np.str_)
    if rule == "none":
        return names.copy(), NO_GROUPS + " (asked for)"
    if rule == "folder":
        folders = np.array([str(PurePosixPath(i).parent) for i in each_text(ids)])
        return folders, "the folder of the file"
    pattern = patient_pattern(rule)
    if pattern is not None:
        return _by_regex(ids, pattern)
    if rule != "auto":
        raise InputError(f"unknown group rule {rule!r}: use auto, none, folder or regex:PATTERN")
    known = scheme_of(ids)
    if known is not None:
        return _own(names, known[0], f"file names: {known[1]}")
    stems = [stem_of(i) for i in each_text(ids)]
    cores, origin = by_aspect(stems), "file names without side, view, modality or slice"
    if cores is None:
        cores, origin = _prefixes(stems), "file names of the form <patient>_<index>"
        if cores is None:
            return names.copy(), NO_GROUPS
    why = _disbelieved(cores, labels)
    if why:
        return names.copy(), f"{NO_GROUPS} ({origin}: {why}; --group regex:PATTERN to use them)"
    return _own(names, cores, origin)


def _prefixes(stems: Sequence[str]) -> list[str] | None:
    """What stands before the last index, or before the last two or more where that still gives
    many groups (``<patient>_<study>_<index>``): groups too wide are safe, too narrow ones leak."""
    best: list[str] | None = None
    found = list(stems)
    while True:
        # no list of matches, each of which takes half a kilobyte
        coarser = [m["patient"] if (m := _INDEX.match(s)) else "" for s in found]
        unique = set(coarser)
        few = len(unique) < max(10, len(stems) / 10)
        if "" in unique or few or (best and _word(unique)):
            return best
        best = coarser if len(unique) < len(stems) else None
        found = coarser


def _word(starts: set[str]) -> bool:
    """Whether starts of names are words or places, and not numbers of patients."""
    worded = sum(not re.search(r"\d", s) or bool(_PLACE.match(s)) for s in starts)
    return worded > len(starts) / 2


def _own(names: np.ndarray, cores: Sequence[str], origin: str) -> tuple[np.ndarray, str]:
    """Groups by core; an item without one is its own group."""
    alone = sum(not c for c in cores)
    note = f" ({alone} items have none: each its own group)" if alone else ""
    return np.array([c or n for c, n in zip(cores, each_text(names))]), origin + note


def _disbelieved(cores: Sequence[str], labels: Sequence[str] | None) -> str:
    """Why a guess is of no patients; "" where it may be."""
    unique = {c for c in cores if c}
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


def groups_as_codes(values: Sequence[str]) -> np.ndarray:
    """Patient identifiers as ``patient-0001`` ... in order of appearance.

    Nothing of the identifier is left, so a store can be shared; equal stays equal.
    """
    codes: dict[str, str] = {}
    return np.array([codes.setdefault(v, f"patient-{len(codes) + 1:04d}") for v in values])


def label_texts(data: Dataset) -> list[str] | None:
    """The class of each item, "" where unknown; None where items have no class of their own."""
    if data.targets is None or data.task not in ("multiclass", "ordinal"):
        return None
    return [data.classes[t] if t >= 0 else "" for t in data.targets]


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
    out = []
    for i in each_text(ids):
        match = pattern.search(i)
        if match is None:
            raise InputError(f"group pattern {pattern.pattern!r} does not match item {i!r}")
        out.append(match[which])
    return np.array(out), f"pattern {pattern.pattern!r} in the file name"
