"""Weighted sums over items, for many weightings at once."""

from __future__ import annotations

from typing import Any

import numpy as np

Value = np.ndarray | float


def by_group(
    rows: int, row: np.ndarray, sample: np.ndarray, value: Value, code: np.ndarray, groups: int
) -> Any:
    """Sparse (rows, groups): entry k adds ``value[k]`` of ``sample[k]`` to the sum ``row[k]``.

    Times the counts (groups, B) of a weighting it is the weighted sums (rows, B). Samples of one
    group share a column, so a resample of patients costs by the patient, not by the image.
    """
    from scipy.sparse import csr_array

    values = np.broadcast_to(np.asarray(value, dtype=np.float64), np.shape(row))
    return csr_array((values, (row, code[sample])), shape=(rows, groups))


class Sums:
    """Named sums over samples, computed together by one sparse product.

    ``code`` (N,): the group of each sample, 0 .. ``groups`` - 1.
    """

    def __init__(self, code: np.ndarray, groups: int) -> None:
        self._code, self._groups = code, groups
        self._blocks: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._slices: dict[str, slice] = {}
        self._rows = 0
        self._matrix: Any = None

    def add(
        self, name: str, value: Value = 1.0, *, row: np.ndarray | None = None, rows: int = 1,
        sample: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        """A block of ``rows`` sums: ``value`` of each sample goes to the sum ``row`` (default 0).

        ``sample``: which samples the values are of, each as often as it occurs; default all.
        """
        sample = np.arange(len(self._code)) if sample is None else sample
        row = np.zeros(len(sample), dtype=np.int64) if row is None else row
        values = np.broadcast_to(np.asarray(value, dtype=np.float64), row.shape)
        self._blocks.append((row + self._rows, sample, values))
        self._slices[name] = slice(self._rows, self._rows + rows)
        self._rows += rows

    def __call__(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        """Name -> (rows, B) sums, each sample counted as often as its group, ``counts`` (G, B)."""
        if self._matrix is None:
            row, sample, value = (np.concatenate(b) for b in zip(*self._blocks))
            self._matrix = by_group(self._rows, row, sample, value, self._code, self._groups)
        total = self._matrix @ counts
        return {name: total[s] for name, s in self._slices.items()}


def running(values: np.ndarray, before: Value = 0.0) -> np.ndarray:
    """Cumulative sums over the first axis of (N, B) on top of ``before`` (B,), in place where
    they are contiguous.

    By whole rows, sixteen apart at once. ``numpy.cumsum`` goes down column by column, which takes
    5 to 50 times as long for rows of 16 values and more.
    """
    values = np.ascontiguousarray(values)
    n, b = values.shape
    whole = n - n % 16
    runs = values[:whole].reshape(-1, 16, b)
    for i in range(1, 16):
        runs[:, i] += runs[:, i - 1]
    start = np.empty((len(runs) + 1, b), values.dtype)
    start[0], start[1:] = before, runs[:, -1]
    np.cumsum(start, axis=0, out=start)
    runs += start[:-1, None]
    np.cumsum(values[whole:], axis=0, out=values[whole:])
    values[whole:] += start[-1]
    return values


def ratio(top: Value, bottom: Value) -> np.ndarray:
    """Quotient, NaN where the denominator is not positive."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(np.asarray(bottom) > 0, top / np.asarray(bottom), np.nan)


def weighted_mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean of the defined values over the first axis, each counted by its weight; NaN of none."""
    there = np.where(np.isnan(values), 0.0, weights)
    return ratio((np.where(np.isnan(values), 0.0, values) * there).sum(0), there.sum(0))


def nan_mean(values: np.ndarray) -> np.ndarray:
    """Mean of the defined values over the first axis; NaN where none is defined."""
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0.0).sum(0), defined.sum(0))
