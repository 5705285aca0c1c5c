"""Which slices of one size and orientation make a volume, and which volumes lie in one series."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from featprobe.images.dicom_file import dataset, named
from featprobe.images.dicom_header import RISING, STATES, TELLING, Header

_SAME_PLACE = 1e-3  # mm, what is left of a position after it was written as text
_PART = 0.1  # of the distance of slices: two slices nearer than this cannot both be acquired
_EVEN = 0.1  # of the distance of slices, by which even distances may differ
Files = list[Header]
Value = Callable[[Header], float | None]


@dataclass
class Sorted:
    """``volumes``: files by rising depth. ``singles``: files that are no part of one. ``copies``:
    second files of a slice, with the same pixels. ``surplus``: single slices at a place that a
    volume has already, with other pixels. ``by``: what told several volumes apart."""

    volumes: list[Files] = field(default_factory=list)
    singles: Files = field(default_factory=list)
    copies: Files = field(default_factory=list)
    by: list[str] = field(default_factory=list)
    surplus: Files = field(default_factory=list)


def sort_out(files: Files) -> Sorted:
    """Volumes made of files of one identity, size and orientation.

    Where positions recur, files are told apart by what differs: echo, b-value, temporal position
    and the like, else by the order of numbers and times. A file with the same pixels at the same
    place, which nothing else tells apart, is a copy.
    """
    out = Sorted()
    first = files[0]
    if first.position is None or first.orientation is None or first.frames != 1:
        out.singles = list(files)
        return out
    place = places_of(files)
    if len(set(place.values())) < 2:
        out.singles = list(files)
        return out
    kept, out.copies = _without_copies(files, place)
    parts = _Apart(place, out.by).split(kept)
    out.volumes = [sorted(p, key=lambda h: h.depth) for p in parts if len(p) > 1]
    taken = {place[h.path] for volume in out.volumes for h in volume}
    for h in (p[0] for p in parts if len(p) == 1):
        (out.surplus if place[h.path] in taken else out.singles).append(h)
    return out


def places_of(files: Sequence[Header]) -> dict[object, int]:
    """The number of the position of each file, by its path, rising along the normal.

    Positions are equal within a tenth of the distance of slices: that is the mean step between
    positions without the largest one (which may be a gap), at most the thickness in the header.
    """
    depths = np.array([h.depth for h in files])
    order = np.argsort(depths, kind="stable")
    steps = np.diff(depths[order])
    bound = min((h.thickness for h in files if h.thickness > 0), default=np.inf)
    tolerance, count = _SAME_PLACE, 0
    for _ in range(3):  # positions that recur make the first guess too small
        places = 1 + int((steps > tolerance).sum())
        if places == count or places < 3:
            break
        count = places
        mean = (steps.sum() - steps.max()) / (places - 2)
        tolerance = max(_SAME_PLACE, _PART * min(mean, bound))
    number = np.r_[0, np.cumsum(steps > tolerance)]
    return {files[i].path: int(n) for i, n in zip(order, number)}


def even(depths: Iterable[float]) -> bool:
    """Whether positions rise by one step, or by multiples of it where slices are missing."""
    steps = np.diff(np.sort(np.fromiter(depths, dtype=float)))
    if not len(steps) or steps.min() <= 0:
        return False
    ratio = steps / np.median(steps)
    return bool((np.abs(ratio - np.maximum(1, np.round(ratio))) <= _EVEN).all())


def _without_copies(files: Files, place: dict[object, int]) -> tuple[Files, Files]:
    alike: dict[object, Files] = {}
    for h in files:
        alike.setdefault((place[h.path], *(h.tells.get(n) for n in TELLING)), []).append(h)
    kept: Files = []
    copies: Files = []
    for group in alike.values():
        seen: set[str] = set()
        for h in sorted(group, key=lambda h: (h.number, h.natural)):
            pixels = _pixels(h) if len(group) > 1 else ""
            (copies if pixels and pixels in seen else kept).append(h)
            seen.add(pixels)
    return kept, copies


def _pixels(header: Header) -> str:
    """Digest of the stored pixels, "" where they cannot be read: extraction will say so."""
    try:
        with named(header.path):
            data = dataset(header.path).get("PixelData")
        return hashlib.sha256(data).hexdigest() if data else ""
    except OSError:
        return ""


class _Apart:
    """Splits files into volumes; ``by`` collects what told them apart."""

    def __init__(self, place: dict[object, int], by: list[str]) -> None:
        self.place, self.by = place, by

    def split(self, files: Files) -> list[Files]:
        """Parts in which no position recurs; what cannot be told apart is left as single files."""
        most = self.most(files)
        if most <= 1:
            return self._interleaved(files)
        for name, parts in [("ImagePositionPatient", _by_origin(files))] + [
            (n, _by_value(files, n)) for n in TELLING
        ]:
            if self._tells(parts, files):
                self.by.append(name)
                return [p for part in parts for p in self.split(part)]
        for name, value in self._orders(files):
            found = self._in_turn(files, value)
            if not found and name != "file name":  # a random name gives an order, too
                found = self._ranked(files, value)
            if found:
                self.by.append(name)
                return found
        return self._one_each(files)

    def most(self, files: Files) -> int:
        """How often the most frequent position occurs."""
        return max(Counter(self.place[h.path] for h in files).values())

    def _tells(self, parts: list[Files], files: Files) -> bool:
        """Whether parts are volumes: each position recurs less, most files are in large parts."""
        if len(parts) < 2 or max(map(self.most, parts)) >= self.most(files):
            return False
        places = len({self.place[h.path] for h in files})
        large = [p for p in parts if 2 * len({self.place[h.path] for h in p}) >= places]
        return 2 * sum(map(len, large)) >= len(files)

    def _interleaved(self, files: Files) -> list[Files]:
        """Positions that do not recur are one volume, unless two lie between each other."""
        for name in (*STATES, "AcquisitionNumber"):
            parts = _by_value(files, name)
            if len(parts) < 2 or min(map(len, parts)) < 2 or not _overlap(parts):
                continue
            depths = [[h.depth for h in p] for p in parts]
            if name in STATES or (all(map(even, depths)) and not even(h.depth for h in files)):
                self.by.append(name)
                return [p for part in parts for p in self._interleaved(part)]
        return [files]

    def _orders(self, files: Files) -> list[tuple[str, Value]]:
        names = {h.path: i for i, h in enumerate(sorted(files, key=lambda h: h.natural))}

        def time(name: str) -> tuple[str, Value]:
            return name, lambda h: h.rising(name)

        return [
            time("TriggerTime"), ("InstanceNumber", lambda h: float(h.number)),
            *map(time, RISING[1:]), ("file name", lambda h: float(names[h.path])),
        ]  # fmt: skip

    def _in_turn(self, files: Files, value: Value) -> list[Files] | None:
        """Volume after volume: a new one begins where places, which rise or fall, turn back; where
        they do neither, where a position comes again."""
        known = [(v, h.natural, h) for h in files if (v := value(h)) is not None]
        if len(known) < len(files) or len({v for v, _, _ in known}) < len(files) / 2:
            return None
        order = [h for _, _, h in sorted(known, key=lambda k: k[:2])]
        at = [self.place[h.path] for h in order]
        falling = [-p for p in at]
        for begins in (
            [True, *(b <= a for a, b in pairwise(at))],
            [True, *(b <= a for a, b in pairwise(falling))],
            _again(at),
        ):
            if sum(begins) == self.most(files):
                runs: list[Files] = []
                for h, new in zip(order, begins):
                    if new:
                        runs.append([])
                    runs[-1].append(h)
                return runs
        return None

    def _ranked(self, files: Files, value: Value) -> list[Files] | None:
        """Place after place: the t-th of each place is of volume t.

        Where a place has fewer files than others, a number counts through the volumes by itself.
        """
        most = self.most(files)
        at: dict[int, list[tuple[float, Header]]] = {}
        for h in files:
            v = value(h)
            if v is None:
                return None
            at.setdefault(self.place[h.path], []).append((v, h))
        if any(len({v for v, _ in p}) < len(p) for p in at.values()):
            return None
        low = min(v for p in at.values() for v, _ in p)
        whole = all(len(p) == most for p in at.values())
        volumes: list[Files] = [[] for _ in range(most)]
        for p in at.values():
            order = sorted(p, key=lambda q: q[0])
            turns = range(most) if whole else [int(v - low) % most for v, _ in order]
            if len(set(turns)) < len(order):
                return None
            for t, (_, h) in zip(turns, order):
                volumes[t].append(h)
        return volumes

    def _one_each(self, files: Files) -> list[Files]:
        """Nothing tells them apart. One file a place is a volume where few places have more."""
        at: dict[int, Files] = {}
        for h in sorted(files, key=lambda h: (h.number, h.natural)):
            at.setdefault(self.place[h.path], []).append(h)
        if 2 * sum(len(p) == 1 for p in at.values()) < len(at):
            return [[h] for h in files]
        return [[p[0] for p in at.values()], *([h] for p in at.values() for h in p[1:])]


def _by_value(files: Files, name: str) -> list[Files]:
    parts: dict[str, Files] = {}
    for h in files:
        parts.setdefault(h.tells.get(name, ""), []).append(h)
    return list(parts.values())


def _by_origin(files: Files) -> list[Files]:
    """By where the first pixel lies within the plane, to a millimetre: two slabs side by side."""
    parts: list[tuple[np.ndarray, Files]] = []
    for h in files:
        assert h.orientation is not None
        axes = np.reshape(h.orientation, (2, 3))
        origin = axes @ np.asarray(h.position)
        near = next((p for at, p in parts if np.abs(at - origin).max() < 1), None)
        if near is None:
            parts.append((origin, near := []))
        near.append(h)
    return [p for _, p in parts]


def _again(places: Sequence[int]) -> list[bool]:
    """For each place whether it was there since the last True; the first is True."""
    out: list[bool] = []
    seen: set[int] = set()
    for p in places:
        out.append(not out or p in seen)
        seen = {p} if out[-1] else seen | {p}
    return out


def _overlap(parts: list[Files]) -> bool:
    """Whether two parts lie between each other along the normal, and not end to end."""
    ends = sorted((min(h.depth for h in p), max(h.depth for h in p)) for p in parts)
    return any(b[0] < a[1] for a, b in pairwise(ends))
