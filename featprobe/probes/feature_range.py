"""Where the features lie that a probe was fitted to, so that others can be told from them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from featprobe.probes.standardizer import Standardizer

ROWS = 2000  # items of training that are looked at, at most
AXES = 64  # directions that are told apart; the others have one variance
MOST = 6.0  # deviations that one feature counts: one that is rarely active must not decide alone
SHARE = 0.99  # of items that the other half has not seen lie within the reach, before it is
SLACK, FEW = 1.05, 5.0  # widened, the more the fewer items there are: by 1.05 + 5 / N
FLOOR = 1e-6  # of the mean variance: in no direction do features vary less


@dataclass(frozen=True)
class FeatureRange:
    """Mean and covariance of the features of training items, and how far items are expected.

    A distance is Mahalanobis' over the D features, divided by sqrt(D), as Lee et al. 2018 (arXiv
    1807.03888) tell foreign images by; here of one Gaussian, and features count at most
    :data:`MOST` deviations. The covariance of features divided by their deviations is shrunk by the
    rule of Ledoit and Wolf (2004). ``mean``, ``scale`` (D,); ``axes`` (K, D) with ``variances``
    (K,), and ``rest``, that of all other directions. ``reach``: the distance within which 99 % of
    training items lie when mean and covariance are those of the other half, times 1.05 + 5 / N.
    """

    mean: np.ndarray
    scale: np.ndarray
    axes: np.ndarray
    variances: np.ndarray
    rest: float
    reach: float = np.inf

    @classmethod
    def of(
        cls, x: np.ndarray, groups: np.ndarray | None = None, held_out: np.ndarray | None = None
    ) -> FeatureRange:
        """Of the features (N, D) of training items; ``groups`` (N,): no half parts a patient.

        ``held_out`` (M, D): of items that were not trained on, which lie further out where the
        features themselves were trained; they are within reach, too.
        """
        rng = np.random.default_rng(0)
        rows = rng.permutation(len(x))[:ROWS]
        x = np.asarray(x)[rows].astype(np.float64)
        whose = rows if groups is None else np.asarray(groups)[rows]
        code = np.unique(whose, return_inverse=True)[1]
        half = rng.permutation(code.max() + 1)[code] % 2 == 0
        whole = _gaussian(x)
        away = whole.away(x)
        if half.any() and not half.all():  # more than one patient
            away = np.r_[_gaussian(x[half]).away(x[~half]), _gaussian(x[~half]).away(x[half])]
        reach = float(np.quantile(away, SHARE))
        if held_out is not None and len(held_out):
            reach = max(reach, float(np.quantile(whole.away(held_out), SHARE)))
        return replace(whole, reach=(SLACK + FEW / len(x)) * reach)

    def away(self, x: np.ndarray) -> np.ndarray:
        """(N,) distances of features (N, D)."""
        standard = Standardizer(self.mean, self.scale)
        z = standard(np.asarray(x)).astype(np.float64).clip(-MOST, MOST)
        along = (z @ self.axes.T.astype(np.float64)) ** 2
        beside = np.maximum((z**2).sum(1) - along.sum(1), 0)
        return np.sqrt((along @ (1 / self.variances) + beside / self.rest) / z.shape[1])


def _gaussian(x: np.ndarray) -> FeatureRange:
    from sklearn.covariance import ledoit_wolf_shrinkage

    standard = Standardizer.of(x)
    z = standard(x)
    n, d = z.shape
    part = float(ledoit_wolf_shrinkage(z, assume_centered=True)) if n > 1 else 1.0
    _, s, axes = np.linalg.svd(z, full_matrices=False)
    level = max(float((s**2).sum()) / (n * d), FLOOR)
    own = np.maximum((1 - part) * s**2 / n + part * level, FLOOR * level)
    kept = own[:AXES]
    others = d - len(kept)
    rest = max((level * d - kept.sum()) / others, FLOOR * level) if others else float(kept[-1])
    return FeatureRange(standard.mean, standard.scale, axes[:AXES].astype(np.float32), kept, rest)
