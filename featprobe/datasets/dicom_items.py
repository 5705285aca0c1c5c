"""DICOM files of a folder gathered into items, remembered while none of them changes."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from featprobe.core.atomic import written_aside
from featprobe.images import dicom, facts
from featprobe.images.facts import header_in

_FORMAT = 1  # raise where the same files are gathered into other items than before
_BLOCK = 1024  # files whose headers are recalled at a time
_SEAL = 32  # bytes before what is remembered


@dataclass(frozen=True)
class DicomItems:
    """``items``: the numbers of the files of each; ``patients``: the code of each, "" where there
    is none; ``counts``: what was left out, and how often; ``notes`` and ``warnings`` to be told."""

    items: list[list[int]]
    patients: list[str]
    counts: dict[str, int]
    notes: list[str]
    warnings: list[str]


def gather(
    root: Path, names: Sequence[str], keep_derived: bool, state: bytes, memory: Path | None,
    headers: Callable[[Sequence[Path]], Sequence[Any]],
) -> DicomItems:  # fmt: skip
    """Items of the files ``names`` below a folder (:func:`~featprobe.images.dicom.scan`).

    What files are made into depends on their contents alone, so it is remembered beside ``memory``
    for as long as ``state``, which tells that none of them has changed, is the same; then no header
    is asked for. ``headers``: what is known of those of files.
    """
    place = memory and memory.with_suffix(".series")
    seal = hashlib.sha256(state + repr((_FORMAT, facts.version(), keep_derived)).encode())
    for name in names:
        seal.update(name.encode(errors="surrogateescape") + b"\0")
    if place is not None and (known := _recall(place, seal)):
        return known
    paths = [Path(root, n) for n in names]
    facts_of = _by_blocks(paths, headers)
    scanned = dicom.scan(paths, keep_derived, lambda p: header_in(p, facts_of(p)))
    number = {path: i for i, path in enumerate(paths)}
    counts = {
        "DICOM slice at a position that another of its series has": len(scanned.surplus),
        **{what: len(several) for what, several in scanned.derived.items()},
        "DICOM object without pixels": len(scanned.skipped),
        "second copy of a DICOM slice": len(scanned.duplicates),
    }
    unreadable = [[number[path]] for path, _ in scanned.unreadable]  # items all the same:
    found = DicomItems(  # extraction names them with the reason
        [[number[h.path] for h in files] for files in scanned.series] + unreadable,
        [files[0].patient for files in scanned.series] + [""] * len(unreadable),
        counts, scanned.notes, scanned.warnings,
    )  # fmt: skip
    if place is not None and names and not unreadable:
        _remember(place, seal, found)
    return found


def _by_blocks(
    paths: Sequence[Path], headers: Callable[[Sequence[Path]], Sequence[Any]]
) -> Callable[[Path], Any]:
    """What is known of each path, asked for in their order: few at a time are in memory."""
    rest, here = iter(paths), dict[Path, Any]()

    def facts_of(path: Path) -> Any:
        while path not in here and (block := list(islice(rest, _BLOCK))):
            here.update(zip(block, headers(block)))
        return here.pop(path, None)

    return facts_of


def _recall(place: Path, seal: Any) -> DicomItems | None:
    """What is remembered under a seal; None where it is of other files, or damaged."""
    with contextlib.suppress(OSError):
        text = place.read_bytes()
        if _sealed(seal, text[_SEAL:]) == text[:_SEAL]:
            return DicomItems(**json.loads(text[_SEAL:]))
    return None


def _remember(place: Path, seal: Any, found: DicomItems) -> None:
    text = json.dumps(asdict(found), separators=(",", ":")).encode()
    with contextlib.suppress(OSError):  # what cannot be written costs time, not truth
        place.parent.mkdir(parents=True, exist_ok=True)
        with written_aside(place) as aside:
            aside.write_bytes(_sealed(seal, text) + text)


def _sealed(seal: Any, text: bytes) -> bytes:
    """Of the state of the files and of what is said of them: neither is believed without the
    other."""
    both = seal.copy()
    both.update(text)
    return both.digest()
