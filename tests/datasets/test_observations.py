"""Label sets of CheXpert: which labels there are, and what uncertain and blank become."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from featprobe.datasets.catalog.chexpert import OBSERVATIONS
from featprobe.datasets.observations import COMPETITION, LABELS, RAD, observed

CELLS = np.random.default_rng(0).choice([1, 0, -1, np.nan], (300, 14), p=[0.1, 0.2, 0.1, 0.6])


@pytest.mark.parametrize(
    "uncertain, unmentioned, expected",
    [
        ("ignore", "zeros", [1, 0, np.nan, 0]), ("zeros", "zeros", [1, 0, 0, 0]),
        ("ones", "zeros", [1, 0, 1, 0]), ("ones", "ignore", [1, 0, 1, np.nan]),
        ("ignore", "ignore", [1, 0, np.nan, np.nan]), ("own", "zeros", [1, 0, 0, 0]),
    ],
)  # fmt: skip
def test_policies_of_uncertain_and_unmentioned(uncertain, unmentioned, expected) -> None:
    cells = np.full((4, 14), 0.0)
    cells[:, 3] = [1, 0, -1, np.nan]
    targets, names = observed(cells, OBSERVATIONS, "14", uncertain, unmentioned)
    np.testing.assert_array_equal(targets[:, 3], expected)
    if uncertain == "own":  # of the one label that is ever uncertain
        assert names == (*OBSERVATIONS, f"{OBSERVATIONS[3]} (uncertain)")
        assert targets[:, 14].tolist() == [0, 0, 1, 0]


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("uncertain", ["ignore", "zeros", "ones", "own"])
def test_every_label_set_under_every_policy(labels: str, uncertain: str) -> None:
    targets, names = observed(CELLS, OBSERVATIONS, labels, uncertain, "zeros")
    assert targets.shape == (300, len(names))
    assert len(set(names)) == len(names)
    assert set(np.unique(targets[~np.isnan(targets)])) <= {0, 1}
    assert np.isnan(targets).any() == (uncertain == "ignore")


def test_rad_has_a_sixth_label_of_what_is_uncertain() -> None:
    table = pd.DataFrame(CELLS, columns=OBSERVATIONS)[list(RAD)]
    targets, names = observed(CELLS, OBSERVATIONS, "5+uncertain", "zeros", "zeros")
    assert names == (*RAD, "Uncertain")
    assert sorted(RAD) == sorted(COMPETITION)
    np.testing.assert_array_equal(targets[:, 5], (table == -1).any(axis=1))
    np.testing.assert_array_equal(targets[:, :5], table.fillna(0).replace(-1, 0))


def test_wacv_calls_what_has_nothing_no_finding() -> None:
    rows = np.array(pd.DataFrame(CELLS).fillna(0).replace(-1, 0))
    rows[rows.sum(1) == 0, 0] = 1
    targets, names = observed(CELLS, OBSERVATIONS, "14+none", "zeros", "zeros")
    assert names == OBSERVATIONS
    np.testing.assert_array_equal(targets, rows)
