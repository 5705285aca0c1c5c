"""Which folders of a tree are a split, classes, or patients: what is certain, and what is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
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
class Folder:
    """A folder that has items: its ``parts`` from the top, how many items, the id of the ``first``,
    and the PatientIDs of them, "" for those without."""

    parts: Parts
    first: str = ""
    items: int = 0
    patients: set[str] = field(default_factory=set)


@dataclass
class Layout:
    """Meaning of the folders of a data set. Lists have one value a folder with items.

    ``labels``: the class, "" where unknown; empty without classes. ``split``: the part, "" without
    a split. ``patients``: the folder of the patient, where folders are. ``left_out``: folders whose
    items have no place, and why. ``depth``: at which folder the classes stand. ``notes``: what to
    print.
    """

    labels: list[str] = field(default_factory=list)
    split: list[str] = field(default_factory=list)
    patients: list[str] = field(default_factory=list)
    left_out: dict[int, str] = field(default_factory=dict)
    depth: int = 0
    notes: list[str] = field(default_factory=list)
    origin: str = ""


def read_layout(root: Path, folders: Sequence[Folder], reading: ReadOptions) -> Layout:
    """Infer split, classes and patients from the folders of the items.

    ``folders``: in order of their first items. Folders train, val and test are the split
    where two of them are there, or one beside folders that sound like a part; the folders below
    are the classes, and single folders above either are passed. Images outside of them are left
    out and named where they are few. Folders that are called like patients, or hold one patient
    each, are patients. Raises :class:`InputError`, with the options, where parts or classes are
    likely and not certain.
    """
    out = Layout(split=[""] * len(folders))
    if reading.bare:
        return out
    depth = out.depth = _passed(out, folders, 0)
    tops = _named_at(folders, depth)
    if reading.split_column != "none" and _is_split(tops, folders, depth, root, reading):
        _divide(out, folders, depth, tops, root, reading)
        inside = [f for i, f in enumerate(folders) if i not in out.left_out]
        out.depth = _passed(out, inside, depth + 1)
        passed = depth + (out.depth - depth - 1)
    else:
        passed = depth
        if reading.split_column != "none":
            _divide_below(out, folders, depth, root, reading)
        if reading.split_map and not any(out.split):
            raise InputError(f"{root}: --split-map: there are no folders of a split")
    if reading.labelled:
        _classes(out, folders, root, reading, passed > 0)
    return out


def _items(folders: Iterable[Folder]) -> int:
    return sum(f.items for f in folders)


def _named_at(folders: Sequence[Folder], depth: int) -> Counter[str]:
    """How many items there are below each folder of a depth."""
    found = Counter[str]()
    for f in folders:
        if len(f.parts) > depth:
            found[f.parts[depth]] += f.items
    return found


def _passed(out: Layout, folders: Sequence[Folder], depth: int) -> int:
    """The depth below folders that stand alone and have folders in them, which are told."""
    n = _items(folders)
    while True:
        at = {f.parts[depth] for f in folders if len(f.parts) > depth}
        deeper = _items(f for f in folders if len(f.parts) > depth + 1)
        name = next(iter(at), "")
        stop = name.lower() in NAMES or looks_like_patient(name)
        if len(at) != 1 or stop or deeper < n - _few(n):
            return depth
        out.notes.append(f"folder {name!r} holds all images: the folders in it are read")
        depth += 1


def _few(n: int) -> int:
    return max(FEW_STRAYS, n // 10) if n > 2 * FEW_STRAYS else 0


def _is_split(
    tops: Counter[str], folders: Sequence[Folder], depth: int, root: Path, reading: ReadOptions
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
    inner: dict[str, set[str]] = {n: set() for n in tops}
    for p in (f.parts for f in folders if len(f.parts) > depth + 1):
        inner[p[depth]].add(p[depth + 1])
    if any(inner[n] and inner[n] & inner[o] for n in certain for o in others):
        raise InputError(
            f"{root}: folder {certain[0]!r} has the same folders in it as {others[0]!r}: a part "
            f"of a split, or a class? Say {way_out(others)}, or --split-column none"
        )
    return False


def _divide(
    out: Layout, folders: Sequence[Folder], depth: int, tops: Counter[str], root: Path,
    reading: ReadOptions,
) -> None:  # fmt: skip
    """Give each folder its part; items of other folders are left out by name."""
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
    for i, p in enumerate(f.parts for f in folders):
        part = part_of(p[depth], reading) if len(p) > depth else None
        if part in (None, "none"):
            where = f"folder {p[depth]!r}" if len(p) > depth else "the top folder"
            out.left_out[i] = f"image in {where}, no part of the split"
        else:
            out.split[i] = str(part)


def _divide_below(
    out: Layout, folders: Sequence[Folder], depth: int, root: Path, reading: ReadOptions
) -> None:
    """Parts of a split inside of the class folders: ``cat/train``, ``cat/test``, ``dog/train``."""
    inner = _named_at(folders, depth + 1)
    if len({part_of(n, reading) for n in inner} - {None, "none"}) < 2:
        return
    unsure = [n for n in inner if part_of(n, reading) is None]
    if unsure or sum(inner.values()) < _items(folders):
        what = f"{_some(unsure)} beside them" if unsure else "images beside them"
        raise InputError(
            f"{root}: folders {_some([n for n in inner if n not in unsure])} inside of others are "
            f"a split, and there are {what}: say {way_out(unsure or list(inner))}, or "
            "--split-column none"
        )
    for i, p in enumerate(f.parts for f in folders):
        out.split[i] = str(part_of(p[depth + 1], reading))
        if out.split[i] == "none":
            out.left_out[i], out.split[i] = f"image in folder {p[depth + 1]!r}", ""


def _classes(
    out: Layout, folders: Sequence[Folder], root: Path, reading: ReadOptions, passed: bool
) -> None:
    """Labels from the folders at ``out.depth``, or patients."""
    depth, inside = out.depth, [i for i in range(len(folders)) if i not in out.left_out]
    parent = reading.label == ("parent",)
    at = {
        i: folders[i].parts[-1 if parent else depth]
        for i in inside
        if len(folders[i].parts) > (0 if parent else depth)
    }

    def items(which: Iterable[int]) -> int:
        return _items(folders[i] for i in which)

    names = sorted(set(at.values()))
    if not names or (len(names) == 1 and names[0].lower() in WRAPPERS):
        return
    if not reading.label:
        patients = _patients(names, at, folders, depth, root, passed)
        if patients:
            for i in at:
                if at[i] not in patients:
                    out.left_out[i] = f"image in folder {at[i]!r}, beside folders of patients"
            out.patients = [at.get(i, "") for i in range(len(folders))]
            out.notes.append(
                f"{len(patients)} folders ({_some(patients)}) are patients, not classes (--label "
                "folder makes them classes)"
            )
            return
    strays = [i for i in inside if i not in at]
    flat = {out.split[i] for i in strays} - {out.split[i] for i in at}
    unlabelled = [i for i in strays if out.split[i] in flat]
    outside = [i for i in strays if out.split[i] not in flat]
    if items(outside) > items(at):
        out.notes.append(f"most images lie outside of the folders ({_some(names)}): no classes")
        return
    if items(outside) > _few(items(inside)):
        raise InputError(
            f"{root}: {folders[outside[0]].first!r} lies outside the class folders "
            f"({_some(names)}), as do {items(outside)} of {items(inside)} images; move them, or "
            "say --label none to read all without labels"
        )
    out.left_out |= dict.fromkeys(outside, "image outside the class folders")
    if unlabelled:
        some = f"{items(unlabelled)} images of {_some(sorted(flat))}"
        out.notes.append(f"{some} have no class folder")
    out.labels = [at.get(i, "") for i in range(len(folders))]
    out.origin = "the folder of the file" if parent else "class folders"


def _patients(
    names: list[str], at: dict[int, str], folders: Sequence[Folder], depth: int, root: Path,
    passed: bool,
) -> list[str]:  # fmt: skip
    """Folders that are patients: by their names, or since each holds one that no other holds."""
    called = [n for n in names if looks_like_patient(n)]
    if len(called) > len(names) / 2:
        return called
    of: dict[str, set[str]] = {}
    for i, name in at.items():
        of.setdefault(name, set()).update(folders[i].patients)
    ids = [next(iter(s)) for s in of.values() if len(s) == 1]
    if len(names) > 2 and len(ids) == len(names) == len(set(ids)) and "" not in ids:
        return names
    inner: dict[str, set[str]] = {n: set() for n in names}
    for i in at:
        inner[at[i]].update(folders[i].parts[depth + 1 : depth + 2])
    common = inner[names[0]]
    repeated = len(names) >= 10 and len(common) > 1 and all(s == common for s in inner.values())
    thin = passed and len(names) > 2 and _items(folders[i] for i in at) < 5 * len(names)
    if is_numbering(names) or repeated or thin:
        raise InputError(
            f"{root}: {len(names)} folders such as {_some(names)}: are they classes (--label "
            "folder), or patients or cases without a label (--label none)?"
            + (" Or is the class the folder of the file (--label parent)?" if repeated else "")
        )
    return []


def _some(names: Sequence[str], most: int = 4) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
