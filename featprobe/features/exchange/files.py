"""Files that hold features, each written and read whole."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from featprobe.core.atomic import write_text_atomic
from featprobe.core.errors import InputError, MissingExtra, reason
from featprobe.core.fingerprint import array_digest
from featprobe.store.attributes import sealed
from featprobe.store.format import COLUMNS, Items

HEADER = "featprobe.json"
_BESIDE = ("shapes", "targets")  # what Parquet's header has for its arrays


@dataclass
class Bundle:
    """Features in memory, with all that makes them a store.

    ``arrays``: name -> (F, L, ...); ``frame_item``, ``frame_index``, ``status`` (F,); ``reasons``:
    frame -> text; ``about``: ``dataset``, ``backbone``, ``key``, ``provenance``.
    """

    arrays: dict[str, np.ndarray]
    frame_item: np.ndarray
    frame_index: np.ndarray
    status: np.ndarray
    reasons: dict[int, str]
    items: Items
    about: dict[str, Any]

    def header(self) -> dict[str, Any]:
        """What is not an array, as JSON values, with digests of the arrays and of itself."""
        columns = {n: getattr(self.items, n).tolist() for n in COLUMNS}
        found = {**self.about, "reasons": self.reasons, "items": {**columns, **self.items.about}}
        found["digests"] = {n: array_digest(v) for n, v in {**self.arrays, **_extras(self)}.items()}
        return sealed(found)


def unchanged(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Raise ``ValueError`` where an export is not what was written; earlier ones tell nothing."""
    if "digests" not in header:
        return
    if header != {
        **sealed({k: v for k, v in header.items() if k not in _BESIDE}),
        **{k: header[k] for k in _BESIDE if k in header},
    }:
        raise ValueError("its header has been changed")
    for name, value in header["digests"].items():
        if name not in arrays or array_digest(arrays[name]) != value:
            raise ValueError(f"{name} has been changed")


# -- writing ---------------------------------------------------------------------------------------


def _extras(b: Bundle) -> dict[str, np.ndarray]:
    extras = {"frame_item": b.frame_item, "frame_index": b.frame_index, "status": b.status}
    return extras if b.items.targets is None else {**extras, "targets": b.items.targets}


def _to_npy(b: Bundle, folder: Path) -> None:
    folder.mkdir()
    for name, values in {**b.arrays, **_extras(b)}.items():
        np.save(folder / f"{name}.npy", values)
    write_text_atomic(folder / HEADER, json.dumps(b.header()))


def _to_safetensors(b: Bundle, path: Path) -> None:
    from safetensors.numpy import save_file

    tensors = {n: np.ascontiguousarray(v) for n, v in {**b.arrays, **_extras(b)}.items()}
    save_file(tensors, path, metadata={"featprobe": json.dumps(b.header())})


def _to_parquet(b: Bundle, path: Path) -> None:
    pa, pq = _arrow()
    rows, t = b.frame_item, b.items
    columns: dict[str, Any] = {"id": pa.array(t.ids[rows].tolist()), "frame": b.frame_index}
    columns |= {"group": t.groups[rows].tolist(), "split": t.split[rows].tolist()}
    if t.targets is not None:
        columns["target"] = list(t.targets[rows]) if t.targets.ndim == 2 else t.targets[rows]
    columns |= {"frame_item": rows, "status": b.status}
    for name, values in b.arrays.items():
        flat = pa.array(values.reshape(-1))
        columns[name] = pa.FixedSizeListArray.from_arrays(flat, values[0].size)
    header = {**b.header(), "shapes": {n: list(v.shape[1:]) for n, v in b.arrays.items()}}
    if t.targets is not None:
        header["targets"] = t.targets.tolist()
    table = pa.table(columns).replace_schema_metadata({"featprobe": json.dumps(header)})
    pq.write_table(table, path, compression="none", row_group_size=8192)


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtra("Parquet needs pyarrow: pip install 'featprobe[parquet]'") from None
    return pyarrow, pyarrow.parquet


# -- reading ---------------------------------------------------------------------------------------

Read = tuple[dict[str, np.ndarray], dict[str, list[str]], dict[str, Any] | None]


def read(path: Path) -> Read:
    """Arrays, columns of text, and the header of an export."""
    if path.is_dir():
        arrays = {f.stem: np.load(f) for f in sorted(path.glob("*.npy"))}
        file = path / HEADER
        header = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
        return arrays, read_csv(path / "items.csv") if (path / "items.csv").exists() else {}, header
    if path.suffix == ".npy":
        return {"features": np.load(path)}, {}, None
    if path.suffix == ".safetensors":
        from safetensors import safe_open

        with safe_open(path, framework="np") as f:
            text = (f.metadata() or {}).get("featprobe")
            return {n: f.get_tensor(n) for n in f.keys()}, {}, json.loads(text) if text else None  # noqa: SIM118
    if path.suffix == ".parquet":
        return _from_parquet(path)
    raise InputError(
        f"{path}: features come as a folder of .npy, a .npy, .safetensors or .parquet file; a "
        "store lies in the cache as it is"
    )


def _from_parquet(path: Path) -> Read:
    pa, pq = _arrow()
    table = pq.read_table(path)
    text = (table.schema.metadata or {}).get(b"featprobe")
    header = json.loads(text) if text else None
    arrays: dict[str, np.ndarray] = {}
    columns: dict[str, list[str]] = {}
    for name in table.column_names:
        column = table[name].combine_chunks()
        kind = column.type
        if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
            flat = column.flatten().to_numpy(zero_copy_only=False)
            shape = header["shapes"].get(name, [-1]) if header else [-1]
            arrays[name] = flat.reshape(len(column), *shape)
        elif header and name in ("frame", "frame_item", "status"):
            arrays[{"frame": "frame_index"}.get(name, name)] = column.to_numpy()
        else:
            columns[name] = ["" if v is None else str(v) for v in column.to_pylist()]
    if header and "targets" in header:
        arrays["targets"] = np.array(header["targets"])
    return arrays, columns, header


def read_csv(path: Path) -> dict[str, list[str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as f:
            rows = list(csv.DictReader(f))
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a readable table: {reason(error)}") from error
    return {k: [(r[k] or "").strip() for r in rows] for k in (rows[0] if rows else {})}


WRITERS = {"npy": _to_npy, "parquet": _to_parquet, "safetensors": _to_safetensors}
