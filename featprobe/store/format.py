"""What a feature store is, independent of the container that holds it. See docs/format.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import prod
from typing import Any

import numpy as np

from featprobe.core.errors import InputError
from featprobe.core.fingerprint import array_digest, digest
from featprobe.store.quantised import stored_type

FORMAT_VERSION = 1
PENDING, DONE, FAILED = 0, 1, 2
DTYPES = ("float16", "float32", "int8", "float8")
SHARD_BYTES = 4 << 20
BACKBONE_PARTS = ("backbone", "code")  # of a key's versions; the others are of pixels
COLUMNS = ("ids", "groups", "split")
# of a key, which the first ones do not have
LATER = ("versions", "reduction", "parts", "augmented")


@dataclass(frozen=True)
class FeatureKey:
    """Everything that the numbers in a store depend on.

    ``weights``: sha256 of parameters and buffers; ``config``: digest of the architecture's
    configuration; ``preprocess`` and ``recipe`` as JSON values; ``outputs``: name -> number of
    last blocks; ``precision`` of the forward pass; ``dtype`` on disk; ``dataset``: fingerprint of
    ids and contents. ``versions``: of the code that made them, by part (``reader dicom``,
    ``frames``, ``backbone``, ``code``); a part that is absent reads as 1. ``reduction``: ``dim``
    principal components of an ``output`` and a digest of the ``items`` they are learnt from.
    ``parts``: of joined features, name -> key of each; no store has such a key. ``augmented``: how
    many ``views`` of each frame there are beside the frame itself, which is the first, their
    ``seed``, and the ``draws`` of each augmentation. Two
    extractions with equal keys give equal features on the same device.
    """

    weights: str
    config: str
    preprocess: dict[str, Any]
    recipe: dict[str, Any]
    outputs: dict[str, int]
    precision: str
    dtype: str
    dataset: str
    format: int = FORMAT_VERSION
    versions: dict[str, int | str] = field(default_factory=dict)
    reduction: dict[str, Any] = field(default_factory=dict)
    parts: dict[str, dict[str, Any]] = field(default_factory=dict)
    augmented: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        kept = {part: v for part, v in self.versions.items() if v != 1}
        object.__setattr__(self, "versions", kept)
        if self.dtype not in DTYPES:
            raise InputError(f"unknown dtype {self.dtype!r}: use one of {', '.join(DTYPES)}")

    @classmethod
    def joined(cls, keys: Mapping[str, FeatureKey]) -> FeatureKey:
        """The keys of several ``parts`` in one; what all have alike is said of the whole."""
        every = list(keys.values())

        def alike(name: str, otherwise: Any) -> Any:
            values = [getattr(k, name) for k in every]
            return values[0] if all(v == values[0] for v in values) else otherwise

        return cls(
            weights=digest([k.weights for k in every]),
            config=digest([k.config for k in every]),
            preprocess=alike("preprocess", {}),
            recipe=alike("recipe", {}),
            outputs={},
            precision=alike("precision", "several"),
            dtype=alike("dtype", "float32"),
            dataset=alike("dataset", digest([k.dataset for k in every])),
            parts={name: k.to_dict() for name, k in keys.items()},
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, the inverse of ``FeatureKey(**d)``.

        Without ``versions`` where all are 1, and without ``reduction``, ``parts`` and ``augmented``
        where there are none, as in keys made before there were any.
        """
        values = asdict(self)
        return {k: v for k, v in values.items() if v or k not in LATER}

    @property
    def digest(self) -> str:
        """sha256 (hex) of the key; its first 12 digits name the store."""
        return digest(self.to_dict())

    @property
    def views(self) -> int:
        """How many views of each frame are stored, that without augmentation included."""
        return int(self.augmented.get("views", 1))

    @property
    def variant(self) -> str:
        """Digest of the key without the data set: how features were made, not of what."""
        return digest({k: v for k, v in self.to_dict().items() if k != "dataset"})

    @property
    def lineage(self) -> str:
        """Digest of the key without what decides on pixels, see :func:`without_pixels`.

        Of a data set and backbone, later stores of one lineage replace earlier ones.
        """
        return digest(without_pixels(self.to_dict()))

    def differences(self, other: Mapping[str, Any]) -> list[str]:
        """Names of the fields in which another key (as a dict) differs; of versions, the parts."""
        own, theirs = ({**d, **_parts(d)} for d in (self.to_dict(), other))
        names = (own.keys() | theirs.keys()) - {"versions"}
        return sorted(k for k in names if own.get(k) != theirs.get(k))


def without_pixels(key: Mapping[str, Any]) -> dict[str, Any]:
    """A key without the contents of the data set and without the versions of what reads them."""
    kept = {p: v for p, v in key.get("versions", {}).items() if p in BACKBONE_PARTS}
    rest = {k: v for k, v in key.items() if k not in ("dataset", "versions")}
    if "parts" in key:
        rest["parts"] = {name: without_pixels(part) for name, part in key["parts"].items()}
    return {**rest, "versions": kept} if kept else rest


def _parts(key: Mapping[str, Any]) -> dict[str, Any]:
    return {f"version of {part}": v for part, v in key.get("versions", {}).items()}


def array_of(output: str, view: int = 0) -> str:
    """What the array of an output is called in one of the augmented views: ``cls``, ``cls.1``."""
    return f"{output}.{view}" if view else output


@dataclass(frozen=True)
class Layout:
    """Shapes on disk. ``arrays``: name -> (L, D), or (L, h, w, D) for tokens; those of augmented
    views as of :func:`array_of`. ``shard``: frames in the unit of commit."""

    frames: int
    shard: int
    arrays: dict[str, tuple[int, ...]]

    @property
    def outputs(self) -> dict[str, tuple[int, ...]]:
        """The arrays of the frames as they are."""
        return {name: shape for name, shape in self.arrays.items() if "." not in name}

    @property
    def shards(self) -> int:
        """Number of shards; the last one may be shorter."""
        return -(-self.frames // self.shard)

    def bounds(self, shard: int) -> tuple[int, int]:
        """First frame of a shard and the frame after its last."""
        return shard * self.shard, min(self.frames, (shard + 1) * self.shard)


def plan_shard(frames: int, arrays: Mapping[str, tuple[int, ...]], dtype: str, batch: int) -> int:
    """Frames per shard: a power of two times the batch.

    Large sets get chunk files of about 4 MB (measured: a zarr chunk costs the same time whatever
    its size, up to there). Small sets get about 32 shards, so that an interrupted run on a slow
    device loses little.
    """
    row = max((prod(shape) for shape in arrays.values()), default=1)
    most = max(1, SHARD_BYTES // (row * np.dtype(stored_type(dtype)).itemsize))
    size = batch
    while size * 2 <= most and size * 32 < frames:
        size *= 2
    return size


@dataclass
class Items:
    """The table of items of a store; columns as in :class:`~featprobe.datasets.base.Dataset`."""

    ids: np.ndarray
    groups: np.ndarray
    split: np.ndarray
    targets: np.ndarray | None
    task: str | None
    classes: tuple[str, ...]
    group_origin: str
    split_origin: str

    @property
    def about(self) -> dict[str, Any]:
        """What is not a column, as JSON values."""
        return {
            "task": self.task,
            "classes": list(self.classes),
            "group_origin": self.group_origin,
            "split_origin": self.split_origin,
        }

    @classmethod
    def made(
        cls, columns: Mapping[str, np.ndarray], targets: np.ndarray | None, about: Mapping[str, Any]
    ) -> Items:
        """Make a table from its columns, targets and attributes; the inverse of :meth:`about`."""
        fields: dict[str, Any] = {**about, **columns, "classes": tuple(about["classes"])}
        return cls(targets=targets, **fields)

    @property
    def table_digest(self) -> str:
        """Digest of the bytes of all columns but the ids, which are in the key.

        Tables with equal ones are equal. It costs a tenth of :attr:`labels_digest`, which is
        the same for tables that differ and mean the same.
        """
        columns = [c for c in (self.groups, self.split, self.targets) if c is not None]
        parts = [
            [c.dtype.str, array_digest(np.ascontiguousarray(c).view(np.uint8))] for c in columns
        ]
        return digest([parts, self.about])

    @property
    def labels_digest(self) -> str:
        """Digest of targets, classes, grouping and split: results with equal ones compare.

        It sees who is grouped with whom and no name of a group.
        """
        _, first, codes = np.unique(self.groups, return_index=True, return_inverse=True)
        canonical = np.argsort(np.argsort(first))[codes]  # groups by order of appearance
        targets = None
        if self.targets is not None:
            values = np.asarray(self.targets, dtype=float)
            targets = np.where(np.isnan(values), -1e9, values).tolist()
        return digest(
            [targets, list(self.classes), self.task, canonical.tolist(), self.split.tolist()]
        )
