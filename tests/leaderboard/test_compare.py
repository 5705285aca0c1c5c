"""Paired differences from kept scores."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import featprobe as fp
from featprobe.core.errors import InputError, UnknownName
from featprobe.core.plugins import forget
from featprobe.evaluation import results
from featprobe.evaluation.results import Result
from featprobe.leaderboard.compare import compare
from featprobe.leaderboard.rank_ranges import RankRanges
from featprobe.metrics.item_scores import ItemScores
from tests.evaluation.test_results import result

N = 300


def keep(
    cache, backbone: str, gain: float, *, seed: int = 0, n: int = N, tries: int = 1,
    patients: int = 60, **changes,
) -> Result:  # fmt: skip
    """A result whose scores follow the truth as closely as ``gain`` says, kept in the cache.

    Items are kept in an order of the result's own.
    """
    shared = np.random.default_rng(1)
    y, groups = shared.integers(0, 2, n), np.array([f"p{i % patients:02d}" for i in range(n)])
    ids = np.array([f"i{i:03d}" for i in range(n)])
    rng = np.random.default_rng([seed, *backbone.encode()])
    logit = gain * (2 * y - 1) + rng.normal(size=(tries, n)) + shared.normal(size=n)
    second = 1 / (1 + np.exp(-logit))
    scores = np.stack([1 - second, second], axis=2)
    made = result(backbone=backbone, **changes)
    order = rng.permutation(n)
    of = ItemScores("multiclass", ids, y, groups, list(scores), None, ("no", "yes"))
    made.metrics = of.mean(["auroc", "accuracy", "balanced_accuracy", "f1"])
    assert made.metrics["auroc"] == pytest.approx(np.mean([roc_auc_score(y, s) for s in second]))
    results.append(
        cache, made, ids=ids[order], y=y[order], groups=groups[order], scores=scores[:, order],
        classes=("no", "yes"),
    )  # fmt: skip
    return made


def test_each_is_compared_with_the_best_as_one_of_all_pairs(cache) -> None:
    found = [keep(cache, b, g) for b, g in (("good", 1.0), ("best", 1.6), ("bad", 0.1))]
    made, notes = compare(cache, found, resamples=200)
    assert not notes
    assert [(c.one.backbone, c.other.backbone) for c in made] == [("good", "best"), ("bad", "best")]
    for c in made:
        expected = c.one.metrics["auroc"] - c.other.metrics["auroc"]
        assert c.difference == pytest.approx(expected)
        assert c.low < c.difference < c.high < 0
        assert c.metric == "auroc"
        assert c.pairs == 3
        assert c.adjusted >= c.p
        assert c.adjusted_low <= c.low < c.high <= c.adjusted_high
    assert made[1].adjusted < 0.05


def test_against_a_name_and_all_pairs(cache) -> None:
    found = [keep(cache, b, g) for b, g in (("x", 1.0), ("y", 1.5), ("z", 0.5))]
    made, _ = compare(cache, found, against="z", resamples=50)
    assert [(c.one.backbone, c.other.backbone) for c in made] == [("y", "z"), ("x", "z")]
    made, _ = compare(cache, found, all_pairs=True, resamples=50)
    assert len(made) == 3
    with pytest.raises(UnknownName, match="no result of 'zz'. Did you mean 'z'"):
        compare(cache, found, against="zz")


def test_backbones_are_compared_under_one_probe_and_probes_on_one_backbone(cache) -> None:
    found = [keep(cache, b, 1.0, probe=p) for b in "xy" for p in ("knn", "logistic")]
    for between, same in (("backbones", "probe"), ("probes", "backbone")):
        made, _ = compare(cache, found, between=between, resamples=20)
        assert len(made) == 2
        assert all(getattr(c.one, same) == getattr(c.other, same) for c in made)
    made, _ = compare(cache, found, between="all", resamples=20)
    assert len(made) == 3
    made, _ = compare(cache, found, between="probes", against="linear", resamples=20)
    assert {c.other.probe for c in made} == {"logistic"}


def test_backbones_that_were_not_probed_alike_are_told_what_to_run(cache) -> None:
    found = [keep(cache, "x", 1.0), keep(cache, "y", 1.0, probe="logistic")]
    with pytest.raises(InputError, match="there is x: .*; y: .*Run one probe on both"):
        compare(cache, found)


def test_a_metric_without_weights_is_not_tested_and_says_so(cache) -> None:
    @fp.register("metric", "share_right")
    def share_right(y, p):
        return float((p.argmax(1) == y).mean())

    found = [keep(cache, b, g) for b, g in (("x", 1.0), ("y", 1.5))]
    try:
        with pytest.raises(InputError, match="share_right cannot be tested: .* no weights"):
            compare(cache, found, "share_right", resamples=20)
        for r in found:
            r.metrics["share_right"] = r.metrics["accuracy"]
        ranks = RankRanges(cache, resamples=20)
        assert {s.why for s in ranks(found, "share_right").values()} == {"not tested"}
        assert "takes no weights" in ranks.notes[0]
    finally:
        forget("metric", "share_right")


def test_the_metric_of_one_class_or_of_decisions_is_compared(cache) -> None:
    found = [keep(cache, b, g) for b, g in (("x", 1.0), ("y", 1.5))]
    by_class, _ = compare(cache, found, "auroc:yes", resamples=20)
    assert abs(by_class[0].difference) == pytest.approx(
        abs(found[0].metrics["auroc"] - found[1].metrics["auroc"])
    )
    assert compare(cache, found, "f1", resamples=20)[0][0].metric == "f1"
    with pytest.raises(InputError, match="no metric 'auroc:maybe'"):
        compare(cache, found, "auroc:maybe")


def test_other_items_splits_tries_and_missing_scores_are_left_out_and_said(cache) -> None:
    best, other = keep(cache, "best", 1.6), keep(cache, "other", 1.0)
    fewer, more = keep(cache, "fewer", 1.0, n=200), keep(cache, "more", 1.0, tries=3)
    lost = keep(cache, "lost", 1.0)
    results.scores_file(cache, lost).unlink()
    elsewhere = keep(cache, "elsewhere", 1.0, split={"digest": "b"})
    made, notes = compare(cache, [best, other, fewer, more, lost, elsewhere], resamples=20)
    assert [(c.one.backbone, c.other.backbone) for c in made] == [("other", "best")]
    assert len(notes) == 3
    for name, why in (
        ("fewer", "test items are others"), ("more", "3 tries where"), ("lost", "are not there"),
    ):  # fmt: skip
        assert any(name in n and why in n for n in notes), name
    with pytest.raises(InputError, match="no two results of the same test items"):
        compare(cache, [best, elsewhere])
    with pytest.raises(InputError, match=r"to compare between backbones: films / lost"):
        compare(cache, [best, lost])


def test_what_would_bring_two_results_together_is_said_and_does(cache) -> None:
    """The views of one were chosen on val, those of the other were not."""
    one = keep(cache, "one", 1.6, probe="knn", params={"k": 5})
    other = keep(cache, "one", 1.0, settings={"views": ["cls", "mean"]})
    with pytest.raises(InputError, match=r"differ in selection .*: add --across selection$"):
        compare(cache, [one, other], between="probes")
    made, _ = compare(cache, [one, other], between="probes", across=("selection",), resamples=20)
    assert len(made) == 1


def test_other_patients_are_not_compared(cache) -> None:
    one, other = keep(cache, "one", 1.6), keep(cache, "other", 1.0)
    file = results.scores_file(cache, other)
    arrays = dict(np.load(file))
    arrays["groups"] = arrays["groups"][::-1]
    np.savez(file, **arrays)
    with pytest.raises(InputError, match="labels or patients of its test items differ"):
        compare(cache, [one, other])


def test_other_folds_are_not_compared(cache) -> None:
    one, other = keep(cache, "one", 1.6), keep(cache, "other", 1.0)

    def folded(r: Result, shift: int) -> None:
        file = results.scores_file(cache, r)
        arrays = dict(np.load(file))
        number = np.array([int(i[1:]) for i in arrays["ids"]])
        np.savez(file, **arrays | {"fold": (number + shift) // 2 % 3})
        r.metrics.clear()  # means over these folds are others

    folded(one, 0)
    folded(other, 1)
    with pytest.raises(InputError, match="folds are others"):
        compare(cache, [one, other])
    folded(other, 0)
    assert len(compare(cache, [one, other], resamples=20)[0]) == 1


def test_plain_values_name_both_sides(cache) -> None:
    found = [keep(cache, b, g) for b, g in (("x", 1.0), ("y", 1.5))]
    plain = compare(cache, found, resamples=20)[0][0].to_dict()
    assert (plain["one"]["backbone"], plain["other"]["backbone"]) == ("x", "y")
    assert plain["other"]["value"] == pytest.approx(found[1].metrics["auroc"])
    assert plain["difference"] < 0


def test_few_swaps_are_enough_for_many_comparisons(cache) -> None:
    """The largest of all pairs is compared with its own distribution: p is not multiplied."""
    found = [keep(cache, f"m{i}", 0.1, n=60) for i in range(12)]
    found.append(keep(cache, "best", 4.0, n=60))
    made, _ = compare(cache, found, resamples=50)
    assert {c.pairs for c in made} == {78}
    assert all(c.adjusted == pytest.approx(1 / 51) for c in made)


def test_the_best_of_several_named_ones_is_chosen_by_the_data_too(cache) -> None:
    found = [
        keep(cache, b, g, probe=p)
        for b, p, g in (("x", "knn", 0.7), ("x", "logistic", 1.5), ("y", "knn", 1.0))
    ]
    made, _ = compare(cache, found, between="all", against="x", resamples=50)
    assert {c.pairs for c in made} == {3}
    made, _ = compare(cache, found, between="all", against="y", resamples=50)
    assert {c.pairs for c in made} == {2}


def test_the_reverse_of_a_difference_has_its_numbers_turned(cache) -> None:
    found = [keep(cache, b, g) for b, g in (("x", 1.0), ("y", 1.5))]
    (down,), (up,) = (compare(cache, found, against=n, resamples=50)[0] for n in "yx")
    assert down.difference == pytest.approx(-up.difference)
    assert (down.low, down.high) == pytest.approx((-up.high, -up.low))
    assert (down.p, down.adjusted) == (up.p, up.adjusted)


def test_the_same_scores_and_two_patients_have_no_interval(cache) -> None:
    one, other = keep(cache, "x", 1.0), keep(cache, "y", 1.5)
    file = results.scores_file(cache, one)
    file.write_bytes(results.scores_file(cache, other).read_bytes())
    one.metrics = other.metrics
    (same,) = compare(cache, [one, other], resamples=50)[0]
    assert (same.difference, same.p, same.adjusted) == (0, 1, 1)
    assert np.isnan([same.low, same.high, same.adjusted_low]).all()
    assert same.to_dict()["low"] is None
    few = [keep(cache, b, g, patients=2) for b, g in (("x", 0.1), ("y", 4.0))]
    (pair,) = compare(cache, few, resamples=50)[0]
    assert pair.p >= 0.5
    assert np.isnan(pair.low)


def test_a_metric_is_taken_from_the_scores_whether_or_not_the_line_has_it(cache) -> None:
    found = [keep(cache, b, g) for b, g in (("x", 1.0), ("y", 1.5))]
    assert "brier" not in found[0].metrics
    made = compare(cache, found, "brier", resamples=20)[0][0]
    assert made.other.backbone == "y"  # an error is best when it is small
    assert made.values[0] > made.values[1]
    assert made.difference == pytest.approx(made.values[0] - made.values[1])


def test_a_test_that_does_not_hold_for_one_probe_is_still_made_for_others(cache) -> None:
    found = [keep(cache, b, g) for b, g in (("x", 1.0), ("y", 1.5))]
    shots = {"protocol": "fewshot", "shots": 2, "settings": {"tries": 3}, "tries": 3}
    found += [keep(cache, b, 1.0, **shots) for b in "xy"]
    made, notes = compare(cache, found, test="delong", resamples=20)
    assert [(c.family, c.test, c.one.backbone) for c in made] == [("knn", "delong", "x")]
    assert "fewshot knn: DeLong's test is of one fit" in notes[0]


def test_between_all_a_probe_is_the_one_on_the_same_backbone(cache) -> None:
    found = [
        keep(cache, b, g, probe=p, seed=i)
        for i, (b, p, g) in enumerate(
            [("x", "knn", 0.9), ("x", "logistic", 1.0), ("y", "knn", 1.4), ("y", "logistic", 1.2)]
        )
    ]
    lone = keep(cache, "z", 1.1)
    made, notes = compare(cache, [*found, lone], between="all", against="linear", resamples=50)
    assert [(c.one.backbone, c.one.probe, c.other.backbone, c.other.probe) for c in made] == [
        ("y", "knn", "y", "logistic"), ("x", "knn", "x", "logistic"),
    ]  # fmt: skip
    assert notes == [
        "films / z / knn: there is no linear on its backbone, and on several others"
    ]  # fmt: skip
    assert {c.pairs for c in made} == {2}
    alone, _ = compare(cache, [*found[:2], found[2]], between="all", against="linear", resamples=50)
    by_id = {c.one.id: c for c in alone}
    assert {(c.one.backbone, c.other.id) for c in alone} == {
        ("x", found[1].id), ("y", found[1].id),
    }  # fmt: skip
    pair, _ = compare(cache, found[:2], between="probes", against="linear", resamples=50)
    same = by_id[found[0].id]
    assert (same.difference, same.low, same.high) == (
        pair[0].difference, pair[0].low, pair[0].high,
    )  # fmt: skip


def test_between_all_the_better_of_two_references_stands_for_its_backbone(cache) -> None:
    made = [keep(cache, "x", g, probe="logistic", seed=i) for i, g in enumerate((0.8, 1.6))]
    tuned = keep(cache, "x", 1.2, probe="finetune", params={"recipe": "full"}, seed=3)
    best = max(made, key=lambda r: r.metrics["auroc"])
    found, _ = compare(cache, [*made, tuned], between="all", against="linear", resamples=50)
    assert {c.other.id for c in found} == {best.id}
    assert len(found) == 2
    found, _ = compare(cache, [*made, tuned], between="all", against="finetune full", resamples=50)
    assert {c.other.id for c in found} == {tuned.id}


def test_between_probes_a_training_is_on_the_backbone_that_was_frozen(cache) -> None:
    key = {"key": {"weights": "w", "dataset": "d"}}
    frozen = keep(cache, "x", 1.0, provenance=key)
    other = {"key": {"weights": "trained", "dataset": "d"}}
    tuned = keep(
        cache, "x", 1.5, probe="finetune", params={"recipe": "full"}, seed=3, provenance=other
    )
    made, _ = compare(cache, [frozen, tuned], between="probes", against="knn", resamples=50)
    assert [(c.one.id, c.other.id, c.family) for c in made] == [(tuned.id, frozen.id, "x")]


def test_against_a_backbone_between_all_is_its_best_result(cache) -> None:
    found = [
        keep(cache, b, g, probe=p)
        for b, p, g in (("x", "knn", 0.7), ("x", "logistic", 1.5), ("y", "knn", 1.0))
    ]
    made, _ = compare(cache, found, between="all", against="x", resamples=50)
    assert {(c.one.id, c.other.id) for c in made} == {
        (found[0].id, found[1].id), (found[2].id, found[1].id),
    }  # fmt: skip
    with pytest.raises(UnknownName, match="no result of 'liner'. Did you mean 'linear'"):
        compare(cache, found, between="all", against="liner")
