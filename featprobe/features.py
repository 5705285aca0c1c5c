"""The FeatureSet: what probes see of a feature store."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Any

import numpy as np

from featprobe.bags import Bags
from featprobe.errors import InputError, UnknownName, nearest
from featprobe.images.picture import FrameRecipe
from featprobe.store.base import FeatureStore
from featprobe.store.format import DONE, FAILED, FeatureKey, Items
from featprobe.subjects import LeftOut, Subject

POOLS = ("mean", "max", "mean+std")
_PART = re.compile(r"^(?P<name>[a-z]+)(?::(?P<blocks>\d+))?$")


def view_part(text: str, view: str) -> tuple[str, int]:
    """Output and last blocks that a part of a view names: ``cls:4`` is ``("cls", 4)``.

    Raises :class:`InputError` that names the ``view`` for what is not understood.
    """
    match = _PART.match(text)
    if match is None:
        raise InputError(f"view {view!r} is not understood: write cls, cls:4, mean, cls+mean")
    return match["name"], int(match["blocks"] or 1)


class FeatureSet(Subject):
    """A read view of a complete store: one row an item whose frames were all extracted.

    ``ids``, ``groups``, ``split`` (N,) text; ``y`` (N,) or (N, C), or None without labels;
    ``classes``; ``task``; ``key``. Items that could not be read are in ``left_out``.
    """

    def __init__(self, store: FeatureStore) -> None:
        self.store = store
        self.key: FeatureKey = store.key
        self.dataset, self.backbone = store.dataset, store.backbone
        self.summary: Any = None  # of the extraction that returned this view

    @cached_property
    def items(self) -> Items:
        """The table of all items, those left out included."""
        return self.store.items()

    @property
    def provenance(self) -> dict[str, Any]:
        """Where the features come from, as the store has it."""
        found: dict[str, Any] = self.store.attributes["provenance"]
        return found

    @cached_property
    def _rows(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Kept items, first frame and number of frames of each."""
        item, status = self.store.frame_item(), self.store.status()
        frames = np.bincount(item)  # of a million items, not one name is read to count them
        good = np.bincount(item, weights=status == DONE)
        first = np.searchsorted(item, np.arange(len(frames)))
        kept = np.flatnonzero((frames > 0) & (good == frames))
        return kept, first[kept], frames[kept]

    @property
    def rows(self) -> np.ndarray:
        return self._rows[0]

    def __repr__(self) -> str:
        views = ", ".join(f"{n}:{s[0]}" for n, s in self.store.layout.arrays.items())
        return f"FeatureSet({self.dataset!r}, {self.backbone!r}, items={len(self)}, {views})"

    @cached_property
    def left_out(self) -> list[LeftOut]:
        """Items that failed, each with the reason of its first failed frame."""
        failed = np.flatnonzero(self.store.status() == FAILED)
        if not len(failed):
            return []
        reasons, item, ids = self.store.reasons(), self.store.frame_item(), self.items.ids
        firsts: dict[int, int] = {}
        for frame in failed:
            firsts.setdefault(int(item[frame]), int(frame))
        return [LeftOut(str(ids[i]), reasons.get(f, "")) for i, f in firsts.items()]

    @property
    def default_view(self) -> str:
        """``cls`` where it is stored, otherwise ``mean``, otherwise the first other vector."""
        arrays = self.store.layout.arrays
        vectors = [n for n in arrays if n != "tokens"]
        return next((n for n in ("cls", "mean") if n in arrays), next(iter(vectors), "tokens"))

    def x(self, view: str | None = None, pool: str = "mean") -> np.ndarray:
        """Features (N, D') float32, one row an item.

        ``view``: outputs joined by ``+``, each optionally with how many last blocks are joined:
        ``cls``, ``cls:4``, ``mean``, ``cls+mean``; None is :attr:`default_view`. ``pool``: how
        the frames of an item become one row: ``mean``, ``max`` or ``mean+std``.

        Raises :class:`UnknownName` for a view that the store lacks, naming what it has.
        """
        if pool not in POOLS:
            raise InputError(f"unknown pooling {pool!r}: use one of {', '.join(POOLS)}")
        frames = self._vectors(view)
        _, first, count = self._rows
        if (count == 1).all() and pool != "mean+std":
            return frames[first]
        runs = FrameRecipe(**self.key.recipe).parts  # modalities are pooled apart and joined
        rows = [np.split(frames[f : f + n], runs) for f, n in zip(first, count)]
        return np.stack([np.concatenate([_pool(p, pool) for p in row]) for row in rows])

    def bags(self, view: str | None = None) -> Bags:
        """Features of every frame, a bag an item in the order of :attr:`ids`, for probes that pool.

        ``view`` as of :meth:`x`. The frames of all modalities of a study are one bag.
        """
        item = self.store.frame_item()
        offsets = np.searchsorted(item, np.unique(item))
        kept = np.searchsorted(item[offsets], self._rows[0])
        return Bags(self._vectors(view), np.r_[offsets, len(item)])[kept]

    def frames(
        self, output: str, blocks: int | None = None, frames: slice | np.ndarray | None = None
    ) -> np.ndarray:
        """One output as stored, one row a frame: (n, L, D), of ``tokens`` (n, L, h, w, D).

        Frames of items that could not be read are zero. ``blocks`` takes the last ones only;
        ``frames``, a slice or an ascending index (n,), some frames only: then few bytes are read.
        """
        if output not in self.store.layout.arrays:
            have = self.store.layout.arrays
            raise UnknownName(
                f"{self.dataset} / {self.backbone} has no {output!r}.{nearest(output, have)} "
                f"It has: {', '.join(have)}"
            )
        return self.store.read(output, blocks, frames)

    def _vectors(self, view: str | None) -> np.ndarray:
        """(F, D') float32 of all frames, those of items that are left out included."""
        parts = [self._part(p) for p in (view or self.default_view).split("+")]
        rows = [self.store.read(n, b).reshape(self.store.layout.frames, -1) for n, b in parts]
        return np.concatenate(rows, axis=1).astype(np.float32)

    def _part(self, text: str) -> tuple[str, int]:
        arrays = self.store.layout.arrays
        have = ", ".join(f"{n} ({s[0]} block{'s' * (s[0] > 1)})" for n, s in arrays.items())
        name, blocks = view_part(text, text)
        where = f"{self.dataset} / {self.backbone}"
        if name == "tokens":
            raise InputError(
                "tokens are a grid for every frame, not one vector: 'mean' is their average, and "
                "FeatureSet.frames('tokens') reads them"
            )
        if name not in arrays:
            raise UnknownName(f"{where} has no {name!r}.{nearest(name, arrays)} It has: {have}")
        if blocks < 1:
            raise InputError(f"{where} has no {text!r}: blocks are counted from the last one, as 1")
        if blocks > arrays[name][0]:
            raise InputError(
                f"{where} has no {text!r}: it has {have}; extract again with --blocks {blocks}"
            )
        return name, blocks


def _pool(frames: np.ndarray, pool: str) -> np.ndarray:
    if pool == "max":
        return frames.max(0)
    mean = frames.mean(0, dtype=np.float32)
    return np.concatenate([mean, frames.std(0)]) if pool == "mean+std" else mean


def unlabeled(features: Subject) -> str:
    """Why a probe cannot run on a feature set or other labelled items, or an empty string."""
    where = f"{features.dataset} / {features.backbone}"
    y = features.y
    if y is None:
        return f"{where}: the data set has no labels, so there is nothing to probe"
    if not len(features):
        return f"{where}: no item could be read"
    if features.task == "multiclass":
        found = np.unique(y[y >= 0])
        if not len(found):
            return f"{where}: every label is unknown"
        if len(found) == 1:
            name = features.classes[found[0]]
            return f"{where}: one class only ({name}), a probe needs two"
    return ""
