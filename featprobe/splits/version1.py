"""Splits and draws of version 1, bit for bit.

They follow the order of rows, and place groups of one kind in blocks. Kept so that results made
with them can be made again: ``split_version=1`` of a protocol, ``--split-version 1``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from featprobe.core.errors import InputError
from featprobe.splits.assign import FRACTIONS, counts_of, members, numbered, running_index


def portion(
    targets: np.ndarray, groups: np.ndarray, fraction: float, seed: int | Sequence[int] = 0
) -> np.ndarray:
    """(N,) whether an item is in the portion of about ``fraction`` of the groups of each class.

    A group is kept whole or not at all. It stands in the line of its rarest class (label, or fifth
    of the values), in random order; the first of each line are kept, at least one. Of a class that
    only groups in other lines have, one of them is always kept. So a smaller portion is part of a
    larger one of the same seed, and no class is without a group. Depends on the order of items, not
    on names of groups.
    """
    if not len(targets):
        return np.zeros(0, dtype=bool)
    code = numbered(groups)
    has = counts_of(targets, code) > 0
    n = len(has)
    common = has.sum(0)  # groups that have a class; all have the last column
    line = np.where(has, common, n + 1).argmin(1)
    rank = np.random.default_rng(seed).permutation(n)
    order = np.lexsort((rank, line))
    place = np.empty(n, dtype=np.int64)
    place[order] = running_index(line[order])
    kept = place < np.maximum(1, np.floor(fraction * np.bincount(line)[line] + 0.5))
    lineless = (common > 0) & (np.bincount(line, minlength=len(common)) == 0)
    kept[np.where(has, rank[:, None], n).argmin(0)[lineless]] = True
    return kept[code]


def assign(
    targets: np.ndarray,
    groups: np.ndarray,
    fractions: Sequence[float] = FRACTIONS,
    seed: int | Sequence[int] = 0,
) -> np.ndarray:
    """Part (N,) of every item: 0, 1, ... with about ``fractions`` of the items and of each class.

    A group is never divided. Groups are taken in random order, large and rare-labelled ones first,
    and go where they reduce the distance to the wanted counts the most (iterative stratification,
    Sechidis et al. 2011, over groups). Depends on the order of items, not on names of groups.

    Raises :class:`InputError` when there are fewer groups than parts.
    """
    share = np.asarray(fractions, dtype=float)
    if (share <= 0).any() or abs(share.sum() - 1) > 1e-6:
        raise InputError(f"split fractions {tuple(fractions)} must be positive and sum to 1")
    code = numbered(groups)
    n_groups = int(code.max()) + 1
    if n_groups < len(share):
        raise InputError(
            f"{n_groups} patients cannot be split into {len(share)} parts without dividing one"
        )
    counts = counts_of(targets, code)
    total = counts.sum(0)
    scale = 1 / np.maximum(total, 1)
    scale[-1] /= 10  # classes first: of few items, none may miss a part for the total's sake
    wanted = share[:, None] * total
    rng = np.random.default_rng(seed)
    weight = (counts * scale).sum(1)
    order = rng.permutation(n_groups)
    order = order[np.argsort(-weight[order].round(12), kind="stable")]
    part = np.empty(n_groups, dtype=np.int64)
    have = np.zeros_like(wanted)
    for place, g in enumerate(order):
        gap = (wanted - have) * scale
        gain = (gap * (counts[g] * scale)).sum(1)
        empty = np.flatnonzero(have[:, -1] == 0)
        if len(empty) >= n_groups - place:  # the last groups fill parts that would stay empty
            gain[have[:, -1] > 0] = -np.inf
        best = np.flatnonzero(gain >= gain.max() - 1e-12)
        part[g] = best[rng.integers(len(best))]
        have[part[g]] += counts[g]
    return part[code]


def draw(
    y: np.ndarray, groups: np.ndarray, rows: np.ndarray, shots: int, attempt: int, by: str,
    seed: int,
) -> np.ndarray:  # fmt: skip
    """Draw the rows of one few-shot try; see :class:`~featprobe.splits.shots.Draws`."""
    rng = np.random.default_rng([seed, attempt])
    chosen: list[int] = []
    for member in members(y[rows]):
        of_class = rows[member]
        names, code = np.unique(groups[of_class], return_inverse=True)
        rank = rng.permutation(len(names))[code]  # patients in random order
        within = rng.permutation(len(of_class))
        if by == "patient":
            chosen.extend(of_class[rank < shots].tolist())
            continue
        by_patient = np.lexsort((within, rank))
        turn = np.empty(len(of_class), dtype=np.int64)  # 0 for the first item of a patient, ...
        turn[by_patient] = running_index(rank[by_patient])
        order = np.lexsort((rank, turn))
        chosen.extend(of_class[order[:shots]].tolist())
    return np.unique(np.array(chosen, dtype=np.int64))
