"""The scores of another probe, averaged over nearest neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from featprobe.core.errors import InputError
from featprobe.neighbours.search import Bank, Search
from featprobe.neighbours.votes import value_sums
from featprobe.probes.base import Probe
from featprobe.probes.registry import PROBES

AMONG = ("queries", "bank")


class SmoothedProbe(Probe):
    """Another probe whose scores are mixed with those of each item's k nearest neighbours::

        q(x) = (1 - weight) p(x) + weight / k * (p(x_1) + ... + p(x_k))

    After the K-nearest-neighbour smoothing (KNNS) of Zhou et al., *Many-to-One Distribution
    Learning and K-Nearest Neighbor Smoothing for Thoracic Disease Identification*, AAAI 2021, which
    asks that images with similar findings get consistent predictions. The paper does so for a
    network under training; this is the idea applied to the scores of a probe on frozen features,
    with equal weights of the neighbours. It does not reproduce the paper's numbers.

    ``probe``: name of a probe, ``params``: its parameters; among several candidates of its own it
    chooses as its ``fit`` does. ``k`` and ``weight``: one number or several, all pairs are
    candidates; weight 0 is the probe as it is. ``metric``: of the neighbours, cosine or l2.

    ``among="queries"``: neighbours are the other items scored in the same call, so the scores are
    transductive: they depend on which items are scored together, and there must be more than k.
    ``among="bank"``: neighbours are the training items, whose scores come from a probe that was
    fitted to them.
    """

    name = "smoothed"

    def __init__(
        self,
        probe: str = "logistic",
        params: dict[str, Any] | None = None,
        k: int | Sequence[int] = 10,
        weight: float | Sequence[float] = 0.5,
        among: str = "queries",
        metric: str = "cosine",
    ) -> None:
        self.probe, self.params = probe, params
        self.k, self.weight = k, weight
        self.among, self.metric = among, metric

    @property
    def transductive(self) -> bool:  # type: ignore[override]
        return self.among == "queries"

    def check(self) -> None:
        if self.among not in AMONG:
            raise InputError(f"smoothing among {self.among!r}: choose of {', '.join(AMONG)}")
        if np.min(self.k) < 1:
            raise InputError("smoothing needs k of at least 1")
        if np.min(self.weight) < 0 or np.max(self.weight) > 1:
            raise InputError(f"the weight of smoothing is between 0 and 1, not {self.weight}")
        Search(self.metric, "flat")
        self._make().check_params()

    def candidates(self) -> list[dict[str, Any]]:
        pairs = product(np.atleast_1d(self.k), np.atleast_1d(self.weight))
        return [{"k": int(k), "weight": float(w)} for k, w in pairs]

    def fit_candidates(self, x: np.ndarray, y: np.ndarray) -> SmoothedProbe:
        self._labels = y.ndim == 2
        inner = self._make().choosing_by(self.criterion)
        self._inner = inner.fit(x, y, groups=self._groups)
        self._x = x if self.among == "bank" else None
        self._p = self._inner._scored(x) if self.among == "bank" else None
        return self

    def score_candidates(self, x: np.ndarray) -> np.ndarray:
        settings = self.candidates()
        own = self._inner._scored(x)
        ks = sorted({c["k"] for c in settings})
        most = len(x) - 1 if self._x is None else len(self._x)
        if ks[-1] > most:
            raise InputError(
                f"smoothing over k = {ks[-1]} neighbours among {most} "
                f"{'other items scored with it' if self._x is None else 'training items'}; lower k"
            )
        out = np.empty((len(settings), *own.shape))
        how = Search(self.metric, "flat")
        if self._x is None:
            found, theirs = Bank(x, how).others(ks[-1]), own
        else:
            found, theirs = Bank(self._x, how).near(x, ks[-1]), np.asarray(self._p)
        for at, _, rows in found:
            sums = dict(zip(ks, value_sums(np.ones(rows.shape), theirs[rows], ks)))
            for g, c in enumerate(settings):
                smooth = sums[c["k"]] / c["k"]
                out[g, at] = (1 - c["weight"]) * own[at] + c["weight"] * smooth
        return out

    def _make(self) -> Probe:
        made: Probe = PROBES.get(self.probe)()
        if made.bags or isinstance(made, SmoothedProbe):
            raise InputError(f"the scores of the probe {self.probe!r} cannot be smoothed")
        return made.set_params(**self.params or {})


PROBE = SmoothedProbe
