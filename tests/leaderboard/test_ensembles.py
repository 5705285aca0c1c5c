"""Ensembles: averages by hand, and which results may be averaged."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, logit, softmax
from scipy.stats import gmean
from sklearn.metrics import mean_absolute_error, roc_auc_score

import featprobe as fp
from featprobe.core.errors import InputError
from featprobe.evaluation import results
from featprobe.evaluation.results import Result
from featprobe.leaderboard.compare import compare
from featprobe.leaderboard.ensembles import ensemble
from featprobe.leaderboard.leagues import league
from tests.support.probed import N, features, probed


def scores(cache: Path, r: Result) -> np.ndarray:
    return np.load(results.scores_file(cache, r))["scores"]


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_scores_are_the_averages_by_hand(cache: Path, task: str) -> None:
    members = probed(cache, task=task)
    p = np.stack([scores(cache, r)[0] for r in members])
    mean = ensemble(cache, members, resamples=50, save=True)
    np.testing.assert_allclose(scores(cache, mean)[0], p.mean(0))
    logits = ensemble(cache, members, "logits", resamples=50, save=True)
    if task == "multilabel":
        expected = expit(logit(p).mean(0))
    else:
        expected = gmean(p, axis=0)
        expected /= expected.sum(1, keepdims=True)
        np.testing.assert_allclose(expected, softmax(np.log(p).mean(0), axis=1))
    np.testing.assert_allclose(scores(cache, logits)[0], expected, rtol=1e-6)
    y = np.load(results.scores_file(cache, mean))["y"]
    known = [~np.isnan(y[:, c]) if y.ndim == 2 else np.full(len(y), True) for c in range(3)]
    auroc = [
        roc_auc_score(y[k, c] if y.ndim == 2 else y == c, p.mean(0)[k, c])
        for c, k in enumerate(known)
    ]
    assert mean.metrics["auroc"] == pytest.approx(np.mean(auroc))
    low, high = mean.ci["auroc"]
    assert low < mean.metrics["auroc"] < high
    assert (mean.backbone, mean.probe) == ("net0 + net1 + net2", "ensemble")
    line = mean.to_json()
    assert Result.from_dict(json.loads(line)).to_json() == line


def test_values_are_averaged_as_they_are(cache: Path) -> None:
    members = probed(cache, probe=fp.RidgeProbe(), task="regression")
    mean = ensemble(cache, members, resamples=50, save=True)
    p = np.mean([scores(cache, r)[0] for r in members], axis=0)
    y = np.load(results.scores_file(cache, mean))["y"]
    assert mean.metrics["mae"] == pytest.approx(mean_absolute_error(y, p[:, 0]))


@pytest.mark.parametrize(
    "protocol", [fp.FewShot(shots=(2,), tries=3), fp.CrossVal(folds=4)], ids=["fewshot", "cv"]
)
def test_tries_and_folds_are_averaged_each_with_its_own(cache: Path, protocol) -> None:
    members = probed(cache, protocol=protocol)
    mean = ensemble(cache, members, resamples=50, save=True)
    expected = np.mean([scores(cache, r) for r in members], axis=0)
    np.testing.assert_allclose(scores(cache, mean), expected, rtol=1e-6)  # float32
    scored = [results.scored(cache, r) for r in (mean, members[0])]
    for one, other in zip(*(s.parts() for s in scored)):
        np.testing.assert_array_equal(one[0], other[0])
    assert len(scored[0].tries) == len(scored[1].tries)
    assert mean.metrics["auroc"] == pytest.approx(scored[0].mean(["auroc"])["auroc"])
    assert league(mean) == league(members[0])


def test_it_stands_in_the_league_of_its_members_and_is_compared_with_them(cache: Path) -> None:
    members = probed(cache)
    mean = ensemble(cache, members, resamples=50, save=True)
    kept = results.latest(results.read(cache))
    assert [r.id for r in kept] == [*(r.id for r in members), mean.id]
    assert league(mean) == league(members[0])
    made, notes = compare(cache, kept, between="all", against="ensemble 3 linear", resamples=50)
    assert not notes
    assert len(made) == 3
    assert all(c.other.id == mean.id for c in made)
    again = ensemble(cache, members, resamples=50, save=True)
    assert again.id == mean.id  # the same ensemble is one line, not two
    assert len(results.read(cache)) == 4
    other = ensemble(cache, members[:2], resamples=50, save=True)
    assert other.cell != mean.cell


def test_an_ensemble_of_one_probe_with_itself_elsewhere_is_that_probe(cache: Path) -> None:
    (one,) = probed(cache, seeds=(0,))
    (same,) = probed(cache, seeds=(0,))
    mean = ensemble(cache, [one, same], resamples=50)
    np.testing.assert_allclose(mean.metrics["auroc"], one.metrics["auroc"])


def test_thresholds_of_members_are_not_taken_over(cache: Path) -> None:
    members = probed(cache, task="multilabel")
    assert all(r.thresholds for r in members)
    mean = ensemble(cache, members, resamples=50)
    assert not mean.thresholds
    assert any("thresholds that val chose" in n for n in mean.notes)


def test_a_mean_over_patients_is_of_patients(cache: Path) -> None:
    members = [
        r for s in (0, 1)
        for r in fp.evaluate(features(s), fp.LogisticProbe(1.0), level="patient", resamples=50,
                             save=True, cache=cache)
    ]  # fmt: skip
    mean = ensemble(cache, members, resamples=50, save=True)
    one, other = (results.scored(cache, r) for r in members)
    np.testing.assert_allclose(
        results.scored(cache, mean).tries[0], (one.tries[0] + other.tries[0]) / 2
    )
    assert league(mean) == league(members[0])


def swapped() -> np.ndarray:
    return np.array(["train", "test", "val"])[np.arange(N) // 6 % 3]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"split": swapped()}, "differ in split"),
        ({"y": np.arange(N) // 4 % 3}, "differ in labels"),
        ({"task": "multilabel"}, "differ in task"),
        ({"ids": [f"other{i}" for i in range(N)]}, "differ in split"),
    ],
    ids=["split", "labels", "task", "items"],
)
def test_other_splits_labels_and_items_are_refused(cache: Path, changes, said: str) -> None:
    one, other = probed(cache, (0,)), probed(cache, (1,), **changes)
    with pytest.raises(InputError, match=f"films / net0 / linear and films / net1 .*{said}"):
        ensemble(cache, [*one, *other])


def test_other_protocols_shots_and_draws_are_refused(cache: Path) -> None:
    few = probed(cache, (0,), fp.FewShot(shots=(1, 2), tries=2))
    with pytest.raises(InputError, match="differ in shots, draws .1 shots and 2 shots"):
        ensemble(cache, few)
    other = probed(cache, (1,), fp.FewShot(shots=(1,), tries=2, seed=5))
    with pytest.raises(InputError, match="differ in draws"):
        ensemble(cache, [few[0], *other])
    with pytest.raises(InputError, match="differ in protocol"):
        ensemble(cache, [few[0], *probed(cache, (1,))])


def test_what_is_no_ensemble_is_refused(cache: Path) -> None:
    one, other = probed(cache, (0, 1))
    for members, said in (
        ([one], "two members or more"),
        ([one, one], f"{one.id}. is there twice: it would weigh double"),
    ):
        with pytest.raises(InputError, match=said):
            ensemble(cache, members)
    with pytest.raises(InputError, match="averaged as probabilities or logits, not 'ranks'"):
        ensemble(cache, [one, other], "ranks")
    results.scores_file(cache, other).unlink()
    with pytest.raises(InputError, match="the scores of this result are not there"):
        ensemble(cache, [one, other])


def test_scores_that_are_no_probabilities_are_refused(cache: Path) -> None:
    one, other = probed(cache, (0, 1))
    file = results.scores_file(cache, other)
    arrays = dict(np.load(file))
    arrays["scores"] = np.log(arrays["scores"])
    np.savez(file, **arrays)
    other.metrics.clear()
    with pytest.raises(InputError, match="its scores are no probabilities"):
        ensemble(cache, [one, other])
