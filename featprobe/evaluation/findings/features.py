"""Notes on uninformative features, and on test rows that also occur in training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from featprobe.evaluation.fitted import Data
from featprobe.evaluation.run_protocol import Cell
from featprobe.features.bags import Bags

SCALES = 1e6  # of ranges, largest to smallest: a wider mixture is said
_ROWS = 4096  # at a time


def feature_findings(data: Data, cell: Cell) -> list[str]:
    """Notes on the features of a cell; empty for cells without features.

    They are the same for all cells of a view, so they are computed once for each.
    """
    if not data.views or not len(data.split.test):
        return []
    key = (cell.view, cell.shots)
    if key not in data.found:
        x = data.read(cell.view)
        data.found[key] = [*_seen(x, data, cell), *(_columns(x, data, cell) if cell.fits else [])]
    return data.found[key]


def _seen(x: Any, data: Data, cell: Cell) -> list[str]:
    """Test items whose very features are also among those of the items that were fitted to."""
    test = data.split.test
    if cell.rows is not None:
        pairs = [(fit, test[rows]) for fit, rows in zip(cell.fits, cell.rows)]
    elif cell.fits:
        pairs = [(np.concatenate(cell.fits), test)]
    elif len(data.split.train):  # nothing was fitted
        return []
    else:
        pairs = []
    hashed = hashes(x)
    seen = np.zeros(len(hashed), dtype=bool)
    for fit, tested in pairs:
        seen[tested] |= np.isin(hashed[tested], hashed[fit])
    if not pairs:  # each item is scored by those of other patients
        seen = repeated(hashed, data.groups)
    if not seen.any():
        return []
    return [
        f"{int(seen.sum())} of {len(test)} test items have exactly the features of an item that "
        "was fitted to: copies flatter the metrics (featprobe data check finds them)"
    ]


def repeated(values: np.ndarray, part: np.ndarray) -> np.ndarray:
    """(N,) whether a value (N,) occurs in another ``part`` (N,), too."""
    code, part = (np.unique(a, return_inverse=True)[1] for a in (values, part))
    pair = np.unique(np.stack([code, part], axis=1), axis=0)
    return np.bincount(pair[:, 0])[code] > 1


def hashes(x: Any) -> np.ndarray:
    """(N,) hashes of the rows of x, (N, D) or Bags: Python's own of their bytes, of 64 bits.

    A million rows take seconds, and equal ones by chance are some 1e-8 of a row.
    """
    return np.array([hash(row.tobytes()) for row in _rows(x)], dtype=np.int64)


def _rows(x: Any) -> Iterator[np.ndarray]:
    """The values of each row, or bag, contiguous, with -0 as 0."""
    if isinstance(x, Bags):
        yield from (x.frames[a:b] + 0 for a, b in zip(x.offsets[:-1], x.offsets[1:]))
        return
    for start in range(0, len(x), _ROWS):
        yield from np.ascontiguousarray(x[start : start + _ROWS] + 0)


def _columns(x: Any, data: Data, cell: Cell) -> list[str]:
    """Features that are constant among the fitted items, or of very different scale."""
    rows = np.unique(np.concatenate(cell.fits))
    ends = [_ends(x[rows[s : s + _ROWS]]) for s in range(0, len(rows), _ROWS)]
    low, high = (np.stack(side).astype(np.float64) for side in zip(*ends))
    span = high.max(0) - low.min(0)
    constant, out = span == 0, []
    if constant.all():
        out.append("every feature is the same in all fitted items: nothing can be learnt of them")
    elif constant.mean() >= 0.5:
        out.append(
            f"{int(constant.sum())} of {len(span)} features are the same in all fitted items"
        )
    live = span[~constant]
    if len(live) and live.max() > SCALES * live.min():
        out.append(
            f"scales of the features differ by a factor of {live.max() / live.min():.0e}: a probe "
            "that does not standardise them hardly sees the small ones"
        )
    return out


def _ends(x: Any) -> tuple[np.ndarray, np.ndarray]:
    """Least and largest value (D,) of each feature."""
    values = x.frames if isinstance(x, Bags) else x
    return values.min(0), values.max(0)
