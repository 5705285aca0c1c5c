"""Results of several seeds as one: numbers, and what a seed is not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import featprobe as fp
from featprobe.core.errors import InputError
from featprobe.evaluation import results
from featprobe.evaluation.results import Result
from featprobe.evaluation.seed_means import over_seeds
from featprobe.leaderboard.leagues import league
from featprobe.metrics.item_scores import ItemScores
from featprobe.stats.mean_over_tries import SEEDS, SPLITS
from featprobe.stats.summary import summarize


def features(official: bool, n: int = 240):
    """Two classes that overlap; patients of two items; with an official test or without."""
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(n // 2) % 2, 2)
    x = rng.normal(0, 1, (n, 6)) + 0.8 * y[:, None]
    split = np.where(np.arange(n) < n // 2, "train", "test") if official else None
    return fp.FeatureSet.from_arrays(x, y, groups=np.arange(n) // 2, split=split)


def probed(cache: Path, official: bool, protocol: str = "full", seeds=(0, 1, 2), **options):
    found = features(official)
    kind = {"full": fp.Full, "fewshot": fp.FewShot, "cv": fp.CrossVal}[protocol]
    out: list[Result] = []
    for seed in seeds:
        out += fp.evaluate(
            found, fp.PrototypeProbe(), kind(seed=seed, **options), resamples=100, save=True,
            cache=cache,
        )  # fmt: skip
    return out


@pytest.mark.parametrize("official", [True, False])
def test_the_mean_and_deviation_are_those_of_the_seeds(cache: Path, official: bool) -> None:
    single = probed(cache, official)
    (joined,), notes = over_seeds(cache, single)
    assert not notes
    values = [r.metrics["auroc"] for r in single]
    assert joined.metrics["auroc"] == pytest.approx(np.mean(values))
    assert joined.spread["auroc"] == pytest.approx(np.std(values, ddof=1))
    assert joined.seeds == {str(s): r.id for s, r in enumerate(single)}
    assert joined.ci_method["auroc"].startswith(SEEDS if official else SPLITS)
    low, high = joined.ci["auroc"]
    assert low <= joined.metrics["auroc"] <= high
    line = joined.to_json()
    assert Result.from_dict(json.loads(line)).to_json() == line


def test_fine_tunings_to_masks_that_say_their_seeds_are_joined(cache: Path) -> None:
    single = probed(cache, official=False)
    said = [replace(r, settings=r.settings | {"seeds": [s]}) for s, r in enumerate(single)]
    (joined,), notes = over_seeds(cache, said)
    assert not notes
    assert joined.metrics == over_seeds(cache, single)[0][0].metrics
    assert not {"seed", "seeds"} & set(joined.settings)


def test_the_kept_scores_of_each_seed_reach_what_its_result_says(cache: Path) -> None:
    single = probed(cache, official=False)
    (joined,), _ = over_seeds(cache, single)
    for r, scored in zip(single, [results.scored(cache, r) for r in joined.by_seed()]):
        assert roc_auc_score(scored.y, scored.tries[0][:, 1]) == pytest.approx(r.metrics["auroc"])
    whole = results.scored(cache, joined)
    assert len(whole.tries) == 3
    assert whole.patients == joined.sizes["test_groups"]
    assert whole.patients < sum(r.sizes["test_groups"] for r in single)  # some are in several tests


def test_seeds_are_no_more_patients(cache: Path) -> None:
    """Ten seeds of a probe without draws, on one test: the interval is that of its patients."""
    several = probed(cache, official=True, seeds=range(10))
    (joined,), _ = over_seeds(cache, several)
    assert joined.spread["auroc"] < 0.02
    low, high = joined.ci["auroc"]
    one = several[0].ci["auroc"]
    assert high - low > 0.8 * (one[1] - one[0])


@pytest.mark.parametrize("official", [True, False])
def test_few_shots_and_folds_are_joined(cache: Path, official: bool) -> None:
    few = probed(cache, official, "fewshot", shots=(1, 4), tries=3)
    joined, notes = over_seeds(cache, few)
    assert not notes
    assert [r.shots for r in joined] == [1, 4]
    one = [r.metrics["auroc"] for r in few if r.shots == 1]
    assert joined[0].spread["auroc"] == pytest.approx(np.std(one, ddof=1))
    folds = probed(cache, official, "cv", folds=3)
    (cv,), _ = over_seeds(cache, folds)
    assert cv.metrics["auroc"] == pytest.approx(np.mean([r.metrics["auroc"] for r in folds]))
    assert cv.sizes["test_groups"] == folds[0].sizes["test_groups"]


def test_other_seeds_are_another_league_and_other_cells_stay_apart(cache: Path) -> None:
    three, two = probed(cache, True), probed(cache, True, seeds=(0, 1))
    (a,), (b,) = over_seeds(cache, three)[0], over_seeds(cache, two)[0]
    assert league(a) != league(b)
    parts = probed(cache, True, subset=0.5)
    joined, _ = over_seeds(cache, [*three, *parts])
    assert [len(r.seeds) for r in joined] == [3, 3]
    alone, _ = over_seeds(cache, three[:1])
    assert alone == three[:1]


def test_scores_that_are_gone_are_said_and_the_results_stay(cache: Path) -> None:
    single = probed(cache, True)
    results.scores_file(cache, single[1]).unlink()
    found, notes = over_seeds(cache, single)
    assert found == single
    assert len(notes) == 1
    assert "are not there" in notes[0]


def test_items_that_differ_between_seeds_are_refused() -> None:
    ids, y, p = np.array(["a", "b"]), np.array([0, 1]), np.eye(2)
    one = ItemScores("multiclass", ids, y, ids, [p])
    with pytest.raises(InputError, match="differ between seeds"):
        ItemScores.tried([one, ItemScores("multiclass", ids, 1 - y, ids, [p])])


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5])
def test_the_interval_holds_the_truth_under_new_seeds_and_patients(seeds: int) -> None:
    """Accuracy .8, to which a seed adds a normal deviate of .04: 95 % of 150 studies, within 3
    standard errors of a simulation of that length; the interval of one fit fails it."""
    held = alone = 0
    for run in range(150):
        rng = np.random.default_rng(run)
        n, truth = 150, 0.8
        y, base = rng.integers(0, 2, n), rng.random(n)
        tries = []
        for reached in truth + rng.normal(0, 0.04, seeds):
            right = base < reached  # the same patients are the hard ones under every seed
            said = np.where(right, y, 1 - y)
            tries.append(np.stack([1 - said, said], 1).astype(float))
        ids = np.arange(n).astype(str)
        scored = ItemScores("multiclass", ids, y, ids, tries)
        found = summarize(scored, resamples=100, seed=run, draws=False, seeds=1)
        low, high = found.intervals.ci["accuracy"]
        held += low <= truth <= high
        one = ItemScores("multiclass", ids, y, ids, tries[:1])
        low, high = summarize(one, resamples=100, seed=run, draws=False).intervals.ci["accuracy"]
        alone += low <= truth <= high
    assert held / 150 >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 150)
    assert alone < held
