"""Features made elsewhere: arrays and a table, to what a store needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from featprobe.core.errors import InputError
from featprobe.core.fingerprint import array_digest, digest
from featprobe.datasets.base import Dataset
from featprobe.datasets.class_order import as_numbers
from featprobe.datasets.targets import add_array, add_text
from featprobe.features.exchange.files import Bundle
from featprobe.images.decoded_image import FrameRecipe
from featprobe.store.format import DONE, FeatureKey, Items

SHAPES = "(rows, D), (rows, blocks, D) or (rows, blocks, h, w, D)"


def bundle(
    source: Path, arrays: dict[str, np.ndarray], columns: dict[str, list[str]],
    name: str | None, backbone: str | None,
) -> Bundle:  # fmt: skip
    """Features of which only rows and a table are known."""
    if not name or not backbone:
        raise InputError(f"{source}: made elsewhere; say of what with --name and --backbone")
    shaped = {n: v[:, None] if v.ndim == 2 else v for n, v in arrays.items()}
    bad = [
        n for n, v in shaped.items() if v.ndim not in (3, 5) or v.dtype.kind != "f" or 0 in v.shape
    ]
    if not shaped or bad:
        raise InputError(f"{source}: {bad[0] if bad else 'it'} is no float array {SHAPES}")
    frames = {len(v) for v in shaped.values()} | {len(c) for c in columns.values()}
    if "id" not in columns:
        raise InputError(
            f"{source}: no table with a column 'id'; give one, a line for every row, with --items"
        )
    if len(frames) > 1:
        lengths = {n: len(v) for n, v in shaped.items()} | {n: len(c) for n, c in columns.items()}
        raise InputError(f"{source}: rows differ: {lengths}")
    if not all(np.isfinite(v).all() for v in shaped.values()):
        raise InputError(f"{source}: NaN or infinite features")
    ids = np.array(columns.pop("id"))
    first = np.flatnonzero(np.append(True, ids[1:] != ids[:-1]))
    if len(np.unique(ids[first])) < len(first):
        raise InputError(f"{source}: rows of one id do not follow each other")
    item = np.cumsum(np.isin(np.arange(len(ids)), first)) - 1
    dtype = "float16" if all(v.dtype == np.float16 for v in shaped.values()) else "float32"
    kept = {n: v.astype(dtype) for n, v in shaped.items()}
    key = FeatureKey(
        weights=digest({n: array_digest(v) for n, v in kept.items()}), config="imported",
        preprocess={}, recipe=FrameRecipe().to_dict(), precision="unknown", dtype=dtype,
        outputs={n: v.shape[1] for n, v in kept.items()}, dataset=digest(ids.tolist()),
    )  # fmt: skip
    table = _items(source, ids[first], {k: [v[i] for i in first] for k, v in columns.items()})
    about = {
        "dataset": name, "backbone": backbone, "key": key.to_dict(),
        "provenance": {"imported": source.name, "random": False, "backbone": {"name": backbone}},
    }  # fmt: skip
    n = len(ids)
    return Bundle(kept, item, np.arange(n) - first[item], np.full(n, DONE), {}, table, about)


def _items(source: Path, ids: np.ndarray, columns: dict[str, list[str]]) -> Items:
    """The table of items; columns beside group, split and frame are labels."""
    known = {n: columns.pop(n, None) for n in ("group", "split", "frame")}
    labels = Dataset(name="labels", ids=ids, source=None)  # type: ignore[arg-type]
    if "label" in columns:
        add_text(labels, columns["label"], source, _task(columns["label"]), missing=("",))
    elif columns:
        add_array(labels, np.column_stack(list(_numbers(source, columns))), source, list(columns))
    group, split = known["group"], known["split"]
    return Items(
        ids=ids, groups=ids if group is None else np.array(group),
        split=np.full(len(ids), "") if split is None else np.array(split),
        targets=labels.targets, task=labels.task, classes=labels.classes,
        group_origin="imported" if group is not None else "none, each item its own",
        split_origin="imported" if split is not None else "none",
    )  # fmt: skip


def _task(values: Sequence[str]) -> str:
    """Classes, or as with several columns a regression where the numbers have a fraction."""
    numbers = as_numbers(values) or []
    return "regression" if any(v != round(v) for v in numbers if np.isfinite(v)) else "multiclass"


def _numbers(source: Path, columns: Mapping[str, Sequence[str]]) -> Iterator[np.ndarray]:
    for name, values in columns.items():
        try:
            yield np.array([float(v) if v else np.nan for v in values])
        except ValueError as error:
            raise InputError(f"{source}: column {name!r} is no label of 0 and 1: {error}") from None
