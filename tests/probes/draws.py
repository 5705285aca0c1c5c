"""Few-shot draws to compare a probe's ``score_tries`` with fits of one draw after another."""

from __future__ import annotations

import numpy as np

from featprobe.probes.base import Probe


def check_tries(
    probe: Probe, x: np.ndarray, y: np.ndarray, tries: list[np.ndarray], queries: np.ndarray,
    tolerance: float = 1e-6,
) -> None:  # fmt: skip
    """All draws together give what each gives fitted alone, in their order."""
    together = list(probe.score_tries(x, y, tries, queries))
    assert len(together) == len(tries)
    for scores, rows in zip(together, tries):
        alone = probe.fresh().fit_candidates(x[rows], y[rows]).score_candidates(queries)[0]
        np.testing.assert_allclose(scores, alone, atol=tolerance)


def draws(y: np.ndarray, shots: tuple[int, ...], seed: int = 0) -> list[np.ndarray]:
    """One draw of each number of shots: so many rows of every class."""
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(y == c) for c in np.unique(y)]
    return [np.concatenate([rng.choice(m, n, replace=False) for m in members]) for n in shots]
