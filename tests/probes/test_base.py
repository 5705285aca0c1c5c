"""What all probes share: held-out rows, input checks, copies."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import roc_auc_score

from featprobe.core.errors import InputError
from featprobe.probes.base import choose_held_out, hold_out
from featprobe.probes.prototype import PrototypeProbe
from featprobe.probes.ridge import RidgeProbe


def test_a_stratified_tenth_is_held_out() -> None:
    y = np.repeat([0, 1, 2], [500, 300, 200])
    fit, held = hold_out(y)
    assert (fit ^ held).all()
    assert np.bincount(y[held]).tolist() == pytest.approx([50, 30, 20], abs=2)
    values = np.random.default_rng(0).normal(size=200)
    fit, held = hold_out(values)
    assert held.sum() == pytest.approx(20, abs=3)
    labels = (np.random.default_rng(0).random((200, 3)) < 0.3).astype(float)
    assert hold_out(labels)[1].sum() == pytest.approx(20, abs=3)


def test_nothing_is_held_out_where_a_class_would_be_lost() -> None:
    assert hold_out(np.array([0])) is None
    lone = np.array([0] * 9 + [1])
    parts = hold_out(lone)
    assert parts is None or set(lone[parts[0]]) == {0, 1}


def test_the_candidate_that_is_best_on_the_held_out_rows_is_chosen() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 300))
    y = (x[:, 0] + rng.normal(size=400) > 0).astype(int)
    fit, held = hold_out(y)
    areas = [
        roc_auc_score(y[held], RidgeProbe(a).fit(x[fit], y[fit]).predict_proba(x[held])[:, 1])
        for a in (1e-6, 10.0, 1e3)
    ]
    assert len(set(areas)) == 3
    assert choose_held_out(RidgeProbe([1e-6, 10.0, 1e3]), x, y) == np.argmax(areas)
    assert choose_held_out(RidgeProbe([1.0, 2.0, 3.0]), x[:1], y[:1]) == 1  # the middle


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (sparse.csr_matrix(np.eye(4)), np.array([0, 1, 0, 1]), "sparse features are not supported"),
        (np.eye(4), None, "requires y to be passed"),
        (np.eye(4), np.zeros((4, 2, 2)), r"\(N,\) or \(N, C\) array, not of shape \(4, 2, 2\)"),
        (np.eye(4), np.array([0.5, 1, 2, 3]), "Unknown label type: continuous"),
    ],
)
def test_input_that_no_probe_takes_is_told(x, y, message: str) -> None:
    with pytest.raises(InputError, match=message):
        PrototypeProbe().fit(x, y)


def test_whole_numbers_as_floats_are_classes() -> None:
    y = np.array([2.0, 5.0, 2.0, 5.0])
    assert PrototypeProbe().fit(np.eye(4), y).classes_.tolist() == [2.0, 5.0]
