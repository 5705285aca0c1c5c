"""Assignment of groups to parts, with every class balanced between the parts."""

from __future__ import annotations

import numpy as np

POOL = 2000  # groups that are looked at for a move at a time
PAIRED = 100  # of each part, for a swap
ROUNDS, SWAPS = 20_000, 200  # at most
TOLERANCE = 0.01  # of what is asked for
PRESSED = 6  # times that what is still further off is made to count more
GOLDEN = (5**0.5 - 1) / 2


def allowed(counts: np.ndarray, share: np.ndarray) -> np.ndarray:
    """(K, C) how far a part may be from its share of a class: the class's largest group, or 1 % of
    what is asked for, whichever is more."""
    return np.maximum(counts.max(0), TOLERANCE * share[:, None] * counts.sum(0))


def balanced(counts: np.ndarray, share: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(G,) the part 0 .. K-1 of groups with ``counts`` (G, C) of each class, the last column of all
    items; ``share`` (K,) sums to one. The order of groups is taken as random.

    Groups are sorted by what they have, and dealt in turns: the golden ratio's multiples, which
    begin at a random place, fall into a part as often as its share says in any run of neighbours,
    so that groups of one kind are spread, and a group is in a part with the probability of its
    share. Then single moves, and swaps where no move helps, reduce the squared distances to what
    is asked for, each in units of what is asked for, or of the largest group of the class where
    that is more. The largest gain comes first. Classes that are then further off than
    :func:`allowed` count more, and it is tried again. No part is left without a group.
    """
    most = counts.max(0)
    counts = counts[:, most > 0]
    wanted = share[:, None] * counts.sum(0)
    weight = 1 / np.maximum(wanted, counts.max(0)) ** 2
    part = _dealt(counts, share, rng)
    _fill(part, len(share))
    limit = allowed(counts, share) + 1e-9
    for _ in range(PRESSED):
        state = _State(counts, wanted, weight, part)
        _improve(state, rng)
        off = (np.abs(state.gap) > limit).any(0)
        if not off.any():
            break
        weight[:, off] *= 4
    return part


def _improve(state: _State, rng: np.random.Generator) -> None:
    """Moves and swaps until none helps, or nothing is off."""
    groups = len(state.part)
    failed = swaps = 0
    for _ in range(ROUNDS):
        if state.close() or failed == 5 or swaps == SWAPS:
            break
        every = groups <= POOL
        pool = np.arange(groups) if every else rng.choice(groups, POOL, replace=False)
        if state.move(pool):
            failed = 0
        elif state.swap(pool):
            failed, swaps = 0, swaps + 1
        elif every:
            break
        else:
            failed += 1


def _dealt(counts: np.ndarray, share: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Parts in turns over groups sorted by their counts, rare classes first."""
    rare = np.argsort(-(counts > 0).sum(0), kind="stable")
    order = np.lexsort(counts[:, rare].T)
    turn = (rng.random() + GOLDEN * np.arange(len(counts))) % 1
    part = np.empty(len(counts), dtype=np.int64)
    part[order] = np.searchsorted(np.cumsum(share)[:-1], turn, side="right")
    return part


def _fill(part: np.ndarray, parts: int) -> None:
    """Give empty parts a group of the one that has the most."""
    size = np.bincount(part, minlength=parts)
    for k in np.flatnonzero(size == 0):
        most = int(size.argmax())
        part[np.flatnonzero(part == most)[0]] = k
        size[most] -= 1
        size[k] += 1


class _State:
    """Which group is in which part, and how far the parts are from what is wanted.

    The cost is the sum over parts and classes of weight x gap squared.
    """

    def __init__(
        self, counts: np.ndarray, wanted: np.ndarray, weight: np.ndarray, part: np.ndarray
    ) -> None:
        self.counts, self.wanted, self.weight, self.part = counts, wanted, weight, part
        self.square = counts**2 @ weight.T
        self.size = np.bincount(part, minlength=len(wanted))
        columns = [np.bincount(part, weights=c, minlength=len(wanted)) for c in counts.T]
        self.gap = np.stack(columns, axis=1) - wanted

    def close(self) -> bool:
        """Nothing is off by more than rounding, or a tenth of the tolerance."""
        return bool((np.abs(self.gap) <= np.maximum(0.5, 0.001 * self.wanted)).all())

    def move(self, pool: np.ndarray) -> bool:
        """Carry out the best move of a group, if there is one that helps."""
        leave, enter = self._changes(pool)
        at = np.arange(len(pool))
        change = leave[:, None] + enter
        change[at, self.part[pool]] = np.inf
        change[self.size[self.part[pool]] == 1] = np.inf
        best = int(change.argmin())
        g, to = pool[best // change.shape[1]], best % change.shape[1]
        if change.flat[best] > -1e-9:
            return False
        self._place(g, to)
        return True

    def swap(self, pool: np.ndarray) -> bool:
        """Carry out the best swap of a group of the worst part, if there is one that helps."""
        leave, enter = self._changes(pool)
        by_part = [np.flatnonzero(self.part[pool] == k)[:PAIRED] for k in range(len(self.size))]
        a = int((self.weight * self.gap**2).sum(1).round(9).argmax())
        here, best, chosen = by_part[a], -1e-9, None
        for b, there in enumerate(by_part):
            if a == b or not len(here) or not len(there):
                continue
            both = self.counts[pool[here]] * (self.weight[a] + self.weight[b])
            change = (leave[here] + enter[here, b])[:, None] + leave[there] + enter[there, a]
            change = np.round(change - 2 * both @ self.counts[pool[there]].T, 9)
            low = int(change.argmin())
            if change.flat[low] < best:
                i, j = divmod(low, len(there))
                best, chosen = change.flat[low], (pool[here[i]], b, pool[there[j]])
        if chosen is None:
            return False
        one, b, other = chosen
        self._place(one, b)
        self._place(other, a)
        return True

    def _changes(self, pool: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What the cost changes when a group leaves its part (P,), and when it enters one (P, K).

        Rounded, so that groups of one kind are equal whatever the machine's order of sums.
        """
        line = 2 * self.counts[pool] @ (self.weight * self.gap).T
        own = np.arange(len(pool)), self.part[pool]
        square = self.square[pool]
        return np.round((square - line)[own], 9), np.round(square + line, 9)

    def _place(self, g: int, to: int) -> None:
        at = self.part[g]
        self.gap[at] -= self.counts[g]
        self.gap[to] += self.counts[g]
        self.size[at] -= 1
        self.size[to] += 1
        self.part[g] = to
