"""Intervals of the difference between one probe's values on two test sets."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtri

from featprobe.metrics.item_scores import ItemScores
from featprobe.stats.gap import correlations, difference, gaps
from featprobe.stats.intervals import intervals
from featprobe.stats.resampling import bootstrap
from featprobe.stats.score import wilson


def scored(rng, patients, truth, each=1, share=0.4, name="p") -> ItemScores:
    """Two classes whose normal scores have the AUROC ``truth``; half of the noise is a patient's
    where one has several items."""
    n = patients * each
    group = np.repeat(np.arange(patients), each)
    y = (rng.random(n) < share).astype(int)
    y[:2] = 0, 1
    own = rng.normal(size=n)
    noise = (rng.normal(size=patients)[group] + own) / np.sqrt(2) if each > 1 else own
    at = np.sqrt(2) * ndtri(truth) * y + noise
    second = 1 / (1 + np.exp(-at))
    ids = np.array([f"{name}{i}" for i in range(n)])
    groups = np.array([f"{name}{g}" for g in group])
    p = np.stack([1 - second, second], axis=1)
    return ItemScores("multiclass", ids, y, groups, [p], classes=("no", "yes"))


def test_of_two_shares_it_is_newcombes_hybrid_score_interval() -> None:
    # Newcombe 1998, "Interval estimation for the difference between independent proportions",
    # Statistics in Medicine 17: table II, method 10, without continuity correction
    z = float(ndtri(0.975))
    for (a, m), (b, n), low, high in (
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 10), 0.6075, 1.0),
        ((0, 10), (0, 10), -0.2775, 0.2775),
    ):
        one, other = wilson(a / m, m, z), wilson(b / n, n, z)
        assert difference(a / m, b / n, one, other) == pytest.approx((low, high), abs=5e-5)


def test_undefined_ends_give_none_and_what_goes_together_a_shorter_interval() -> None:
    nan = float("nan")
    assert all(np.isnan(difference(0.9, 0.8, (nan, nan), (0.7, 0.9))))
    apart = difference(0.9, 0.8, (0.85, 0.93), (0.7, 0.87))
    together = difference(0.9, 0.8, (0.85, 0.93), (0.7, 0.87), 0.6)
    assert apart[0] < together[0] < 0.1 < together[1] < apart[1]
    values, ends = gaps({"auroc": 0.9, "f1": 0.5}, {"auroc": 0.8}, {"auroc": (0.85, 0.93)},
                        {"auroc": (0.7, 0.87)})  # fmt: skip
    assert values == {"auroc": pytest.approx(0.1)}
    assert ends == {"auroc": apart}


def held(home, away, each, metric, runs, seed=5, share=0.4) -> float:
    """In how many of simulated pairs of test sets the interval of the gap holds the true one."""
    rng, found = np.random.default_rng(seed), 0
    for run in range(runs):
        sides = []
        for k, (patients, truth) in enumerate((home, away)):
            s = scored(rng, patients, truth, each, share, "ab"[k])
            values = s.mean([metric])
            boot = bootstrap(s, wanted=[metric], resamples=100, seed=run)
            sides.append((values, intervals(s, values, boot).ci))
        (one, of_one), (other, of_other) = sides
        low, high = gaps(other, one, of_other, of_one)[1][metric]
        found += low <= away[1] - home[1] <= high
    return found / runs


@pytest.mark.parametrize(
    ("home", "away", "each"), [((80, 0.95), (60, 0.8), 1), ((40, 0.99), (100, 0.97), 2)]
)
def test_the_interval_of_a_gap_holds_the_truth(home, away, each) -> None:
    assert held(home, away, each, "auroc", 50) >= 0.9


def test_patients_of_both_sets_are_resampled_together() -> None:
    rng = np.random.default_rng(2)
    one = scored(rng, 60, 0.8)
    assert correlations(one, one, resamples=200, seed=0)["auroc"] == pytest.approx(1)
    other = scored(rng, 60, 0.8, name="q")
    found = correlations(one, other, resamples=1000, seed=0)
    assert abs(found["auroc"]) < 0.12
    assert abs(found["accuracy"]) < 0.12
    assert "auroc:yes" in found
