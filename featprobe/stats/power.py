"""Power of a paired comparison, and the number of patients that it needs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from featprobe.core.errors import InputError
from featprobe.stats.resampling import LEVEL

POWER = 0.8
MOST = 10_000_000  # patients: more are not a plan


@dataclass(frozen=True)
class Spread:
    """Sampling spread of a paired difference between studies.

    ``patients``: what the test patients add to its squared standard error, with ``n`` of them;
    ``tries``: what the draws of ``t`` tries add (0 with one fit). ``critical``: how many standard
    errors a difference must reach to count, NaN for those of a single comparison at 5 %.
    """

    patients: float
    n: int
    tries: float = 0.0
    t: int = 1
    critical: float = math.nan

    @property
    def deviation(self) -> float:
        """Standard deviation of the difference between patients."""
        return math.sqrt(self.patients * self.n)

    @property
    def alpha(self) -> float:
        """The two-sided level of one comparison; within a family less than 0.05."""
        from scipy.special import stdtr

        if math.isnan(self.critical):
            return 1 - LEVEL
        return 2 * float(stdtr(self._freedom(self.n), -self.critical))

    def _error(self, n: int) -> float:
        return math.sqrt(self.patients * self.n / n + self.tries)

    def _freedom(self, n: int) -> float:
        """Of patients and tries together (Satterthwaite 1946)."""
        a, b = self.patients * self.n / n, self.tries
        parts = a**2 / max(n - 1, 1) + (b**2 / max(self.t - 1, 1) if b else 0.0)
        return (a + b) ** 2 / parts if parts else float(max(n - 1, 1))

    def power(self, difference: float, n: int | None = None) -> float:
        """The chance that a true difference is found with ``n`` patients, by default those there
        are: two-sided, from the noncentral t distribution (Cohen 1988, chapter 2)."""
        from scipy.special import nctdtr, ndtr, stdtrit

        n = self.n if n is None else n
        error, freedom = self._error(n), self._freedom(n)
        if not error > 0:
            return math.nan
        shift, reach = abs(difference) / error, float(stdtrit(freedom, 1 - self.alpha / 2))
        found = 1 - nctdtr(freedom, shift, reach) + nctdtr(freedom, shift, -reach)
        if math.isnan(found):  # far out, where the normal distribution is as good
            found = ndtr(shift - reach) + ndtr(-shift - reach)
        return float(found)

    def detectable(self, power: float = POWER) -> float:
        """Smallest true difference detected with this power, at as many patients and tries."""
        from scipy.optimize import brentq

        error = self._error(self.n)
        if not error > 0 or self.n < 2:
            return math.nan
        top = error
        while self.power(top) < power:
            top *= 2
        return float(brentq(lambda d: self.power(d) - power, 0, top, xtol=1e-9 * error))

    def needed(self, difference: float, power: float = POWER) -> int | None:
        """Number of patients needed to detect a true difference with this power, at as many tries.

        None where no number does, because tries alone vary too much. Raises :class:`InputError` for
        a difference of zero.
        """
        if not difference:
            raise InputError(
                "--difference 0: no number of patients finds it; give one in the metric"
            )
        if not self.patients + self.tries > 0 or self.power(difference, MOST) < power:
            return None
        few, many = 2, MOST
        while few < many:
            middle = (few + many) // 2
            few, many = (
                (few, middle) if self.power(difference, middle) >= power else (middle + 1, many)
            )
        return few
