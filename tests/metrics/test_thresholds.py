"""Thresholds of decisions, chosen on val and tested on test."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

import featprobe as fp
from featprobe.core.errors import InputError
from featprobe.evaluation import results
from featprobe.evaluation.predict import _decided, source_of
from featprobe.metrics import measures as metrics
from featprobe.metrics.item_scores import ItemScores
from featprobe.metrics.thresholds import chosen, named, rule_of
from tests.support.cached import cached


def val_of(y: np.ndarray, p: np.ndarray) -> ItemScores:
    ids = np.arange(len(y)).astype(str)
    return ItemScores("multilabel" if y.ndim == 2 else "multiclass", ids, y, ids, [p])


def binary(rng: np.random.Generator, n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    y = (rng.random(n) < 0.3).astype(int)
    y[:2] = 0, 1
    q = np.round(rng.random(n) * 0.6 + 0.3 * y, 1 if rng.random() < 0.5 else 6)
    return y, np.clip(q, 0, 1)


class TestRules:
    @settings(max_examples=30, deadline=None)
    @given(st.integers(0, 2**32 - 1))
    def test_against_the_curves_of_sklearn(self, seed: int) -> None:
        y, q = binary(np.random.default_rng(seed))
        fpr, tpr, _ = reference.roc_curve(y, q, drop_intermediate=False)
        precision, recall, _ = reference.precision_recall_curve(y, q)
        val = val_of(y, np.stack([1 - q, q], 1))

        def at(rule: str) -> tuple[float, float, float]:
            said = q >= chosen(rule, val)[0][0]
            return (
                reference.recall_score(y, said),
                reference.recall_score(y, said, pos_label=0),
                reference.f1_score(y, said),
            )

        sens, spec, _ = at("youden")
        assert sens + spec - 1 == pytest.approx((tpr - fpr).max())
        with np.errstate(invalid="ignore"):
            best = np.nanmax(2 * precision * recall / (precision + recall))
        assert at("f1")[2] == pytest.approx(best)
        for aim in (0.5, 0.8, 0.95):
            sens, spec, _ = at(f"sens={aim}")
            assert sens >= aim - 1e-9
            assert spec == pytest.approx((1 - fpr)[tpr >= aim - 1e-9].max())
            sens, spec, _ = at(f"spec={aim}")
            assert spec >= aim - 1e-9
            assert sens == pytest.approx(tpr[1 - fpr >= aim - 1e-9].max())

    def test_labels_have_each_their_own_and_unknown_ones_are_not_counted(self) -> None:
        rng = np.random.default_rng(0)
        pairs = [binary(rng, 80) for _ in range(3)]
        y = np.stack([a for a, _ in pairs], 1).astype(float)
        p = np.stack([b for _, b in pairs], 1)
        y[:20, 1] = np.nan
        y[:, 2] = 1.0
        cut = chosen("youden", val_of(y, p))[0]
        alone = np.stack([1 - p[20:, 1], p[20:, 1]], 1)
        assert cut[1] == chosen("youden", val_of(y[20:, 1].astype(int), alone))[0][0]
        assert np.isnan(cut[2])  # no item without it
        assert named([cut[:2]], ["a", "b"]) == {"a": cut[0], "b": cut[1]}
        assert named([cut[:1]], ["no", "yes"]) == {"yes": cut[0]}
        assert chosen("0.3", val_of(y, p))[0].tolist() == [0.3] * 3

    @pytest.mark.parametrize("rule", ["youden", "f1", "sens=0.9", "spec=0.9"])
    def test_one_score_for_all_has_none(self, rule: str) -> None:
        """As of a label that training has one value of: it is not to be turned into the other."""
        y = np.array([[0.0], [1.0], [0.0], [1.0]])
        assert np.isnan(chosen(rule, val_of(y, np.zeros((4, 1))))[0][0])

    @pytest.mark.parametrize(
        "text", ["yuden", "sens", "sens=", "sens=2", "1.5", "0", "spec=95", "nan", "f1=0.5", ""]
    )
    def test_what_is_no_rule_is_told(self, text: str) -> None:
        with pytest.raises(InputError, match="use youden, f1, sens=0.95, spec=0.95, a number"):
            rule_of(text)

    def test_one_rule_written_in_two_ways_is_one(self) -> None:
        assert rule_of(0.5) == rule_of("0.50") == "0.5"
        assert rule_of("sens=.9") == "sens=0.9"


class TestMetrics:
    def test_equal_sklearns_on_decisions(self) -> None:
        rng = np.random.default_rng(1)
        y, q = binary(rng, 200)
        cut = np.array([0.4])
        found = metrics.Measure("multiclass", y, np.stack([1 - q, q], 1), cut=cut)
        value = {n: float(v[0]) for n, v in found(np.ones((200, 1))).items()}
        said = q >= 0.4
        assert value["sensitivity"] == pytest.approx(reference.recall_score(y, said))
        assert value["specificity"] == pytest.approx(reference.recall_score(y, said, pos_label=0))
        assert value["ppv"] == pytest.approx(reference.precision_score(y, said))
        assert value["npv"] == pytest.approx(reference.precision_score(y, said, pos_label=0))
        assert value["f1_at_threshold"] == pytest.approx(reference.f1_score(y, said))

    def test_of_labels_are_means_over_those_with_a_threshold(self) -> None:
        rng = np.random.default_rng(2)
        y = (rng.random((150, 3)) < 0.3).astype(float)
        p, cut = rng.random((150, 3)), np.array([0.2, 0.7, np.nan])
        measure = metrics.Measure("multilabel", y, p, cut=cut, classes=["a", "b", "c"])
        value = {n: float(v[0]) for n, v in measure(np.ones((150, 1))).items()}
        each = [reference.recall_score(y[:, c], p[:, c] >= cut[c]) for c in range(2)]
        assert value["sensitivity"] == pytest.approx(np.mean(each))
        assert value["sensitivity:a"] == pytest.approx(each[0])
        assert np.isnan(value["sensitivity:c"])

    def test_are_asked_for_in_vain_without_thresholds(self) -> None:
        y, q = binary(np.random.default_rng(0))
        with pytest.raises(InputError, match="no thresholds were chosen here, so .* no ppv"):
            metrics.Measure("multiclass", y, np.stack([1 - q, q], 1), wanted=["ppv"])


@pytest.fixture
def rare(tmp_path):
    """600 items of 300 patients, 6 % of them positive, seen in 30 features."""
    rng = np.random.default_rng(5)
    patient = np.repeat(np.arange(300), 2)
    y = (np.arange(300) % 16 == 0).astype(int)[patient]
    x = rng.standard_normal((600, 30))
    x[:, :3] += 1.2 * y[:, None]
    return cached(tmp_path, {"cls": x}, y, groups=patient.astype(str))


def test_a_rare_class_is_detected_at_the_threshold_and_not_at_one_half(rare) -> None:
    found = fp.evaluate(rare, fp.LogisticProbe(0.01))[0]
    assert 0 < found.thresholds[rare.classes[1]] < 0.5
    assert found.metrics["sensitivity"] > 0.5 > found.metrics["balanced_accuracy"] - 0.1
    assert found.ci["sensitivity"][0] < found.metrics["sensitivity"] <= found.ci["sensitivity"][1]
    assert found.settings["threshold"] == "youden"
    none = fp.evaluate(rare, fp.LogisticProbe(0.01), threshold="none")[0]
    assert none.thresholds == {}
    assert "sensitivity" not in none.metrics
    aimed = fp.evaluate(rare, fp.LogisticProbe(0.01), threshold="sens=0.99")[0]
    assert aimed.thresholds[rare.classes[1]] <= found.thresholds[rare.classes[1]]
    assert len({r.request for r in (found, none, aimed)}) == 3
    again = fp.Result.from_dict(json.loads(found.to_json()))
    assert again.thresholds == found.thresholds
    assert again.cell == found.cell != aimed.cell


@pytest.mark.parametrize(
    ("protocol", "level"), [("full", "item"), ("full", "patient"), ("cv", "item")]
)
def test_what_is_shown_can_be_computed_from_what_is_kept(rare, tmp_path, protocol, level) -> None:
    found = fp.evaluate(rare, fp.LogisticProbe([0.01, 1.0]), protocol, level=level, save=True,
                        cache=tmp_path)[0]  # fmt: skip
    again = results.scored(tmp_path, found).mean()
    for name in ("sensitivity", "specificity", "ppv", "npv", "f1_at_threshold", "auroc"):
        assert again[name] == pytest.approx(found.metrics[name], nan_ok=True), name
    cut = found.thresholds[rare.classes[1]]
    assert np.size(cut) == (5 if protocol == "cv" else 1)


def test_few_shots_and_more_than_two_classes_have_none(rare, tmp_path) -> None:
    assert fp.evaluate(rare, "logistic", "fewshot")[0].thresholds == {}
    rng = np.random.default_rng(0)
    three = cached(tmp_path / "three", {"cls": rng.standard_normal((90, 4))}, np.arange(90) % 3)
    assert fp.evaluate(three, fp.LogisticProbe(1.0))[0].thresholds == {}
    for features, protocol in ((three, "full"), (rare, "fewshot")):
        told = fp.evaluate(features, "prototype", protocol, threshold="f1")[0].notes
        assert any("threshold=f1 has no effect" in n for n in told)
    assert not any(
        "no effect" in n for n in fp.evaluate(rare, "prototype", threshold="f1")[0].notes
    )


def test_a_saved_probe_decides_by_its_thresholds(rare) -> None:
    found = fp.evaluate(rare, fp.LogisticProbe(0.01))[0]
    source = source_of(rare, "cls", "mean", {**found.thresholds, "lost": float("nan")})
    assert source.thresholds == found.thresholds
    cut = found.thresholds["b"]
    scores = np.array([[1 - p, p] for p in (0.0, cut - 1e-6, cut, 0.49, 0.9)])
    assert _decided(source, rare.classes, scores) == ["a", "a", "b", "b", "b"]
    before = replace(source, thresholds={})  # as of a file that was saved without
    assert _decided(before, rare.classes, scores) == ["a", "a", "a", "a", "b"]
    labels = replace(source, task="multilabel", thresholds={"a": 0.2})
    assert _decided(labels, ("a", "b"), np.array([[0.3, 0.3], [0.1, 0.6]])) == ["a", "b"]
