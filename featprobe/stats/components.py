"""Components of the uncertainty of a mean over tries."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np


class Components(NamedTuple):
    """Variances of a metric that is a mean over T tries (draws, seeds).

    ``tries``: between single tries, of one try; ``mean``: what that leaves in the mean over T;
    ``patients``: of the mean, from the sampling of test patients. The mean itself has
    ``mean + patients``: tries and patients are drawn apart from each other.
    """

    tries: float
    mean: float
    patients: float

    def to_dict(self) -> dict[str, float]:
        """Plain values, standard deviations beside them being the square roots."""
        return self._asdict()


def components(tries: np.ndarray, resampled: np.ndarray) -> Components:
    """Components of variance from the values (T,) of the tries and the bootstrap values (B,) of
    their mean under resamples of patients.

    As in a one-way analysis of variance with tries as the random factor: the mean square between
    tries, its T-th part in the mean. All tries meet the same test patients, so what patients add to
    every try is not in it but in the bootstrap, which in turn keeps the tries. NaN where there is
    one try or nothing defined.
    """
    tries, resampled = tries[~np.isnan(tries)], resampled[~np.isnan(resampled)]
    between = float(np.var(tries, ddof=1)) if len(tries) > 1 else math.nan
    patients = float(np.var(resampled, ddof=1)) if len(resampled) > 1 else math.nan
    return Components(between, between / max(1, len(tries)), patients)
