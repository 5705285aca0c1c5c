"""What would go wrong with the masks of a data set: the part of ``featprobe data check``."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from featprobe.core.errors import FeatprobeError, reason
from featprobe.core.progress import Progress
from featprobe.datasets.base import Dataset
from featprobe.images.grids import VOID
from featprobe.images.masks import OtherGrid, UnknownValue


@dataclass
class MaskAudit:
    """Findings on masks; lists of ``id: what``.

    ``voxels`` and ``items``: of each class, and ``(void)`` where some are; ``parts``: class ->
    split -> items. ``absent``: classes without a voxel, and classes that a part of the split lacks.
    ``lacking``: images without a mask; ``unpaired``: masks without an image; ``grid``: masks on
    another grid than their image; ``values``: masks with a value that is no class.
    """

    origin: str
    classes: tuple[str, ...] = ()
    multilabel: bool = False
    masks: int = 0
    voxels: dict[str, int] = field(default_factory=dict)
    items: dict[str, int] = field(default_factory=dict)
    parts: dict[str, dict[str, int]] = field(default_factory=dict)
    lacking: list[str] = field(default_factory=list)
    unpaired: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    grid: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)

    @property
    def findings(self) -> dict[str, list[str]]:
        """What a user should look at, by what it is."""
        return {
            "images without a mask": self.lacking,
            "masks without an image": self.unpaired,
            "unreadable masks": self.unreadable,
            "masks on another grid than their image": self.grid,
            "masks with a value that is no class": self.values,
            "empty masks": self.empty,
            "classes that do not occur": self.absent,
        }


@dataclass
class _Counted:
    counts: dict[int, int] = field(default_factory=dict)
    error: Exception | None = None


def audit_masks(dataset: Dataset, workers: int = 4, show: bool = False) -> MaskAudit | None:
    """Read every mask on the grid of its image; None for a data set without masks."""
    masks = dataset.masks
    if masks is None:
        return None
    out = MaskAudit(masks.origin, multilabel=masks.multilabel)
    out.unpaired = [str(p) for p in masks.unpaired]
    ids = [str(i) for i in dataset.ids]
    out.lacking = [i for k, i in enumerate(ids) if not masks.has(k)]
    out.masks = len(ids) - len(out.lacking)
    try:
        out.classes = masks.classes
    except FeatprobeError as error:
        out.values.append(reason(error))
        return out

    def count(i: int) -> _Counted | None:
        if not masks.has(i):
            return None
        try:
            values = masks.read(i).values
        except Exception as error:  # whatever a damaged file provokes is a finding
            return _Counted(error=error)
        if masks.multilabel:
            return _Counted({k: int(v.sum()) for k, v in enumerate(values)})
        found, n = np.unique(values, return_counts=True)
        return _Counted(dict(zip(found.tolist(), n.tolist())))

    voxels: Counter[int] = Counter()
    items: Counter[int] = Counter()
    parts: dict[int, Counter[str]] = {}
    with (
        Progress(f"reading masks of {dataset.name}", len(ids), "masks", show) as progress,
        ThreadPoolExecutor(max(1, workers)) as pool,
    ):
        for i, one in enumerate(pool.map(count, range(len(ids)))):
            progress.advance()
            if one is None:
                continue
            if one.error is not None:
                _list_of(out, one.error).append(f"{ids[i]}: {reason(one.error)}")
                continue
            there = [k for k, n in one.counts.items() if n]
            voxels.update(one.counts)
            items.update(there)
            for k in there:
                parts.setdefault(k, Counter())[str(dataset.split[i])] += 1
            if not any(k != VOID and (k > 0 or masks.multilabel) for k in there):
                out.empty.append(ids[i])
    names = dict(enumerate(out.classes)) | ({VOID: "(void)"} if VOID in voxels else {})
    out.voxels = {name: voxels[k] for k, name in names.items()}
    out.items = {name: items[k] for k, name in names.items()}
    out.parts = {name: dict(parts.get(k, {})) for k, name in names.items()}
    out.absent = _absent(out, sorted(set(dataset.split.tolist()) - {""}))
    return out


def _list_of(out: MaskAudit, error: Exception) -> list[str]:
    if isinstance(error, OtherGrid):
        return out.grid
    return out.values if isinstance(error, UnknownValue) else out.unreadable


def _absent(out: MaskAudit, parts: list[str]) -> list[str]:
    found = []
    for name in out.classes:
        if not out.items[name]:
            found.append(f"{name}: in no mask")
            continue
        lacking = [p for p in parts if not out.parts[name].get(p)]
        if lacking:
            found.append(f"{name}: in no mask of {', '.join(lacking)}")
    return found
