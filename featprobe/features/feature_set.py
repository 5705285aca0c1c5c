"""The FeatureSet: what probes see of a feature store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from functools import cached_property
from typing import Any

import numpy as np

from featprobe.core.display import Displayable
from featprobe.core.errors import InputError, UnknownName, nearest
from featprobe.core.fingerprint import array_digest, digest
from featprobe.datasets.encode import GIVEN, encode, split_column, text_column
from featprobe.datasets.groups import NO_GROUPS
from featprobe.features.bags import Bags
from featprobe.features.joined_views import joined_parts
from featprobe.features.labeled_items import ExcludedItem, LabeledItems
from featprobe.features.view_names import is_output, one_block, view_part
from featprobe.images.decoded_image import FrameRecipe
from featprobe.store.base import FeatureStore
from featprobe.store.format import DONE, FAILED, FeatureKey, Items, array_of
from featprobe.store.memory import MemoryStore

POOLS = ("mean", "max", "mean+std")
TOKENS = "tokens"
OWN = "features"  # the output of an array that has no name


class FeatureSet(Displayable, LabeledItems):
    """A read view of a complete store: one row an item whose frames were all extracted.

    ``ids``, ``groups``, ``split`` (N,) text; ``y`` (N,) or (N, C), or None without labels;
    ``classes``; ``task``; ``key``. Items that could not be read are in ``left_out``.
    """

    def __init__(self, store: FeatureStore | MemoryStore) -> None:
        self.store = store
        self.key: FeatureKey = store.key
        self.dataset, self.backbone = store.dataset, store.backbone
        self.summary: Any = None  # of the extraction that returned this view

    @classmethod
    def from_arrays(
        cls, x: Any, y: Any = None, *, groups: Any = None, split: Any = None, ids: Any = None,
        classes: Sequence[str] = (), task: str | None = None, dataset: str = "arrays",
        backbone: str = "features",
    ) -> FeatureSet:  # fmt: skip
        """Features that were computed elsewhere, kept in memory as float32.

        ``x``: (N, D), called ``features``, or a mapping from names of outputs to (N, D), or
        (N, L, D) of L blocks. ``y``, ``groups``, ``split``, ``ids`` as of
        :meth:`Dataset.from_arrays <featprobe.datasets.base.Dataset.from_arrays>`. Results of
        :func:`~featprobe.evaluate` carry the names ``dataset`` and ``backbone``. Raises
        :class:`InputError` that says what was expected and what came.
        """
        arrays = {n: _blocks(n, v) for n, v in (x if isinstance(x, Mapping) else {OWN: x}).items()}
        sizes = {len(v) for v in arrays.values()}
        if len(sizes) != 1:
            raise InputError(f"x: outputs have {sorted(sizes)} rows; every item needs one in each")
        n = sizes.pop()
        names = text_column(range(n) if ids is None else ids, n, "ids")
        if len(np.unique(names)) < n:
            raise InputError("ids: some occur more than once; every item needs an id of its own")
        targets = None if y is None else encode(y, n, task, classes)
        items = Items(
            ids=names,
            groups=names.copy() if groups is None else text_column(groups, n, "groups"),
            split=np.full(n, "") if split is None else split_column(split, n),
            targets=None if targets is None else targets.values,
            task=None if targets is None else targets.task,
            classes=() if targets is None else targets.classes,
            group_origin=NO_GROUPS if groups is None else GIVEN,
            split_origin="none" if split is None else GIVEN,
        )
        contents = digest([names.tolist(), {k: array_digest(v) for k, v in arrays.items()}])
        key = FeatureKey(
            weights=backbone, config="", preprocess={}, recipe=FrameRecipe().to_dict(),
            outputs={k: v.shape[1] for k, v in arrays.items()}, precision="float32",
            dtype="float32", dataset=contents,
        )  # fmt: skip
        return cls(MemoryStore(key, arrays, items, dataset, backbone, {"source": GIVEN}))

    def labelled_as(self, items: Items) -> FeatureSet:
        """The same features under another table of the same items, which is not written."""
        out = copy(self)
        vars(out)["items"] = items
        return out

    def to_frame(self, view: str | None = None, pool: str = "mean") -> Any:
        """A pandas DataFrame, one row an item: id, group, split, its target (``label``, or a column
        for each label), and the features of a view as ``f0``, ``f1``, ..."""
        import pandas as pd

        x = self.x(view, pool)
        columns: dict[str, Any] = {"id": self.ids, "group": self.groups, "split": self.split}
        if self.y is not None and self.y.ndim == 2:
            columns |= {f"label:{c}": self.y[:, j] for j, c in enumerate(self.classes)}
        elif self.y is not None and self.task == "regression":
            columns["label"] = self.y
        elif self.y is not None:
            columns["label"] = [self.classes[c] if c >= 0 else None for c in self.y]
        rows = pd.DataFrame(x, columns=[f"f{j}" for j in range(x.shape[1])])
        return pd.concat([pd.DataFrame(columns), rows], axis=1)

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

    @property
    def augmented_views(self) -> int:
        """How many views of each frame are stored; the first is the frame without augmentation."""
        return self.key.views

    @property
    def several_frames(self) -> bool:
        """Whether an item has more than one frame, so that pooling does something."""
        return self.store.layout.frames > len(self.items.ids)

    def facts(self) -> tuple[Sequence[str], dict[str, Any]]:
        shapes = self.store.layout.outputs.items()
        outputs = " ".join(f"{n}:{'x'.join(map(str, s))}" for n, s in shapes)
        known = {"items": len(self), "outputs": outputs, "task": self.task}
        return (self.dataset, self.backbone), known | {"classes": len(self.classes)}

    @cached_property
    def left_out(self) -> list[ExcludedItem]:
        """Items that failed, each with the reason of its first failed frame."""
        failed = np.flatnonzero(self.store.status() == FAILED)
        if not len(failed):
            return []
        reasons, item, ids = self.store.reasons(), self.store.frame_item(), self.items.ids
        firsts: dict[int, int] = {}
        for frame in failed:
            firsts.setdefault(int(item[frame]), int(frame))
        return [ExcludedItem(str(ids[i]), reasons.get(f, "")) for i, f in firsts.items()]

    @property
    def default_view(self) -> str:
        """``cls`` where it is stored, otherwise ``mean``, otherwise the first other vector."""
        arrays = self.store.layout.outputs
        vectors = [n for n in arrays if n != "tokens"]
        return next((n for n in ("cls", "mean") if n in arrays), next(iter(vectors), "tokens"))

    def x(self, view: str | None = None, pool: str = "mean", augmented: int = 0) -> np.ndarray:
        """Features (N, D') float32, one row an item.

        ``view``: outputs joined by ``+``, each optionally with how many last blocks are joined:
        ``cls``, ``cls:4``, ``mean``, ``cls+mean``, or with one block, ``cls@-3`` counted from the
        end, ``cls@6`` from the first; None is :attr:`default_view`. ``pool``: how
        the frames of an item become one row: ``mean``, ``max`` or ``mean+std``. Views of late
        fusion are pooled apart and joined; for a missing one stands the mean of those there.
        ``augmented``: which of the stored :attr:`augmented_views` of the frames, 0 as they are.

        Raises :class:`UnknownName` for a view that the store lacks, naming what it has.
        """
        if pool not in POOLS:
            raise InputError(f"unknown pooling {pool!r}: use one of {', '.join(POOLS)}")
        frames = self._vectors(view, augmented)
        _, first, count = self._rows
        runs = FrameRecipe(**self.key.recipe).parts  # modalities are pooled apart and joined
        if (count == 1).all() and runs == 1 and pool != "mean+std":
            return frames[first]
        views = self.provenance.get("views")
        rows = []
        for item, f, n in zip(self._rows[0], first, count):
            ends = runs if views is None else np.cumsum(views[item])[:-1]
            pooled = [_pool(p, pool) if len(p) else None for p in np.split(frames[f : f + n], ends)]
            there = np.mean([p for p in pooled if p is not None], axis=0, dtype=np.float32)
            rows.append(np.concatenate([there if p is None else p for p in pooled]))
        return np.stack(rows)

    @property
    def findings(self) -> list[str]:
        """What the extraction found in how items came out: it goes with the class, or is black."""
        summary = self.store.attributes.get("summary") or {}
        return list(summary.get("findings", summary.get("remarks")) or ())  # as once written

    def middle_frames(self) -> np.ndarray:
        """(N,) the frame in the middle of each item, as :meth:`frames` counts them."""
        _, first, count = self._rows
        return np.asarray(first + count // 2)

    def bags(self, view: str | None = None) -> Bags:
        """Features of every frame, a bag an item in the order of :attr:`ids`, for probes that pool.

        ``view`` as of :meth:`x`, or ``tokens``: then a bag is of all patch tokens of all frames, in
        raster order, of several blocks (``tokens:2``) joined. The frames of all modalities of a
        study are one bag.
        """
        item = self.store.frame_item()
        offsets = np.searchsorted(item, np.unique(item))
        kept = np.searchsorted(item[offsets], self._rows[0])
        tokens = (view or "").split("+")[0].startswith(TOKENS)
        rows = self._tokens(view or "") if tokens else self._vectors(view)
        each = len(rows) // max(1, len(item))
        return Bags(rows, np.r_[offsets, len(item)] * each)[kept]

    def _tokens(self, view: str) -> np.ndarray:
        """(F h w, L D) float32, the patch tokens of all frames."""
        name, blocks, one = self._part(view, tokens=True)
        grid = self.store.read(name, blocks)[:, : 1 if one else None]
        grid = np.moveaxis(grid, 1, 3)  # (F, h, w, L, D)
        return grid.reshape(int(np.prod(grid.shape[:3])), -1).astype(np.float32)

    def frames(
        self, output: str, blocks: int | None = None, frames: slice | np.ndarray | None = None
    ) -> np.ndarray:
        """One output as stored, one row a frame: (n, L, D), of ``tokens`` (n, L, h, w, D).

        Frames of items that could not be read are zero. ``blocks`` takes the last ones only;
        ``frames``, a slice or an ascending index (n,), some frames only: then few bytes are read.
        """
        if output not in self.store.layout.outputs:
            have = self.store.layout.outputs
            raise UnknownName(
                f"{self.dataset} / {self.backbone} has no {output!r}.{nearest(output, have)} "
                f"It has: {', '.join(have)}"
            )
        return self.store.read(output, blocks, frames)

    def _vectors(self, view: str | None, augmented: int = 0) -> np.ndarray:
        """(F, D') float32 of all frames, those of items that are left out included."""
        if view and joined_parts(view):
            only = f"these are features of {self.backbone} alone"
            raise InputError(f"view {view!r} names backbones, and {only}; linear and knn join some")
        parts = [self._part(p) for p in (view or self.default_view).split("+")]
        read = [(self.store.read(array_of(n, augmented), b), one) for n, b, one in parts]
        rows = [(x[:, 0] if one else x).reshape(self.store.layout.frames, -1) for x, one in read]
        return np.concatenate(rows, axis=1).astype(np.float32)

    def _part(self, text: str, tokens: bool = False) -> tuple[str, int, bool]:
        """Output, last blocks to read, and whether the first of these alone is meant."""
        arrays = self.store.layout.outputs
        have = ", ".join(f"{n} ({s[0]} block{'s' * (s[0] > 1)})" for n, s in arrays.items())
        depth = (self.provenance.get("outputs") or {}).get(text.partition("@")[0])
        name, blocks = view_part(text, text, depth)
        where = f"{self.dataset} / {self.backbone}"
        if name == TOKENS and not tokens:
            raise InputError(
                "tokens are a grid for every frame, not one vector: 'mean' is their average, the "
                "probes transformer and attentive take them, and FeatureSet.frames reads them"
            )
        if name not in arrays:
            raise UnknownName(f"{where} has no {name!r}.{nearest(name, arrays)} It has: {have}")
        if blocks < 1:
            raise InputError(f"{where} has no {text!r}: blocks are counted from the last one, as 1")
        if blocks > arrays[name][0]:
            raise InputError(
                f"{where} has no {text!r}: it has {have}; extract again with --blocks {blocks}"
            )
        return name, blocks, one_block(text)


def _blocks(name: str, x: Any) -> np.ndarray:
    """(N, L, D) float32 of an output given as (N, D) or (N, L, D)."""
    if not is_output(name):
        raise InputError(f"x: {name!r} cannot be the name of an output: use letters a to z alone")
    if isinstance(x, (str, bytes)):
        raise InputError(f"x: expected an array (N, D), got {x!r}")
    array = np.asarray(x)
    if array.dtype.kind not in "iufb":
        raise InputError(f"x: expected numbers, got an array of {array.dtype}")
    if array.ndim not in (2, 3) or not array.size:
        raise InputError(f"x: expected shape (N, D) or (N, blocks, D), got {array.shape}")
    return np.ascontiguousarray(array if array.ndim == 3 else array[:, None], dtype=np.float32)


def _pool(frames: np.ndarray, pool: str) -> np.ndarray:
    if pool == "max":
        return frames.max(0)
    mean = frames.mean(0, dtype=np.float32)
    return np.concatenate([mean, frames.std(0)]) if pool == "mean+std" else mean
