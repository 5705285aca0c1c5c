"""DICOM files gathered into volumes by their headers.

A volume is made of files of one patient, study, series, folder, frame of reference, SOP class, size
and orientation. What is merged, split, dropped or left alone is counted and told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from featprobe.core.errors import reason
from featprobe.images.dicom_derived import CAPTURE, CAPTURES
from featprobe.images.dicom_header import Header, read_header
from featprobe.images.dicom_volumes import even, sort_out

_ON_A_LINE = 1.0  # mm


@dataclass(frozen=True)
class Scan:
    """The images of a folder: groups of files, what was skipped, what could not be parsed.

    ``skipped``: objects without pixels. ``duplicates``: second copies of a slice of a volume.
    ``surplus``: further slices at a place that a volume of their series has already.
    ``derived``: kind -> files of masks, doses and captures, which are no images. ``notes``: what
    was merged, split or left alone, a line each; ``warnings``: what a user should look at.
    """

    series: list[list[Header]]
    skipped: list[Path]
    unreadable: list[tuple[Path, str]]
    duplicates: list[Path] = field(default_factory=list)
    surplus: list[Path] = field(default_factory=list)
    derived: dict[str, list[Path]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def scan(
    paths: Iterable[Path], keep_derived: bool = False,
    header_of: Callable[[Path], Header | None] = read_header,
) -> Scan:  # fmt: skip
    """Group files into volumes; pixels are read only to know copies of a slice from others.

    Files that form no volume (projections, secondary captures) are items of their own.
    ``keep_derived``: masks, doses and captures are images, too. ``header_of``: reads a header, or
    knows it.
    """
    out = Scan([], [], [])
    headers: list[Header] = []
    for path in paths:
        try:
            header = header_of(path)
        except OSError as error:  # UnreadableItem is one
            out.unreadable.append((path, reason(error)))
            continue
        if header is None:
            out.skipped.append(path)
        else:
            headers.append(header)
    if not keep_derived:
        headers = _without_derived(headers, out)
    groups: dict[tuple[object, ...], list[Header]] = {}
    for h in _with_identity(headers):
        key = (h.patient, h.study, h.path.parent, h.series, h.space, h.kind)
        groups.setdefault(key, []).append(h)
    tally: Counter[str] = Counter()
    chosen_by: set[str] = set()
    for files in groups.values():
        for alike in _alike(files):
            found = sort_out(alike)
            if not files[0].series:  # gathered without a UID: only what is evidently one stack
                loose = [v for v in found.volumes if not _one_stack(v)]
                found.volumes = [v for v in found.volumes if _one_stack(v)]
                found.singles += [h for v in loose for h in v]
                tally["gathered"] += sum(map(len, found.volumes))
                tally["into"] += len(found.volumes)
            if len(found.volumes) > 1:
                tally["split"] += 1
                chosen_by |= set(found.by)
            out.surplus.extend(h.path for h in found.surplus)
            out.series.extend(found.volumes)
            out.series.extend(
                [h] for h in sorted(found.singles, key=lambda h: (h.number, h.natural))
            )
            out.duplicates.extend(h.path for h in found.copies)
    _add_notes(out, tally, chosen_by)
    _shared(out, headers)
    return out


def _without_derived(headers: list[Header], out: Scan) -> list[Header]:
    """Images alone; a secondary capture beside the images of its study is no image, either."""
    pictured = {
        (h.patient, h.study) for h in headers
        if h.study and not h.derived and h.kind[0] not in CAPTURES
    }  # fmt: skip
    kept = []
    for h in headers:
        beside = h.kind[0] in CAPTURES and (h.patient, h.study) in pictured
        kind = h.derived or (f"{CAPTURE} beside the images of its study" if beside else "")
        if kind:
            out.derived.setdefault(kind, []).append(h.path)
        else:
            kept.append(h)
    return kept


def _with_identity(headers: list[Header]) -> list[Header]:
    """Headers whose identifiers mean something: one that every file has of its own says nothing.

    Anonymisers make new UIDs for each file, or remove them. Judged within a patient and a folder,
    for three files or more.
    """
    for name in ("study", "series", "space"):
        groups: dict[tuple[object, ...], list[Header]] = {}
        for h in headers:
            key = (h.patient, h.path.parent, h.study if name != "study" else "")
            groups.setdefault((*key, h.series if name == "space" else ""), []).append(h)
        changed: list[Header] = []
        for files in groups.values():
            often = Counter(getattr(h, name) for h in files)
            alone = [h for h in files if often[getattr(h, name)] == 1]
            clear = len(alone) > 2 and (name == "series" or len(alone) == len(files))
            bare: dict[str, Any] = {name: ""}
            changed += [
                replace(h, **bare) if clear and often[getattr(h, name)] == 1 else h for h in files
            ]
        headers = changed
    return headers


def _alike(headers: Sequence[Header]) -> list[list[Header]]:
    """The files of a series by size and orientation: a scout is no slice of the volume."""
    groups: list[list[Header]] = []
    for h in headers:
        for g in groups:
            if _match(h, g[0]):
                g.append(h)
                break
        else:
            groups.append([h])
    return groups


def _match(a: Header, b: Header) -> bool:
    if (a.rows, a.columns, a.frames) != (b.rows, b.columns, b.frames):
        return False
    if a.orientation is None or b.orientation is None:
        return a.orientation is b.orientation
    if (a.position is None) != (b.position is None):
        return False
    return a.orientation == b.orientation or np.allclose(a.orientation, b.orientation, atol=1e-3)


def _one_stack(volume: list[Header]) -> bool:
    """Three slices or more, evenly spaced, whose first pixels lie on a line."""
    if len(volume) < 3 or not even(h.depth for h in volume):
        return False
    at = np.array([h.position for h in volume])
    axis = at[-1] - at[0]
    along = (at - at[0]) @ axis / (axis @ axis)
    return bool(np.abs(at - at[0] - along[:, None] * axis).max() < _ON_A_LINE)


def _add_notes(out: Scan, tally: Counter[str], split_by: set[str]) -> None:
    if tally["gathered"]:
        out.notes.append(
            f"{tally['gathered']} DICOM files whose SeriesInstanceUID is missing or their own "
            f"were gathered into {tally['into']} volumes by patient, study, folder, size and place"
        )
    if tally["split"]:
        by = ", ".join(sorted(split_by)) or "position"
        out.notes.append(
            f"{tally['split']} DICOM series hold several volumes (echoes, time points, kernels), "
            f"each an item of its own; told apart by {by}"
        )
    if out.surplus:
        out.warnings.append(
            f"{len(out.surplus)} DICOM slices lie where a volume of their series has one already, "
            f"with other pixels, and are left out; first {out.surplus[0]}"
        )


def _shared(out: Scan, headers: list[Header]) -> None:
    """Doubts about what lies in two places: a series, or copies of a slice."""
    item = {h.path: n for n, files in enumerate(out.series) for h in files}
    named = {n: min(str(h.path) for h in files) for n, files in enumerate(out.series)}
    owners: dict[str, set[tuple[str, Path]]] = {}
    slices: dict[tuple[str, object], set[int]] = {}
    for h in headers:
        if h.series:
            owners.setdefault(h.series, set()).add((h.patient, h.path.parent))
        if h.instance and h.path in item:
            slices.setdefault((h.instance, h.position), set()).add(item[h.path])
    for where in owners.values():
        if len({patient for patient, _ in where}) > 1:
            what, places = "patients", sorted({str(folder) for _, folder in where})
            first = ", ".join(places[:3])
            out.warnings.append(f"one SeriesInstanceUID for several {what}: {first}")
        elif len(where) > 1:
            places = sorted(str(folder) for _, folder in where)
            out.warnings.append(
                f"one DICOM series in {len(where)} folders, each read apart: "
                + ", ".join(places[:3])
            )
    pairs: Counter[tuple[int, ...]] = Counter(
        tuple(sorted(items)) for items in slices.values() if len(items) > 1
    )
    for items, n in pairs.items():
        names = " and ".join(named[i] for i in items[:3])
        out.warnings.append(f"{n} DICOM slices are copies of one another: {names}")
