"""Calibrated probes."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import log_loss
from sklearn.model_selection import PredefinedSplit, cross_val_predict

from featprobe.core.errors import InputError, UnknownName
from featprobe.probes.calibrated import CalibratedProbe
from featprobe.probes.knn import KNNProbe
from featprobe.probes.logistic import LogisticProbe
from featprobe.probes.prototype import PrototypeProbe
from featprobe.probes.temperature import temperature, tempered
from featprobe.splits import assign as splits
from tests.benchmarks.inference.calibration import errors


def data(n: int = 400, seed: int = 0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 40))
    return x, (x[:, :3] * 2 + rng.normal(size=(n, 3)) * 2).argmax(1)


def test_it_is_the_probe_on_all_rows_at_the_temperature_of_scores_out_of_fold() -> None:
    """scikit-learn's cross_val_predict makes the scores that the temperature is chosen on."""
    x, y = data()
    groups = np.arange(200) // 2
    found = CalibratedProbe(LogisticProbe(10.0)).fit(x[:200], y[:200], groups=groups)
    part = splits.assign(y[:200], groups, [0.2] * 5)
    scores = cross_val_predict(
        LogisticProbe(10.0), x[:200], y[:200], cv=PredefinedSplit(part), method="predict_proba"
    )
    t = temperature(scores, y[:200])
    whole = LogisticProbe(10.0).fit(x[:200], y[:200]).predict_proba(x[200:])
    np.testing.assert_allclose(found.predict_proba(x[200:]), tempered(whole, t), atol=1e-6)
    assert t > 1


def test_a_temperature_that_few_patients_speak_for_is_left_at_one() -> None:
    """Scores that are calibrated are not made worse by what a few patients happen to be."""
    rng = np.random.default_rng(3)
    z = np.repeat(rng.normal(size=(30, 1)) * 2, 10, axis=0)
    p = np.concatenate([1 - 1 / (1 + np.exp(-z)), 1 / (1 + np.exp(-z))], axis=1)
    groups = np.repeat(np.arange(30), 10)
    y = np.repeat((rng.random(30) < p[::10, 1]).astype(int), 10)
    assert temperature(p, y) != 1
    assert temperature(p, y, groups) == 1
    assert temperature(p, y, np.arange(300)) == temperature(p, y)  # as many as items would do


def test_a_temperature_at_its_bound_is_said() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 300))
    probe = CalibratedProbe(PrototypeProbe(temperature=1e-3)).fit(x, rng.integers(0, 2, 400))
    assert any("the temperature is at the end of its range, 50" in n for n in probe.notes())
    good = CalibratedProbe(LogisticProbe(1.0)).fit(*data())
    assert good.notes() == []


@pytest.mark.parametrize("probe", [LogisticProbe(100.0), KNNProbe(5), PrototypeProbe(0.01)])
def test_probabilities_become_better_and_decisions_stay(probe) -> None:
    x, y = data(1000)
    plain = probe.fit(x[:300], y[:300])
    calibrated = CalibratedProbe(probe).fit(x[:300], y[:300])
    assert (plain.predict(x[300:]) == calibrated.predict(x[300:])).all()
    before, after = (log_loss(y[300:], p.predict_proba(x[300:])) for p in (plain, calibrated))
    assert after < before


def test_each_candidate_has_a_temperature_of_its_own() -> None:
    x, y = data()
    probe = CalibratedProbe(LogisticProbe([1e-3, 1.0, 1e3]))
    assert probe.candidates() == [{"probe__Cs": c} for c in (1e-3, 1.0, 1e3)]
    scores = probe.fit_candidates(x[:200], y[:200]).score_candidates(x[200:])
    for g, candidate in enumerate(probe.candidates()):
        alone = probe.fresh(**candidate).fit_candidates(x[:200], y[:200])
        # a path ends 1e-8 of the objective above the optimum, other starts somewhere else there:
        # probabilities are sqrt(2e-8) apart at most in the mean (Pinsker), here a tenth of that
        np.testing.assert_allclose(scores[g], alone.score_candidates(x[200:])[0], atol=3e-5)


def test_labels_keep_their_order() -> None:
    x, y = data()
    labels = np.stack([y == 0, y == 1], axis=1).astype(float)
    labels[::9, 1] = np.nan
    plain = LogisticProbe(10.0).fit(x, labels).predict_proba(x)
    scores = CalibratedProbe(LogisticProbe(10.0)).fit(x, labels).predict_proba(x)
    assert not np.allclose(plain, scores, atol=1e-3)
    assert (np.argsort(plain, axis=0) == np.argsort(scores, axis=0)).all()


def test_the_probe_given_is_never_changed_or_fitted() -> None:
    x, y = data()
    several = LogisticProbe([0.1, 1.0])
    CalibratedProbe(several).fit(x, y)
    assert set(vars(several)) == set(several.get_params())
    inner = LogisticProbe(1.0)
    outer = CalibratedProbe(inner)
    outer.fit(x, y)
    changed = outer.fresh(probe__Cs=5.0)
    assert inner.Cs == 1.0
    assert changed.probe.Cs == 5.0
    assert set(vars(inner)) == set(inner.get_params())
    assert clone(outer).get_params()["probe__Cs"] == 1.0


def test_too_few_rows_are_said() -> None:
    x, y = data(30)
    probe, plain = CalibratedProbe("prototype").fit(x, y), PrototypeProbe().fit(x, y)
    np.testing.assert_allclose(probe.predict_proba(x), plain.predict_proba(x), atol=1e-12)
    (note,) = probe.notes()
    assert "fewer than 50 items of 10 patients" in note
    assert "not calibrated" in note
    five = np.arange(400) % 9  # nine patients
    assert CalibratedProbe("prototype").fit(*data(), groups=five).notes() == [note]
    assert CalibratedProbe("prototype").fit(*data()).notes() == []
    assert "transductive" in CalibratedProbe("labelprop").notes()[0]


def test_tasks_are_those_of_the_probe_but_regression() -> None:
    assert CalibratedProbe("ridge").tasks == ("multiclass", "ordinal", "multilabel")
    assert CalibratedProbe("ordinal").tasks == ("ordinal",)
    with pytest.raises(UnknownName, match="Did you mean 'ridge'"):
        CalibratedProbe("rigde").candidates()
    with pytest.raises(InputError, match="no parameter 'alpha'"):
        CalibratedProbe("ridge").set_params(probe__alpha=1.0)


def test_ten_images_a_patient_are_calibrated_on_new_patients() -> None:
    """A short form of tests/benchmarks/inference/calibration.py."""
    found = np.array([errors(run, 40, 10, 1.0) for run in range(10)])
    assert (found[:, 1] <= found[:, 0]).mean() >= 0.7
    before, after = np.median(found, axis=0)
    assert after < 0.6 * before
