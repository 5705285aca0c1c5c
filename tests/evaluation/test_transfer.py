"""A probe of one data set tested on others."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

import featprobe as fp
from featprobe.core.errors import InputError
from featprobe.evaluation import results
from featprobe.evaluation.across_sets import same_patients
from featprobe.evaluation.transfer import transfer

NAMES = ("no", "yes")


def films(name, n, gain, seed, *, prefix="", split=False, each=2, classes=NAMES, x=None, y=None):
    """Two classes in 12 features, ``each`` items a patient."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) // each % 2 if y is None else y
    if x is None:
        x = rng.normal(size=(n, 12)) + gain * np.outer(y, np.r_[1, 1, np.zeros(10)])
    part = np.where(np.arange(n) // each % 5 == 0, "test", "train") if split else None
    groups = [f"{prefix}{i // each}" for i in range(n)]
    ids = [f"{name}{i}" for i in range(n)]
    return fp.FeatureSet.from_arrays(
        x, y, groups=groups, ids=ids, classes=classes, dataset=name, backbone="net", split=part
    )


def test_it_is_what_scikit_learn_gives_when_fitted_here_and_scored_there() -> None:
    home, away = films("home", 240, 1.2, 1, split=True), films("away", 200, 0.6, 2, prefix="a")
    inside, outside = transfer(
        home, [away], fp.LogisticProbe(Cs=(0.1,)), resamples=50, threshold=0.5
    )
    train = home.split == "train"
    scale = StandardScaler().fit(home.x()[train])
    model = LogisticRegression(C=0.1, tol=1e-10, max_iter=2000)
    model.fit(scale.transform(home.x()[train]), home.y[train])
    for r, f, rows in ((inside, home, ~train), (outside, away, np.ones(200, bool))):
        p = model.predict_proba(scale.transform(f.x()[rows]))[:, 1]
        assert r.metrics["auroc"] == pytest.approx(roc_auc_score(f.y[rows], p), abs=1e-6)
        hit = (p >= 0.5)[f.y[rows] == 1].mean()
        assert r.metrics["sensitivity"] == pytest.approx(hit, abs=1e-9)
        assert r.sizes["test"] == rows.sum()
    assert outside.gap["auroc"] == outside.metrics["auroc"] - inside.metrics["auroc"]
    low, high = outside.gap_ci["auroc"]
    assert low < outside.gap["auroc"] < high
    assert not inside.gap
    assert inside.in_domain == ""
    assert outside.in_domain == inside.id


def test_in_domain_is_what_evaluate_says() -> None:
    home, away = films("home", 200, 1.0, 1), films("away", 100, 1.0, 2, prefix="a")
    same = fp.evaluate(home, "logistic", resamples=50)[0]
    inside, outside = transfer(home, [away], resamples=50)
    assert inside.metrics == same.metrics
    assert inside.ci == same.ci
    assert inside.params["Cs"] == outside.params["Cs"] == same.params["Cs"]
    assert inside.thresholds == outside.thresholds == same.thresholds
    assert (inside.split["digest"], inside.labels) == (same.split["digest"], same.labels)


def test_several_targets_are_one_fit_and_each_is_scored_as_alone() -> None:
    home = films("home", 200, 1.0, 1)
    others = [films(n, 80, 0.5, s, prefix=n) for n, s in (("b", 2), ("c", 3))]
    together = transfer(home, others, "knn", resamples=20)
    for other, found in zip(others, together[1:]):
        alone = transfer(home, [other], "knn", resamples=20)[1]
        assert found.metrics == alone.metrics
        assert found.gap_ci == alone.gap_ci
    assert [r.dataset for r in together] == ["home", "b", "c"]


def test_test_items_or_all_of_them() -> None:
    home, away = films("home", 200, 1.0, 1), films("away", 160, 1.0, 2, prefix="a", split=True)

    def tested(on):
        return transfer(home, [away], resamples=20, on=on)[1].sizes["test"]

    assert (tested("auto"), tested("test"), tested("all")) == (32, 32, 160)
    plain = films("away", 160, 1.0, 2, prefix="a")
    own = fp.evaluate(plain, "logistic", resamples=20)[0].sizes["test"]
    assert transfer(home, [plain], resamples=20, on="test")[1].sizes["test"] == own
    assert transfer(home, [plain], resamples=20)[1].sizes["test"] == 160


def test_patients_of_both_are_found_said_and_resampled_together() -> None:
    home, away = (
        films("home", 400, 1.0, 1, prefix="mrn90"),
        films("away", 400, 1.0, 2, prefix="mrn90"),
    )
    kept = transfer(home, [away], resamples=100)[1]
    assert kept.sizes["shared_patients"] == 200
    assert "200 patients are in home and in away, by name" in kept.notes
    trained = next(n for n in kept.notes if "trained on" in n)
    assert trained == "320 of 400 test items are of patients who were trained on"
    dropped = transfer(home, [away], resamples=100, shared="drop")[1]
    assert dropped.sizes["test"] == 80
    assert any(n.endswith("who were trained on: left out") for n in dropped.notes)
    apart = transfer(home, [away], resamples=100, patients="apart")[1]
    assert apart.sizes["shared_patients"] == 0
    assert apart.gap == kept.gap
    assert apart.gap_ci["auroc"] != kept.gap_ci["auroc"]


def test_counters_are_not_taken_for_the_same_patients() -> None:
    home, away = films("home", 100, 1.0, 1), films("away", 100, 1.0, 2)
    same, told = same_patients(home, away)
    assert not same
    assert "50 names of patients are in home and in away; they are mere numbers" in told
    assert len(same_patients(home, away, "same")[0]) == 50
    long = [films(n, 100, 1.0, 1, prefix="1002") for n in ("home", "away")]
    assert len(same_patients(*long)[0]) == 50
    alone = fp.FeatureSet.from_arrays(np.zeros((4, 2)), [0, 1, 0, 1], dataset="x")
    assert same_patients(alone, alone) == (set(), "")
    with pytest.raises(InputError, match="are auto, same, apart, not 'maybe'"):
        same_patients(home, away, "maybe")


def test_near_copies_are_found_said_and_can_be_left_out() -> None:
    home, away = films("home", 200, 1.0, 1), films("away", 100, 1.0, 2, prefix="a")
    x = away.x().copy()
    x[7] = home.x()[31] + 1e-4
    twin = films("away", 100, 1.0, 2, prefix="a", x=x)
    found = transfer(home, [twin], resamples=20)[1]
    assert found.sizes["near_duplicates"] == 1
    assert any("1 of 100 test items are nearly the same as an item of home" in n
               and "away7 ~ home31" in n for n in found.notes)  # fmt: skip
    assert transfer(home, [twin], resamples=20, shared="drop")[1].sizes["test"] == 99
    assert transfer(home, [away], resamples=20)[1].sizes["near_duplicates"] == 0


def test_classes_that_are_not_shared_are_said() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(240) // 2 % 3
    x = rng.normal(size=(240, 12)) + 2 * np.eye(12)[y]
    home = films("home", 240, 0, 1, classes=("no", "yes", "other"), x=x, y=y)
    away = films("away", 100, 1.0, 2, prefix="a", classes=("NO", "sick"))
    inside, outside = transfer(home, [away], mapped=["sick=yes"], resamples=20)
    assert (inside.classes, outside.classes) == (2, 2)
    text = "home: 80 items of classes that are not shared are left out: 'other'"
    assert text in inside.notes
    assert text in outside.notes
    assert outside.settings["mapped"] == ["sick=yes"]
    assert outside.settings["classes"] == ["no", "yes"]


def test_results_are_kept_with_their_scores_in_a_league_of_their_own(cache) -> None:
    from featprobe.leaderboard.leagues import league

    home, away = films("home", 200, 1.0, 1), films("away", 100, 1.0, 2, prefix="a")
    third = films("third", 200, 1.0, 3, prefix="t")
    made = [*transfer(home, [away], save=True, resamples=20),
            *transfer(third, [away], save=True, resamples=20)]  # fmt: skip
    kept = results.read(cache)
    assert [r.to_json() for r in kept] == [r.to_json() for r in made]
    assert len(results.latest(kept)) == 4
    assert league(kept[1]) != league(kept[3])
    assert "trained on home" in league(kept[1])[1]
    for r in kept:
        again = results.scored(cache, r).mean(["auroc"])["auroc"]
        assert again == pytest.approx(r.metrics["auroc"])
    assert results.scored(cache, kept[1]).ids[0] == "away0"


def test_other_features_and_useless_requests_are_refused() -> None:
    home, away = films("home", 200, 1.0, 1), films("away", 100, 1.0, 2, prefix="a")
    other = fp.FeatureSet.from_arrays(away.x(), away.y, dataset="away", backbone="another",
                                      classes=NAMES)  # fmt: skip
    for targets, how, why in (
        ([], {}, "name a data set to test on"),
        ([home], {}, "train and test are one data set"),
        ([other], {}, r"were not made as those of home / net \(different: weights\)"),
        ([away], {"on": "val"}, "tested on auto, test, all, not 'val'"),
        ([away], {"shared": "maybe"}, "share is keep or drop, not 'maybe'"),
        ([away], {"protocol": fp.Full(repeats=3)}, "transfer fits once"),
        ([away], {"probe": "labelprop"}, "scores items by those tested with them"),
        (
            [away],
            {"probe": fp.CalibratedProbe("labelprop")},
            "scores items by those tested with them",
        ),
    ):
        with pytest.raises(InputError, match=why):
            transfer(home, targets, **how)
