"""Train, val and test, by patient and stratified."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from featprobe.errors import InputError

NAMES = ("train", "val", "test")
FRACTIONS = (0.6, 0.2, 0.2)


def label_matrix(targets: np.ndarray) -> np.ndarray:
    """(N, C) counts to be balanced: one-hot classes, or the positive labels of a multi-label set.

    A last column of ones balances the number of items.
    """
    if targets.ndim == 2:
        columns = (targets == 1).astype(float)
    elif targets.dtype.kind == "f":  # regression: five quantile bins
        edges = np.nanquantile(targets, [0.2, 0.4, 0.6, 0.8])
        columns = np.eye(5)[np.digitize(np.nan_to_num(targets), edges)]
    else:
        columns = (targets[:, None] == np.arange(max(1, targets.max() + 1))).astype(float)
    return np.hstack([columns, np.ones((len(targets), 1))])


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
    _, first, code = np.unique(groups, return_index=True, return_inverse=True)
    code = np.argsort(np.argsort(first))[code]
    n_groups = int(code.max()) + 1
    if n_groups < len(share):
        raise InputError(
            f"{n_groups} patients cannot be split into {len(share)} parts without dividing one"
        )
    labels = label_matrix(targets)
    counts = np.zeros((n_groups, labels.shape[1]))
    np.add.at(counts, code, labels)
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
