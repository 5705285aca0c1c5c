"""Which items belong to one patient, when the data set does not say so in a column."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np

from featprobe.errors import InputError

_INDEX = re.compile(r"^(?P<patient>.+?)[_-](?P<index>[A-Za-z]{0,6}\d+)$")
NO_GROUPS = "none known: each item is its own group"


def infer_groups(ids: Sequence[str], rule: str = "auto") -> tuple[np.ndarray, str]:
    """Groups (N,) for items named ``ids`` (relative paths), and in words where they come from.

    ``none``: every item alone. ``folder``: the folder that holds the file. ``regex:PATTERN``: the
    pattern's group ``patient``, or its first group, searched in the id. ``auto``: names of the
    form ``<patient>_<index>`` (``00000061_012.png``), believed only when the prefix recurs and
    yields at least ten patients and a tenth as many patients as items; otherwise none.
    """
    names = np.asarray(ids, dtype=np.str_)
    if rule == "none":
        return names.copy(), NO_GROUPS + " (asked for)"
    if rule == "folder":
        return np.array([str(PurePosixPath(i).parent) for i in ids]), "the folder of the file"
    if rule.startswith("regex:"):
        return _by_regex(ids, rule.removeprefix("regex:"))
    if rule != "auto":
        raise InputError(f"unknown group rule {rule!r}: use auto, none, folder or regex:PATTERN")
    prefixes = []
    for i in ids:
        match = _INDEX.match(stem_of(i))
        prefixes.append(match["patient"] if match else "")
    unique = set(prefixes)
    if "" in unique or len(unique) == len(names) or len(unique) < max(10, len(names) / 10):
        return names.copy(), NO_GROUPS
    return np.array(prefixes), "file names of the form <patient>_<index>"


def stem_of(item: str) -> str:
    """The file name of a path without its suffix, ``.nii.gz`` being one."""
    name = PurePosixPath(item).name
    for suffix in (".nii.gz", *([PurePosixPath(name).suffix] if "." in name else [])):
        if name.lower().endswith(suffix.lower()):
            return name[: len(name) - len(suffix)]
    return name


def _by_regex(ids: Sequence[str], pattern: str) -> tuple[np.ndarray, str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise InputError(f"group pattern {pattern!r} is no regular expression: {error}") from None
    if not compiled.groups:
        raise InputError(f"group pattern {pattern!r} has no (group) to take the patient from")
    which = "patient" if "patient" in compiled.groupindex else 1
    out = []
    for i in ids:
        match = compiled.search(i)
        if match is None:
            raise InputError(f"group pattern {pattern!r} does not match item {i!r}")
        out.append(match[which])
    return np.array(out), f"pattern {pattern!r} in the file name"
