"""Which folders of a tree are a split, classes, or patients: what is certain, and what is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from featprobe.core.errors import InputError
from featprobe.datasets.parts import NAMES, is_likely_part, part_of, way_out
from featprobe.datasets.patient_names import is_numbering, looks_like_patient
from featprobe.datasets.read_options import ReadOptions

Parts = tuple[str, ...]  # the folders of an item, from the top
# Folders that hold the images and say nothing of them.
WRAPPERS = {"images", "image", "imgs", "img", "imagestr", "data", "dataset", "dicom", "dcm", "all"}
FEW_STRAYS = 3  # or a tenth: so many images outside of the class folders are left out


@dataclass
class Layout:
    """Meaning of the folders of a data set. Lists have one value an item.

    ``labels``: the class, "" where unknown; empty without classes. ``split``: the part, "" without
    a split. ``patients``: the folder of the patient, where folders are. ``left_out``: items that
    have no place, and why. ``depth``: at which folder the classes stand. ``notes``: what to print.
    """

    labels: list[str] = field(default_factory=list)
    split: list[str] = field(default_factory=list)
    patients: list[str] = field(default_factory=list)
    left_out: dict[int, str] = field(default_factory=dict)
    depth: int = 0
    notes: list[str] = field(default_factory=list)
    origin: str = ""


def read_layout(
    root: Path, ids: Sequence[str], parts: Sequence[Parts], headers: Sequence[str],
    reading: ReadOptions,
) -> Layout:  # fmt: skip
    """Infer split, classes and patients from the folders of the items.

    ``headers``: the PatientID of each item, "" without. Folders train, val and test are the split
    where two of them are there, or one beside folders that sound like a part; the folders below
    are the classes, and single folders above either are passed. Images outside of them are left
    out and named where they are few. Folders that are called like patients, or hold one patient
    each, are patients. Raises :class:`InputError`, with the options, where parts or classes are
    likely and not certain.
    """
    out = Layout(split=[""] * len(parts))
    if reading.bare:
        return out
    depth = out.depth = _passed(out, parts, 0)
    tops = Counter(p[depth] for p in parts if len(p) > depth)
    if reading.split_column != "none" and _is_split(tops, parts, depth, root, reading):
        _divide(out, parts, depth, tops, root, reading)
        inside = [p for i, p in enumerate(parts) if i not in out.left_out]
        out.depth = _passed(out, inside, depth + 1)
        passed = depth + (out.depth - depth - 1)
    else:
        passed = depth
        if reading.split_column != "none":
            _divide_below(out, parts, depth, root, reading)
        if reading.split_map and not any(out.split):
            raise InputError(f"{root}: --split-map: there are no folders of a split")
    if reading.labelled:
        _classes(out, ids, parts, headers, root, reading, passed > 0)
    return out


def _passed(out: Layout, parts: Sequence[Parts], depth: int) -> int:
    """The depth below folders that stand alone and have folders in them, which are told."""
    while True:
        at = {p[depth] for p in parts if len(p) > depth}
        deeper = sum(len(p) > depth + 1 for p in parts)
        name = next(iter(at), "")
        stop = name.lower() in NAMES or looks_like_patient(name)
        if len(at) != 1 or stop or deeper < len(parts) - _few(len(parts)):
            return depth
        out.notes.append(f"folder {name!r} holds all images: the folders in it are read")
        depth += 1


def _few(n: int) -> int:
    return max(FEW_STRAYS, n // 10) if n > 2 * FEW_STRAYS else 0


def _is_split(
    tops: Counter[str], parts: Sequence[Parts], depth: int, root: Path, reading: ReadOptions
) -> bool:
    """Whether the folders at a depth are a split; an error where it cannot be known."""
    certain = [n for n in tops if part_of(n, reading) not in (None, "none")]
    likely = [n for n in tops if part_of(n, reading) is None and is_likely_part(n)]
    if len({part_of(n, reading) for n in certain}) > 1 or (certain and likely):
        return True
    if not certain:
        return False
    if len(certain) == len([n for n in tops if part_of(n, reading) != "none"]):
        return True
    others = [n for n in tops if n not in certain]
    inner = {n: {p[depth + 1] for p in parts if len(p) > depth + 1 and p[depth] == n} for n in tops}
    if any(inner[n] and inner[n] & inner[o] for n in certain for o in others):
        raise InputError(
            f"{root}: folder {certain[0]!r} has the same folders in it as {others[0]!r}: a part "
            f"of a split, or a class? Say {way_out(others)}, or --split-column none"
        )
    return False


def _divide(
    out: Layout, parts: Sequence[Parts], depth: int, tops: Counter[str], root: Path,
    reading: ReadOptions,
) -> None:  # fmt: skip
    """Give each item its part; items of other folders are left out by name."""
    unsure = [n for n in tops if part_of(n, reading) is None and is_likely_part(n)]
    certain = [n for n in tops if part_of(n, reading) not in (None, "none")]
    if unsure:
        raise InputError(
            f"{root}: folders {', '.join(certain)} are a split; {', '.join(map(repr, unsure))} may "
            f"be a part of it too: say {way_out(unsure)} (none: left out), or --split-column none"
        )
    unknown = sorted(set(reading.split_map) - set(tops))
    if unknown:
        raise InputError(
            f"{root}: --split-map {unknown[0]!r}: no such folder of images beside "
            f"{', '.join(sorted(tops))}"
        )
    for i, p in enumerate(parts):
        part = part_of(p[depth], reading) if len(p) > depth else None
        if part in (None, "none"):
            where = f"folder {p[depth]!r}" if len(p) > depth else "the top folder"
            out.left_out[i] = f"image in {where}, no part of the split"
        else:
            out.split[i] = str(part)


def _divide_below(
    out: Layout, parts: Sequence[Parts], depth: int, root: Path, reading: ReadOptions
) -> None:
    """Parts of a split inside of the class folders: ``cat/train``, ``cat/test``, ``dog/train``."""
    inner = Counter(p[depth + 1] for p in parts if len(p) > depth + 1)
    if len({part_of(n, reading) for n in inner} - {None, "none"}) < 2:
        return
    unsure = [n for n in inner if part_of(n, reading) is None]
    if unsure or sum(inner.values()) < len(parts):
        what = f"{_some(unsure)} beside them" if unsure else "images beside them"
        raise InputError(
            f"{root}: folders {_some([n for n in inner if n not in unsure])} inside of others are "
            f"a split, and there are {what}: say {way_out(unsure or list(inner))}, or "
            "--split-column none"
        )
    for i, p in enumerate(parts):
        out.split[i] = str(part_of(p[depth + 1], reading))
        if out.split[i] == "none":
            out.left_out[i], out.split[i] = f"image in folder {p[depth + 1]!r}", ""


def _classes(
    out: Layout, ids: Sequence[str], parts: Sequence[Parts], headers: Sequence[str], root: Path,
    reading: ReadOptions, passed: bool,
) -> None:  # fmt: skip
    """Labels from the folders at ``out.depth``, or patients."""
    depth, inside = out.depth, [i for i in range(len(parts)) if i not in out.left_out]
    parent = reading.label == ("parent",)
    at = {
        i: parts[i][-1 if parent else depth]
        for i in inside
        if len(parts[i]) > (0 if parent else depth)
    }
    names = sorted(set(at.values()))
    if not names or (len(names) == 1 and names[0].lower() in WRAPPERS):
        return
    if not reading.label:
        patients = _patients(names, at, headers, parts, depth, root, passed)
        if patients:
            for i in at:
                if at[i] not in patients:
                    out.left_out[i] = f"image in folder {at[i]!r}, beside folders of patients"
            out.patients = [at.get(i, "") for i in range(len(parts))]
            out.notes.append(
                f"{len(patients)} folders ({_some(patients)}) are patients, not classes (--label "
                "folder makes them classes)"
            )
            return
    strays = [i for i in inside if i not in at]
    flat = {out.split[i] for i in strays} - {out.split[i] for i in at}
    unlabelled = [i for i in strays if out.split[i] in flat]
    outside = [i for i in strays if out.split[i] not in flat]
    if len(outside) > len(at):
        out.notes.append(f"most images lie outside of the folders ({_some(names)}): no classes")
        return
    if len(outside) > _few(len(inside)):
        raise InputError(
            f"{root}: {ids[outside[0]]!r} lies outside the class folders ({_some(names)}), as do "
            f"{len(outside)} of {len(inside)} images; move them, or say --label none to read all "
            "without labels"
        )
    out.left_out |= dict.fromkeys(outside, "image outside the class folders")
    if unlabelled:
        out.notes.append(f"{len(unlabelled)} images of {_some(sorted(flat))} have no class folder")
    out.labels = [at.get(i, "") for i in range(len(parts))]
    out.origin = "the folder of the file" if parent else "class folders"


def _patients(
    names: list[str], at: dict[int, str], headers: Sequence[str], parts: Sequence[Parts],
    depth: int, root: Path, passed: bool,
) -> list[str]:  # fmt: skip
    """Folders that are patients: by their names, or since each holds one that no other holds."""
    called = [n for n in names if looks_like_patient(n)]
    if len(called) > len(names) / 2:
        return called
    of: dict[str, set[str]] = {}
    for i, name in at.items():
        of.setdefault(name, set()).add(headers[i])
    ids = [next(iter(s)) for s in of.values() if len(s) == 1]
    if len(names) > 2 and len(ids) == len(names) == len(set(ids)) and "" not in ids:
        return names
    inner: dict[str, set[str]] = {n: set() for n in names}
    for i in at:
        inner[at[i]].update(parts[i][depth + 1 : depth + 2])
    common = inner[names[0]]
    repeated = len(names) >= 10 and len(common) > 1 and all(s == common for s in inner.values())
    thin = passed and len(names) > 2 and len(at) < 5 * len(names)
    if is_numbering(names) or repeated or thin:
        raise InputError(
            f"{root}: {len(names)} folders such as {_some(names)}: are they classes (--label "
            "folder), or patients or cases without a label (--label none)?"
            + (" Or is the class the folder of the file (--label parent)?" if repeated else "")
        )
    return []


def _some(names: Sequence[str], most: int = 4) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
