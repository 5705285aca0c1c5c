"""Weights of an ensemble: as given, or chosen on validation scores and never on test."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar, nnls
from scipy.special import expit, logit, softmax
from sklearn.metrics import log_loss

import featprobe as fp
from featprobe.core.errors import InputError
from featprobe.evaluation import results
from featprobe.evaluation.results import Result
from featprobe.evaluation.val_scores import ARRAYS, val_scored
from featprobe.leaderboard.ensemble_weights import combined, on_val, read_weights
from featprobe.leaderboard.ensembles import ensemble
from featprobe.leaderboard.row_labels import probe_name
from tests.support.probed import N, features, probed

GRID = fp.LogisticProbe((0.1, 1.0))


def arrays(cache: Path, r: Result) -> dict:
    return dict(np.load(results.scores_file(cache, r)))


def members_of(cache: Path, seeds=(0, 1, 2), protocol=None, probe=GRID, **options) -> list[Result]:
    return [r for r in probed(cache, seeds, protocol, probe, **options) if r.selected]


def test_validation_scores_are_kept_as_the_fit_to_train_gives_them(cache: Path) -> None:
    (r,) = members_of(cache, (0,), fp.Full(refit=False))
    kept = arrays(cache, r)
    f = features(0)
    val = f.split == "val"
    np.testing.assert_array_equal(np.sort(kept["val_ids"]), np.sort(f.ids[val]))
    assert kept["val_scores"].dtype == np.float32
    scored = val_scored(cache, r)
    model = fp.LogisticProbe(r.params["Cs"]).fit(f.x()[f.split == "train"], f.y[f.split == "train"])
    order = [list(f.ids).index(i) for i in scored.ids]
    np.testing.assert_allclose(scored.tries[0], model.predict_proba(f.x()[order]), atol=1e-5)
    np.testing.assert_array_equal(scored.y, f.y[order])


@pytest.mark.parametrize("combine", ["probabilities", "logits"])
@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_given_weights_are_the_weighted_mean_by_hand(cache: Path, task, combine) -> None:
    members = members_of(cache, task=task)
    p = np.stack([arrays(cache, r)["scores"][0] for r in members])
    made = ensemble(cache, members, combine, weights=("2", "1", "0"), resamples=20, save=True)
    w = np.array([2, 1, 0]) / 3
    expected = np.einsum("m,mnc->nc", w, p)
    if combine == "logits" and task == "multilabel":
        expected = expit(np.einsum("m,mnc->nc", w, logit(p)))
    elif combine == "logits":
        expected = softmax(np.einsum("m,mnc->nc", w, np.log(p)), axis=1)
    np.testing.assert_allclose(arrays(cache, made)["scores"][0], expected, rtol=1e-5)
    assert made.params["weights"] == pytest.approx(w.tolist())
    assert probe_name(made) == "ensemble 3 linear, weighted"
    assert any("0.667 net0 / linear" in text for text in made.notes)


def test_given_weights_stay_with_their_members_and_equal_ones_are_equal(cache: Path) -> None:
    a, b, _ = members_of(cache)
    one = ensemble(cache, [a, b], weights=(2, 1), resamples=20)
    same = ensemble(cache, [b, a], weights=(1, 2), resamples=20)
    other = ensemble(cache, [a, b], weights=(1, 2), resamples=20)
    plain = ensemble(cache, [a, b], resamples=20)
    alike = ensemble(cache, [a, b], weights=(3, 3), resamples=20)
    assert one.id == same.id
    assert len({one.id, other.id, plain.id}) == 3
    assert len({r.cell for r in (one, other, plain)}) == 3
    assert alike.id == plain.id
    assert "weights" not in plain.params


@pytest.mark.parametrize("combine", ["probabilities", "logits"])
def test_val_chooses_the_weights_of_its_least_log_loss(cache: Path, combine: str) -> None:
    members = members_of(cache, (0, 1))
    made = ensemble(cache, members, combine, weights="val", resamples=20, save=True)
    several = [val_scored(cache, r) for r in members]
    y, p = several[0].y, np.stack([s.tries[0] for s in several]).astype(float)

    def loss(w: float) -> float:
        q = w * p[0] + (1 - w) * p[1]
        if combine == "logits":
            q = softmax(w * np.log(p[0]) + (1 - w) * np.log(p[1]), axis=1)
        return log_loss(y, q / q.sum(1, keepdims=True))

    best = minimize_scalar(loss, (0, 1), (0, 1), method="bounded", options={"xatol": 1e-8})
    assert made.params["weights"][0] == pytest.approx(best.x, abs=2e-3)
    assert made.val["log_loss"] == pytest.approx(best.fun, abs=1e-6)
    assert made.searched == ["weights"]
    assert made.params["weighted"] == "val"
    assert probe_name(made) == "ensemble 2 linear, weights by val"
    assert results.latest(results.read(cache))[-1].id == made.id


def test_values_have_the_weights_of_the_least_squares(cache: Path) -> None:
    members = members_of(cache, probe=fp.RidgeProbe(), task="regression")
    made = ensemble(cache, members, weights="val", resamples=20)
    several = [val_scored(cache, r) for r in members]
    x = np.stack([s.tries[0][:, 0] for s in several], axis=1).astype(float)
    y = several[0].y
    big = 1e4 * np.abs(y).max()  # a row so heavy that the sum is 1
    w, _ = nnls(np.vstack([x, np.full(3, big)]), np.r_[y, big])
    np.testing.assert_allclose(made.params["weights"], w, atol=5e-3)
    assert made.val["mse"] == pytest.approx(np.mean((x @ made.params["weights"] - y) ** 2))


def test_labels_of_test_change_no_weight(cache: Path, tmp_path: Path) -> None:
    y = np.arange(N) // 2 % 3
    test = np.arange(N) // 6 % 3 == 2
    other = np.where(test, (y + 1) % 3, y)
    here = ensemble(cache, members_of(cache, (0, 1)), weights="val", resamples=20)
    x = [features(s).x() for s in (0, 1)]
    members = []
    for seed in (0, 1):
        f = fp.FeatureSet.from_arrays(
            {"cls": x[seed]}, other, groups=np.arange(N) // 2, dataset="films",
            split=features(0).split, classes=("a", "b", "c"), backbone=f"net{seed}",
        )  # fmt: skip
        members += fp.evaluate(
            f, GRID, fp.Full(), resamples=20, save=True, cache=tmp_path / "other"
        )
    there = ensemble(tmp_path / "other", members, weights="val", resamples=20)
    assert there.params["weights"] == here.params["weights"]
    assert there.metrics != here.metrics


@pytest.mark.parametrize(
    "protocol", [fp.CrossVal(folds=4), fp.FewShot(shots=(4,), tries=3, choose=True)],
    ids=["cv", "fewshot"],
)  # fmt: skip
def test_each_fold_and_try_has_weights_by_its_own_val(cache: Path, protocol) -> None:
    members = members_of(cache, (0, 1), protocol)
    made = ensemble(cache, members, weights="val", resamples=20, save=True)
    each = np.array(made.params["weights"])
    several = [val_scored(cache, r) for r in members]
    assert len(each) == len(several[0].tries)
    np.testing.assert_allclose(each.sum(1), 1)
    mine, one, other = (results.scored(cache, r) for r in (made, *members))
    for t, w in enumerate(each):
        np.testing.assert_allclose(
            mine.tries[t], w[0] * one.tries[t] + w[1] * other.tries[t], rtol=1e-5
        )
        rows = several[0].parts()[t][0]
        tested = one.parts()[t][0]
        assert not set(several[0].ids[rows]) & set(one.ids[tested])
    assert any("on average over" in text for text in made.notes)


def test_records_without_validation_scores_say_what_to_run_again(cache: Path) -> None:
    members = members_of(cache, (0, 1))
    file = results.scores_file(cache, members[1])
    np.savez(file, **{k: v for k, v in arrays(cache, members[1]).items() if k not in ARRAYS})
    assert ensemble(cache, members, resamples=20)  # as an earlier version kept it
    with pytest.raises(InputError, match="net1 / linear: .*run 'featprobe linear' again to keep"):
        ensemble(cache, members, weights="val", resamples=20)
    few = probed(cache, (0, 1), fp.FewShot(shots=(2,), tries=2))
    with pytest.raises(InputError, match="run with --choose-on-val"):
        ensemble(cache, few, weights="val", resamples=20)
    lone = probed(cache, (0, 1), probe=fp.KNNProbe(5))  # nothing to choose: val was not looked at
    with pytest.raises(InputError, match="run 'featprobe knn' again .*--no-refit where one"):
        ensemble(cache, [r for r in lone if r.selected], weights="val", resamples=20)
    loo = [r for s in (0, 1) for r in fp.evaluate(features(s), fp.KNNProbe(5), "loo", resamples=20,
                                                  save=True, cache=cache)]  # fmt: skip
    with pytest.raises(InputError, match="loo does not look at val"):
        ensemble(cache, loo, weights="val", resamples=20)


def test_validation_scores_of_other_items_choose_nothing(cache: Path) -> None:
    members = members_of(cache, (0, 1))
    kept = arrays(cache, members[1])
    np.savez(results.scores_file(cache, members[1]), **kept | {"val_y": (kept["val_y"] + 1) % 3})
    with pytest.raises(InputError, match="validation scores of other items or labels"):
        on_val(cache, members, "probabilities", 1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["1"], "1 weights for 2 members"),
        (["1", "-1"], "at least 0"),
        (["0", "0"], "not all of them 0"),
        (["1", "nan"], "at least 0"),
        (["test"], "equal, val .* not test"),
        (["val", "1"], "not val 1"),
    ],
)
def test_what_is_no_weight_is_said(words, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_weights(words, 2)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.floats(0.01, 10), min_size=3, max_size=3), st.integers(0, 2**32 - 1),
    st.sampled_from(["probabilities", "logits"]),
)  # fmt: skip
def test_any_weights_give_probabilities_between_those_of_the_members(w, seed, combine) -> None:
    p = softmax(np.random.default_rng(seed).normal(0, 2, (3, 5, 4)), axis=-1)
    made = combined("multiclass", p, combine, np.array(read_weights(w, 3)))
    np.testing.assert_allclose(made.sum(1), 1)
    if combine == "probabilities":
        assert (made <= p.max(0) + 1e-12).all()
        assert (made >= p.min(0) - 1e-12).all()
    scaled = combined("multiclass", p, combine, np.array(read_weights([7 * v for v in w], 3)))
    np.testing.assert_allclose(made, scaled)


def test_a_member_that_only_disturbs_is_left_out(cache: Path) -> None:
    rng = np.random.default_rng(5)
    (good,) = members_of(cache, (0,))
    (bad,) = members_of(cache, (7,))
    kept = arrays(cache, bad)
    noise = softmax(rng.normal(0, 4, kept["val_scores"].shape), axis=1)
    np.savez(results.scores_file(cache, bad), **kept | {"val_scores": noise.astype(np.float32)})
    made = ensemble(cache, [good, replace(bad)], weights="val", resamples=20)
    assert made.params["weights"][0] > 0.9
