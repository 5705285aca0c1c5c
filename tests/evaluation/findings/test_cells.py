"""What is said of degenerate data and scores."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, roc_auc_score

from featprobe.core.errors import InputError
from featprobe.evaluation.findings.cells import findings, subgroup_findings
from featprobe.evaluation.findings.features import hashes, repeated
from featprobe.evaluation.fitted import Data
from featprobe.evaluation.protocols import CrossVal, FewShot, Full, LeaveOneOut, Split
from featprobe.evaluation.run_protocol import Cell, run_protocol
from featprobe.features.bags import Bags
from featprobe.metrics import measures as metrics
from featprobe.probes.base import Probe
from featprobe.probes.checks import check_scores
from featprobe.probes.loading import load_probe
from featprobe.probes.registry import PROBES
from tests.evaluation.test_run_protocol import made, problem
from tests.probes.every import quick

NAMES = ("a", "b", "c", "d", "e", "f")


def split(train: Any, val: Any, test: Any) -> Split:
    return Split(*(np.asarray(p, dtype=np.int64) for p in (train, val, test)), "o", "g", 0)


def thirds(n: int) -> Split:
    return split(*np.arange(n).reshape(3, -1))


def said(data: Data, probe: Probe | None = None, protocol: Any = None) -> list[str]:
    """All notes of the first cell."""
    cell = run_protocol(probe or quick("prototype"), data, protocol or Full())[0]
    return [*cell.notes, *findings(data, cell, NAMES[: data.classes])]


def scored(data: Data, p: np.ndarray, **fields: Any) -> list[str]:
    """What is said of scores (n, C) of the test items, whoever made them."""
    cell = Cell({}, [p], 0, data.views[0], **fields)
    return findings(data, cell, NAMES[: data.classes])


def test_nothing_is_said_of_data_with_nothing_amiss() -> None:
    for probe in ("logistic", "knn", "ridge", "prototype"):
        assert said(made(*problem(apart=1.0), split=thirds(90)), quick(probe)) == []


@pytest.mark.parametrize(
    ("part", "sentence"),
    [
        ("train", "no training item of class 'c': it is never predicted"),
        ("test", "no test item of class 'c': metrics are of the other classes"),
        ("val", "no val item of class 'c': it had no part in choosing"),
    ],
)
def test_a_class_that_a_part_lacks_is_named(part: str, sentence: str) -> None:
    x, y = problem()
    s = split(range(30), range(30, 60), range(60, 90))
    data = made(x, y, split=s)
    rows = getattr(s, part)
    y[rows] = np.where(y[rows] == 2, 1, y[rows])
    probe = quick("knn").fresh(k=[1, 3])
    assert any(n == sentence for n in said(data, probe, Full(refit=part != "train")))


def test_of_values_all_alike() -> None:
    x, _ = problem()
    y = x[:, 0].copy()
    s = split(range(30), range(30, 60), range(60, 90))
    y[s.test] = 3.0
    data = made(x, y, split=s, task="regression")
    assert "every test target is the same: R2 and correlations are not defined" in said(
        data, quick("ridge")
    )
    assert scored(data, np.zeros((30, 1))).count("every predicted value is the same") == 1


@pytest.mark.parametrize("name", PROBES.names())
@pytest.mark.parametrize("protocol", [Full(), CrossVal(3), FewShot((4,), tries=2)])
def test_a_finding_that_training_lacks_is_absent_and_one_that_all_have_present(
    name: str, protocol: Any
) -> None:
    """The mean accuracy is that of the constant, whichever probe it is."""
    if "multilabel" not in quick(name).tasks:
        pytest.skip("for classes alone")
    rng = np.random.default_rng(0)
    x, _ = problem(60)
    y = np.stack([x[:, 0] > 0, np.zeros(60), np.ones(60)], axis=1).astype(float)
    y[rng.random(60) < 0.2, 1:] = np.nan
    lone = 50
    y[lone] = 1, 1, 0  # a finding of one patient, who is tested
    folds = isinstance(protocol, CrossVal)
    data = made(x, y, split=protocol if folds else thirds(60))
    cell = run_protocol(quick(name), data, protocol)[0]
    t = next(t for t, rows in enumerate(cell.rows) if lone in rows) if cell.rows else 0
    test, p = cell.rows[t] if cell.rows else data.split.test, cell.scores[t]
    assert (p[:, 1] == 0).all()
    assert (p[:, 2] == 1).all()
    found = metrics.compute("multilabel", y[test], p, classes=NAMES[:3])
    chance = metrics.chance("multilabel", y[test], 3, NAMES[:3])
    for label in "bc":
        assert found[f"accuracy:{label}"][0] == pytest.approx(chance[f"accuracy:{label}"])
        assert found[f"auroc:{label}"][0] == 0.5
    notes = findings(data, cell, NAMES[:3])
    assert any("positive of label 'b'" in n for n in notes)
    assert any("negative of label 'c'" in n for n in notes)


@pytest.mark.parametrize("name", PROBES.names())
def test_fit_and_predict_do_as_the_protocols(name: str, tmp_path) -> None:
    if "multilabel" not in quick(name).tasks:
        pytest.skip("for classes alone")
    x, _ = problem(60)
    nothing = np.full(60, np.nan)
    y = np.stack([x[:, 0] > 0, np.zeros(60), np.ones(60), nothing], axis=1).astype(float)
    probe = quick(name).fit(x, y)
    probe.save(tmp_path / "probe.safetensors")
    for one in (probe, load_probe(tmp_path / "probe.safetensors")):
        p = one.predict_proba(x)
        assert (p[:, 1:] == [0, 1, 0]).all()
        assert (one.predict(x)[:, 1:] == [0, 1, 0]).all()
        assert len(np.unique(p[:, 0])) > 1
    probe.fit(x, np.stack([y[:, 0], 1 - y[:, 0], y[:, 0], 1 - y[:, 0]], axis=1))
    assert len(np.unique(probe.predict_proba(x)[:, 1])) > 1  # nothing of it is left by a new fit


def test_a_label_that_test_has_one_value_of_is_left_out_of_means() -> None:
    x, _ = problem(60)
    y = np.stack([x[:, 0] > 0, x[:, 1] > 0], axis=1).astype(float)
    s = thirds(60)
    y[s.test, 1] = 0
    notes = said(made(x, y, split=s))
    assert any("no test positive of label 'b': its AUROC and sensitivity" in n for n in notes)


def test_decisions_and_scores_all_alike() -> None:
    data = made(*problem(), split=thirds(90))
    p = np.tile([0.2, 0.5, 0.3], (30, 1)) + np.arange(30)[:, None] * [1e-3, 0, -1e-3]
    assert "every test item is decided to be 'b'" in scored(data, p)
    level = np.full((30, 3), 1 / 3)
    level[1:] = np.eye(3)[np.arange(29) % 3]
    assert (
        "1 of 30 test items score all classes alike and count as 'a', the first"
        in scored(data, level)
    )  # fmt: skip
    x, _ = problem()
    y = np.stack([x[:, c] > 0 for c in range(3)], axis=1).astype(float)
    p = np.stack([np.linspace(0, 0.4, 30), np.linspace(0.5, 1, 30), np.full(30, 0.2)], axis=1)
    assert scored(made(x, y, split=thirds(90)), p) == [
        "label 'c' has one score for all test items: its AUROC is 0.5",
        "label 'a' is decided absent in every test item",
        "label 'b' is decided present in every test item",
    ]


def test_folds_without_a_class_are_counted() -> None:
    x, y = problem(60)
    y[:] = np.where(y == 2, 1, y)
    y[7] = 2
    notes = said(made(x, y, split=CrossVal(4)), None, CrossVal(4))
    assert "no training item of class 'c' in 1 of 4 tries: it is never predicted" in notes
    assert "no test item of class 'c' in 3 of 4 tries: metrics are of the other classes" in notes
    assert "all test items of class 'c' are of one patient" in notes


def test_many_classes_are_counted_not_listed() -> None:
    x, y = problem(90, 6, 6)
    y[thirds(90).test] = y[thirds(90).test] % 2 * 0
    (note,) = (n for n in said(made(x, y, split=thirds(90))) if "no test item" in n)
    assert "'b', 'c', 'd', 'e' and 1 more" in note


def test_copies_between_fit_and_test_are_counted() -> None:
    x, y = problem()
    s = thirds(90)
    x[s.test[:3]] = x[s.train[:3]]
    x[s.test[4]] = x[s.test[3]]  # twice in test alone harms nothing
    told = "3 of 30 test items have exactly the features of an item that was fitted to"
    assert any(told in n for n in said(made(x, y, split=s)))
    assert any(told in n for n in said(made(x, y, split=s), None, FewShot((100,), tries=1)))
    groups = np.arange(90).astype(str)
    copies = np.concatenate([x, x[:1], x[1:2]])
    groups = np.append(groups, [groups[0], "other"])  # the first copy is of the same patient
    whole = made(copies, np.append(y, y[:2]), groups, split=split([], [], range(92)))
    alike = (copies[:, None] == copies).all(2) & (groups[:, None] != groups)
    told = f"{int(alike.any(1).sum())} of 92 test items have exactly the features"
    assert any(told in n for n in said(whole, quick("knn"), LeaveOneOut()))


@given(st.integers(0, 10_000), st.integers(1, 4), st.booleans())
@settings(max_examples=40, deadline=None)
def test_repeated_is_what_comparing_all_rows_gives(seed: int, values: int, bags: bool) -> None:
    rng = np.random.default_rng(seed)
    x = rng.integers(-values, values + 1, (25, 2)).astype(np.float32) * rng.choice([-1, 1])
    part = rng.integers(0, 3, 25)
    same = (x[:, None] == x[None]).all(2) & (part[:, None] != part)
    given = Bags(x, np.arange(26)) if bags else x
    assert (repeated(hashes(given), part) == same.any(1)).all()


def test_features_that_say_nothing_or_too_much() -> None:
    x, y = problem()
    assert any("every feature is the same" in n for n in said(made(np.ones_like(x), y)))
    half = x.copy()
    half[:, :4] = 7
    assert "4 of 6 features are the same in all fitted items" in said(made(half, y))
    wide = x * np.array([1e4, 1, 1, 1, 1, 1e-4])
    assert any("differ by a factor of 1e+08" in n for n in said(made(wide, y)))
    assert not any("factor" in n for n in said(made(x * np.array([1e3, 1, 1, 1, 1, 1]), y)))


def test_ids_that_occur_twice() -> None:
    data = made(*problem())
    data = replace(data, ids=np.r_[data.ids[:-1], data.ids[:1]])
    assert "1 items have the id of another one" in said(data)


def test_a_subgroup_of_one_class_is_named() -> None:
    part = {"units": 3, "patients": 3, "metrics": {"auroc": 0.7}, "ci": {}}
    values = {"F": part, "M": {**part, "metrics": {"auroc": float("nan")}}}
    found = {"column": "sex", "without": 0, "metric": "auroc", "worst": "F", "values": values}
    assert subgroup_findings(found) == ["AUROC is not defined for sex 'M': one class only"]
    assert subgroup_findings({}) == []


def test_the_mean_over_labels_is_that_of_references() -> None:
    """A constant counts as it should: 0.5 in the mean AUROC, right as often as it is right."""
    x, _ = problem(60)
    y = np.stack([x[:, 0] + x[:, 1] > 0, np.zeros(60)], axis=1).astype(float)
    s = thirds(60)
    y[s.test[0], 1] = 1
    p = run_protocol(quick("logistic"), made(x, y, split=s), Full())[0].scores[0]
    found = metrics.compute("multilabel", y[s.test], p)
    area = [roc_auc_score(y[s.test, c], p[:, c]) for c in range(2)]
    right = [accuracy_score(y[s.test, c], p[:, c] >= 0.5) for c in range(2)]
    assert area[1] == 0.5
    assert found["auroc"][0] == pytest.approx(np.mean(area))
    assert found["accuracy"][0] == pytest.approx(np.mean(right))


@pytest.mark.parametrize("kind", ["classes", "labels"])
def test_training_that_diverges_decides_by_what_is_frequent_and_says_so(kind: str) -> None:
    x, y = problem(60)
    y = np.where(y == 2, 1, y)
    if kind == "labels":
        y = np.stack([y == 0, y == 1], axis=1).astype(float)
    probe = PROBES.get("sgd")(lr=[1e30], iterations=20, weight_decay=1.0, device="cpu")
    probe.fit(x * 1e3, y)
    expected = [0, 1] if kind == "labels" else 1
    assert (probe.predict(x) == expected).all()
    np.testing.assert_allclose(probe.predict_proba(x)[0], [1 / 3, 2 / 3])
    notes = said(made(x * 1e3, y, split=thirds(60)), probe.fresh())
    assert any("training diverged at lr 1e+30" in n for n in notes)


class Diverges(Probe):
    """Scores of which the first candidate's are not finite."""

    name = "diverges"

    def candidates(self) -> list[dict[str, Any]]:
        return [{"lr": 10.0}, {"lr": 0.1}] if self.several else [{}]

    def __init__(self, several: bool = True, lr: float = 0.1) -> None:
        self.several, self.lr = several, lr

    def fit_candidates(self, x: np.ndarray, y: np.ndarray) -> Probe:
        self.columns = int(y.max()) + 1
        return self

    def score_candidates(self, x: np.ndarray) -> np.ndarray:
        p = np.tile(x[None, :, : self.columns], (len(self.candidates()), 1, 1))
        p[0, 3] = np.nan
        return p


def test_a_candidate_that_diverges_is_not_chosen_and_said() -> None:
    cell = run_protocol(Diverges(), made(*problem()), Full(refit=False))[0]
    assert cell.chosen == {"lr": 0.1}
    assert "training diverged and is not chosen at lr=10" in cell.notes


def test_scores_that_are_not_finite_are_an_error() -> None:
    x, y = problem()
    probe = Diverges(several=False).fit(x, y)
    with pytest.raises(InputError, match="scores of 1 of 90 items are not finite"):
        probe.predict_proba(x)
    with pytest.raises(InputError, match="diverges: the scores of 1 of 90 items"):
        check_scores(probe.score_candidates(x)[0], "diverges")


@pytest.mark.parametrize("patience", [None, 3])
def test_a_perceptron_that_diverges_is_an_error_that_names_it(patience: int | None) -> None:
    x, y = problem(60)
    probe = PROBES.get("mlp")(width=4, weight_decay=0.0, lr=1e30, epochs=20, patience=patience)
    with pytest.raises(InputError, match="mlp: the scores of 60 of 60 items are not finite"):
        probe.fit(x, y).predict_proba(x)


def test_scores_that_no_neighbour_knows_are_counted_in_all_tries() -> None:
    x, _ = problem(60)
    y = np.stack([x[:, 0] > 0, x[:, 1] > 0], axis=1).astype(float)
    y[::2, 1] = np.nan
    data = made(x, y, split=thirds(60))
    cell = run_protocol(quick("knn").fresh(k=1), data, FewShot((4,), tries=3))[0]
    (note,) = (n for n in cell.notes if "no neighbour knows" in n)
    alone = [run_protocol(quick("knn").fresh(k=1), data, FewShot((4,), tries=t))[0] for t in (1, 2)]
    counts = [int(n.split()[1]) for c in (*alone, cell) for n in c.notes if "no neighbour" in n]
    assert counts == sorted(counts)
    assert counts[-1] > counts[0] > 0
    assert note.startswith(f"for {counts[-1]} scores")
