"""Train, val and test, by patient and stratified. What a seed gives is bound to ids, not to rows.

Every choice follows a hash of the seed and the ids of the items, so that a manifest in another
order, or with patients of other names, is split in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from featprobe.core.errors import InputError
from featprobe.core.text_columns import codes_of
from featprobe.splits.balancing import allowed, balanced

NAMES = ("train", "val", "test")
FRACTIONS = (0.6, 0.2, 0.2)

_BLOCK = 4096

Seed = int | Sequence[int]


def label_columns(targets: np.ndarray) -> Iterator[np.ndarray]:
    """(N,) bool of each kind of items that is balanced: the classes, or the positive of each label
    of a multi-label set, or five quantiles of values; last all items."""
    if targets.ndim == 2:
        yield from (column == 1 for column in targets.T)
    elif targets.dtype.kind == "f":
        edges = np.nanquantile(targets, [0.2, 0.4, 0.6, 0.8])
        fifth = np.digitize(np.nan_to_num(targets), edges)
        yield from (fifth == k for k in range(5))
    else:
        yield from (targets == k for k in range(max(1, int(targets.max()) + 1)))
    yield np.ones(len(targets), bool)


def counts_of(targets: np.ndarray, code: np.ndarray, n: int = 0) -> np.ndarray:
    """How many items each of :func:`label_columns` has in each group or part by number: (G, C).

    ``n``: numbers at least.
    """
    n = max(n, int(code.max(initial=-1)) + 1)
    counted = [np.bincount(code[column], minlength=n) for column in label_columns(targets)]
    return np.stack(counted, axis=1).astype(float)


def numbered(groups: np.ndarray) -> np.ndarray:
    """Number groups (N,) 0, 1, ... in order of their first items, independent of their names."""
    code = codes_of(groups)
    first = np.full(int(code.max(initial=-1)) + 1, len(code))
    np.minimum.at(first, code, np.arange(len(code)))
    return np.argsort(np.argsort(first))[code]


def members(y: np.ndarray) -> list[np.ndarray]:
    """Boolean masks of the classes; of positives and of all-negatives for multi-label targets."""
    if y.ndim == 2:
        positive = y == 1
        return [*positive.T, ~positive.any(1)]
    return [y == c for c in np.unique(y)]


def running_index(values: np.ndarray) -> np.ndarray:
    """0, 1, 2 ... within each run of equal neighbours."""
    starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])
    return np.arange(len(values)) - np.repeat(starts, np.diff(np.r_[starts, len(values)]))


def keys(ids: np.ndarray) -> np.ndarray:
    """Hash every id to a 64-bit number (N,), the same on every machine."""
    found = b"".join(blake2b(str(i).encode(), digest_size=8).digest() for i in ids.tolist())
    return np.frombuffer(found, dtype="<u8")


def mixed(key: np.ndarray, seed: Seed) -> np.ndarray:
    """(N,) the numbers of :func:`keys` in a random order of this seed (SplitMix64's finaliser,
    Steele, Lea and Flood 2014, behind the seed's own number)."""
    z = key + np.random.SeedSequence(seed).generate_state(1, np.uint64)[0]
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1)):
        z ^= z >> np.uint64(shift)
        z *= np.uint64(factor)
    return z


def shuffled_groups(
    groups: np.ndarray, ids: np.ndarray | None, seed: Seed
) -> tuple[np.ndarray, np.ndarray]:
    """(N,) groups as 0, 1, ... in an order that depends on the seed and on the ids of their items,
    and (N,) the mixed number of each item. Without ``ids`` a row's number is its id."""
    key = np.empty(len(groups), np.uint64)
    for start in range(0, len(key), _BLOCK):  # of a million texts few are made at a time
        rows = slice(start, min(start + _BLOCK, len(key)))
        key[rows] = mixed(
            keys(np.arange(rows.start, rows.stop) if ids is None else ids[rows]), seed
        )
    code = codes_of(groups)
    least = np.full(int(code.max(initial=-1)) + 1, np.iinfo(np.uint64).max)
    np.minimum.at(least, code, key)
    return np.argsort(np.argsort(least, kind="stable"))[code], key


def portion(
    targets: np.ndarray,
    groups: np.ndarray,
    fraction: float,
    seed: Seed = 0,
    ids: np.ndarray | None = None,
) -> np.ndarray:
    """Select about ``fraction`` of the groups of each class: (N,) bool.

    A group is kept whole or not at all. It stands in the line of its rarest class (label, or fifth
    of the values), in random order; the first of each line are kept, at least one. Of a class that
    only groups in other lines have, one of them is always kept. So a smaller portion is part of a
    larger one of the same seed, and no class is without a group. Depends on ``ids`` (N,), without
    them on the order of items, and never on names of groups.
    """
    if not len(targets):
        return np.zeros(0, dtype=bool)
    return _Lines.of(targets, groups, seed, ids).kept(fraction)


def portion_of(
    targets: np.ndarray, groups: np.ndarray, n: int, seed: Seed = 0, ids: np.ndarray | None = None
) -> tuple[np.ndarray, float]:
    """Select the largest :func:`portion` of at most n items: (N,) bool, and its fraction.

    It is the portion of that fraction bit for bit, so those of all numbers are parts of each other.
    Raises :class:`InputError` where the smallest portion, a group of each class, has more.
    """
    lines = _Lines.of(targets, groups, seed, ids)
    low, high = 0.0, 1.0
    least = int(lines.kept(low).sum())
    if least > n:
        raise InputError(
            f"{n} training items: a patient of each class are {least} items already; give that many"
        )
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if lines.kept(middle).sum() <= n else (low, middle)
    return lines.kept(low), low


@dataclass(frozen=True)
class _Lines:
    """Groups of a portion, numbered: the ``code`` (N,) of each item; the ``place`` of each group in
    the line of its rarest class, how long that line is, and the groups that are ``always`` kept."""

    code: np.ndarray
    place: np.ndarray
    length: np.ndarray
    always: np.ndarray

    @classmethod
    def of(
        cls, targets: np.ndarray, groups: np.ndarray, seed: Seed, ids: np.ndarray | None
    ) -> _Lines:
        code = shuffled_groups(groups, ids, seed)[0]
        has = counts_of(targets, code) > 0
        n = len(has)
        common = has.sum(0)  # groups that have a class; all have the last column
        line = np.where(has, common, n + 1).argmin(1)
        order = np.argsort(line, kind="stable")
        place = np.empty(n, dtype=np.int64)
        place[order] = running_index(line[order])
        lineless = (common > 0) & (np.bincount(line, minlength=len(common)) == 0)
        return cls(code, place, np.bincount(line)[line], has.argmax(0)[lineless])

    def kept(self, fraction: float) -> np.ndarray:
        """(N,) bool: the items of the first groups of each line, at least one."""
        kept = self.place < np.maximum(1, np.floor(fraction * self.length + 0.5))
        kept[self.always] = True
        return kept[self.code]


def assign(
    targets: np.ndarray,
    groups: np.ndarray,
    fractions: Sequence[float] = FRACTIONS,
    seed: Seed = 0,
    ids: np.ndarray | None = None,
) -> np.ndarray:
    """Assign every item to a part, (N,) 0, 1, ..., with about ``fractions`` of items and classes.

    A group is never divided. How far the parts come is what :func:`missed` says; see
    :func:`~featprobe.splits.balancing.balanced` for the way. A group is in each part with about the
    probability of its fraction, whatever its size, unless its size is what forbids it. Depends on
    ``ids`` (N,), without them on the order of items, and never on names of groups.

    Raises :class:`InputError` when there are fewer groups than parts.
    """
    share = checked(fractions)
    code = shuffled_groups(groups, ids, seed)[0]
    n_groups = int(code.max()) + 1
    if n_groups < len(share):
        raise InputError(
            f"{n_groups} patients cannot be split into {len(share)} parts without dividing one"
        )
    rng = np.random.default_rng(seed)
    return balanced(counts_of(targets, code), share, rng)[code]


def checked(fractions: Sequence[float]) -> np.ndarray:
    """Check fractions; raises :class:`InputError` where they are not positive or do not add up."""
    share = np.asarray(fractions, dtype=float)
    if (share <= 0).any() or abs(share.sum() - 1) > 1e-6:
        raise InputError(f"split fractions {tuple(fractions)} must be positive and sum to 1")
    return share


def missed(
    targets: np.ndarray,
    groups: np.ndarray,
    part: np.ndarray,
    fractions: Sequence[float],
    names: Sequence[str],
    classes: Sequence[str] = (),
) -> str:
    """Describe by how much a split misses its fractions; empty where it does not.

    That is where each part (``names``) has its fraction of all items and of every class, give or
    take what is :func:`~featprobe.splits.balancing.allowed`. ``classes``: names of the columns of
    :func:`label_columns`.
    """
    counts = counts_of(targets, codes_of(groups))
    have = counts_of(targets, part, len(names))
    total = counts.sum(0)
    share = np.asarray(fractions)
    over = np.abs(have - share[:, None] * total) / allowed(counts, share).clip(1e-9)
    found = [(over[k, c], k, c) for k, c in zip(*np.nonzero(over > 1 + 1e-9))]
    if not found:
        return ""
    notes = []
    for _, k, c in sorted(found, key=lambda f: (-f[0], f[1], f[2]))[:3]:
        what = "all items" if c == len(total) - 1 else _named(c, classes, targets)
        reached, wanted = 100 * have[k, c] / total[c], 100 * fractions[k]
        notes.append(
            f"{names[k]} has {reached:.3g} % of {what} where {wanted:.3g} % were asked for"
        )
    more = f", and {len(found) - 3} more such" if len(found) > 3 else ""
    return "; not reached: " + ", ".join(notes) + more


def _named(column: int, classes: Sequence[str], targets: np.ndarray) -> str:
    if targets.ndim == 1 and targets.dtype.kind == "f":
        return f"fifth {column + 1} of the values"
    return classes[column] if column < len(classes) else f"class {column}"
