"""Components of variance of a mean over tries."""

from __future__ import annotations

import numpy as np
import pytest

from featprobe.metrics.item_scores import ItemScores
from featprobe.stats.components import components
from featprobe.stats.resampling import bootstrap


def test_a_mean_varies_by_both_components_together() -> None:
    """Numbers with an effect of the try and one of the patient, both of known variance."""
    tries, patients, found, means = 8, 60, [], []
    for t in range(120):
        rng = np.random.default_rng(t)
        error = 5 + rng.normal(0, 0.8, patients)  # the absolute error of each patient
        shift = rng.normal(0, 0.3, tries)  # of each try
        scored = ItemScores(
            "regression", np.arange(patients).astype(str), np.zeros(patients), np.arange(patients),
            [(error + s)[:, None] for s in shift],
        )  # fmt: skip
        boot = bootstrap(scored, wanted=["mae"], resamples=60, seed=t)["mae"]
        values = scored.values(["mae"])["mae"]
        means.append(values.mean())
        found.append(components(values, boot))
    between, in_mean, from_patients = np.mean(found, axis=0)
    assert between == pytest.approx(0.3**2, rel=0.15)
    assert from_patients == pytest.approx(0.8**2 / patients, rel=0.15)
    assert in_mean == pytest.approx(between / tries)
    assert in_mean + from_patients == pytest.approx(np.var(means), rel=0.3)


def test_one_try_has_no_variance_between_tries() -> None:
    found = components(np.array([0.8]), np.array([0.7, 0.8, 0.9]))
    assert np.isnan(found.tries)
    assert found.patients == pytest.approx(0.01)
