"""What the nearest-neighbour probes share: the values of k, the bank, what is said about both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from featprobe.core.errors import InputError
from featprobe.core.options import Needs
from featprobe.neighbours.search import Bank, Search
from featprobe.probes.base import Probe


class NeighbourProbe(Probe):
    """Base of the probes that ask the neighbours of an item.

    ``k``: one number or several, each a candidate; one search serves all. ``metric``, ``index``,
    ``nprobe``, ``ef``, ``device``: see :class:`~featprobe.neighbours.search.Search`. ``recall_``
    after scoring is the measured recall@k of the largest k, None where the search is exact.

    The features given to ``fit`` are kept, not copied: they must not be changed afterwards.
    """

    report_all = True
    rebuilt = ("_bank",)
    needs: ClassVar[Needs] = {
        "nprobe": ("index", ("auto", "ivf", "ivfpq")),
        "ef": ("index", ("hnsw",)),
    }
    apart: ClassVar[int] = 0  # rows of the bank that cannot be neighbours of a row in it

    k: int | Sequence[int]
    metric: str
    index: str
    nprobe: int | None
    ef: int | None
    device: str
    recall_: float | None
    _bank: Bank | None
    _recall_of: str
    _unknown = 0  # scores, of an item and a label, for which no neighbour knows the label

    def check(self) -> None:
        self._search()
        if np.min(self.k) < 1:
            raise InputError(f"kNN needs k of at least 1, not {np.min(self.k)}")

    def candidates(self) -> list[dict[str, Any]]:
        beyond = getattr(self, "_beyond", ())
        return [{"k": int(k)} for k in np.atleast_1d(self.k) if k not in beyond]

    def simplicity(self) -> list[float]:
        return [float(c["k"]) for c in self.candidates()]

    def within(self, rows: int) -> Self:
        """A copy to be fitted to ``rows`` rows at least: without the values of k that are more.

        What is left out is said in :meth:`notes`. :class:`InputError` where every k is too large.
        """
        made = self.fresh()
        made._fits(rows)
        return made

    def notes(self) -> list[str]:
        """What a reader of the scores has to know: values of k left out, measured recall."""
        notes: list[str] = []
        if beyond := getattr(self, "_beyond", None):
            left = ", ".join(str(k) for k in beyond)
            notes.append(f"k = {left} left out: more than the {self._most} items to choose among")
        bank = getattr(self, "_bank", None)
        if bank is not None and bank.index == "flat" and self.index not in ("auto", "flat"):
            notes.append(f"so few items are searched exactly, without {self.index}")
        if getattr(self, "recall_", None) is not None:
            notes.append(f"approximate neighbours: {self._recall_of} {self.recall_:.3f}")
        if self._unknown:
            notes.append(
                f"for {self._unknown} scores no neighbour knows the label: how often training has "
                "it stands in"
            )
        return notes

    def score_candidates(self, x: np.ndarray) -> np.ndarray:
        self._measure(x)
        return self._collect(x, self._searched().near(x, max(self._ks())))

    def _vote(self, x: np.ndarray, near: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Scores (G, n, C) of queries (n, D) whose neighbours' closeness and rows are (n, k)."""
        raise NotImplementedError

    def _measure(self, x: np.ndarray) -> None:
        """Recall on the first queries after a fit, where the search is approximate."""
        bank, most = self._searched(), max(self._ks())
        if bank.index != "flat" and self.recall_ is None:
            self.recall_ = bank.recall(x, most)
            self._recall_of = f"{bank.index}, recall@{most} on a sample of queries"

    def _collect(
        self, x: np.ndarray, found: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]]
    ) -> np.ndarray:
        out = np.empty((len(self._ks()), len(x), self._columns))
        for at, near, rows in found:
            out[:, at] = self._vote(x[at], near, rows)
        return out

    def _remember(self, x: np.ndarray, columns: int) -> None:
        """Keep the rows of the bank after checking that they suffice."""
        ks, most = self._ks(), len(x) - self.apart
        if max(ks) > most:
            raise InputError(f"k = {max(ks)} is more than the {most} {self._items}; lower --k")
        self._x, self._columns, self._bank, self.recall_ = x, columns, None, None

    def _search(self) -> Search:
        return Search(self.metric, self.index, self.nprobe, self.ef, self.device)

    def _searched(self) -> Bank:
        if getattr(self, "_bank", None) is None:
            self._bank = Bank(self._x, self._search())
        assert self._bank is not None
        return self._bank

    def _ks(self) -> list[int]:
        return [c["k"] for c in self.candidates()]

    def _fits(self, rows: int) -> None:
        ks = [int(k) for k in np.atleast_1d(self.k)]
        most = rows - self.apart
        if min(ks) > most:
            raise InputError(f"k = {min(ks)} is more than the {most} {self._items}; lower --k")
        self._beyond, self._most = [k for k in ks if k > most], most
        self._unknown = 0

    @property
    def _items(self) -> str:
        return "other training items" if self.apart else "training items"
