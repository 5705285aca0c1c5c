"""Few-shot draws: n items, or patients, of each class of train."""

from __future__ import annotations

import numpy as np

from featprobe.core.fingerprint import digest
from featprobe.splits import assign as splits
from featprobe.splits import version1 as splits_first

DRAWN = "drawn"  # how shots are taken if no study says otherwise


class Draws:
    """The draws from ``rows`` of items with targets ``y``, ``groups`` and ``ids`` (all of them (N,)
    of all rows, ``y`` (N, C) for labels).

    ``by="item"``: n items of each class, from different patients as far as there are enough.
    ``by="patient"``: all items that n patients have of the class. In every draw the patients of a
    class, and the items of a patient, stand in a random order that depends on the seed, the draw
    and the ids alone; n shots are the first ones, so they are part of 2n. ``version``: 1 draws by
    the order of rows, see :mod:`featprobe.splits.version1`.
    """

    def __init__(
        self,
        y: np.ndarray,
        groups: np.ndarray,
        rows: np.ndarray,
        ids: np.ndarray | None = None,
        *,
        by: str = "item",
        seed: int = 0,
        version: int = 2,
    ) -> None:
        self.y, self.groups, self.rows = y, groups, rows
        self.by, self.seed, self.version = by, seed, version
        if version == 1:
            return
        key = splits.keys(rows if ids is None else ids[rows])
        self._classes = []
        for member in splits.members(y[rows]):
            own = key[member]
            code = np.unique(groups[rows][member], return_inverse=True)[1]
            least = np.full(int(code.max(initial=-1)) + 1, np.iinfo(np.uint64).max)
            np.minimum.at(least, code, own)
            self._classes.append((rows[member], own, code, least))

    def __call__(self, shots: int, attempt: int) -> np.ndarray:
        """Rows of one draw, a sorted subset of ``rows``; fewer where a class has fewer."""
        if self.version == 1:
            return splits_first.draw(
                self.y, self.groups, self.rows, shots, attempt, self.by, self.seed
            )
        chosen = [np.empty(0, dtype=np.int64)]
        for c, (rows, key, code, least) in enumerate(self._classes):
            seed = [self.seed, attempt, c]
            rank = np.argsort(np.argsort(splits.mixed(least, seed), kind="stable"))[code]
            if self.by == "patient":
                chosen.append(rows[rank < shots])
                continue
            by_patient = np.lexsort((splits.mixed(key, seed), rank))
            turn = np.empty(len(rows), dtype=np.int64)  # 0 for the first item of a patient, ...
            turn[by_patient] = splits.running_index(rank[by_patient])
            chosen.append(rows[np.lexsort((rank, turn))[:shots]])
        return np.unique(np.concatenate(chosen))


def digest_of(tries: list[np.ndarray], ids: np.ndarray) -> str:
    """Digest of the ids in each draw: results with the same one were fitted to the same items."""
    return digest([sorted(ids[rows].tolist()) for rows in tries])[:16]
