"""Protocols carried out on features in memory: what is chosen, by which rows, and what is said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from featprobe.core.errors import InputError
from featprobe.evaluation.fitted import Data, View
from featprobe.evaluation.protocols import (
    CrossVal,
    FewShot,
    Full,
    LeaveOneOut,
    Protocol,
    make_split,
)
from featprobe.evaluation.run_protocol import run_protocol
from featprobe.features.prepare import Prepare
from featprobe.metrics.item_scores import ItemScores
from featprobe.probes.base import Probe
from featprobe.probes.knn import KNNProbe
from featprobe.probes.logistic import CS, LogisticProbe
from featprobe.probes.prototype import PrototypeProbe
from featprobe.probes.ridge import RidgeProbe
from featprobe.probes.selection import Criterion
from featprobe.splits.partition import Partitioner, Split

FOUR = {
    "knn": KNNProbe(k=5, temperature=1.0),
    "logistic": LogisticProbe(1.0),
    "ridge": RidgeProbe(1.0),
    "prototype": PrototypeProbe(),
}


def made(
    x: np.ndarray | dict[str, np.ndarray], y: np.ndarray, groups: np.ndarray | None = None,
    split: Split | Protocol | None = None, prepare: Prepare | None = None, task: str = "",
) -> Data:  # fmt: skip
    """Items in memory; several views by name, patients of their own and a split made here."""
    views = x if isinstance(x, dict) else {"cls": x}
    groups = np.arange(len(y)).astype(str) if groups is None else groups
    ids = np.arange(len(y)).astype(str)
    if not isinstance(split, Split):
        split = (split or Full()).split(Partitioner(y, groups, ids))
    task = task or ("multilabel" if y.ndim == 2 else "multiclass")
    classes = y.shape[1] if y.ndim == 2 else int(y.max()) + 1
    return Data(
        lambda v: views[v.name], [View(n, "mean") for n in views], y, groups,
        ids, task, classes, split, 0, prepare or Prepare(),
    )  # fmt: skip


def problem(n: int = 90, d: int = 6, classes: int = 3, seed: int = 0, apart: float = 1.5):
    """Features and classes that overlap."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    return rng.normal(size=(n, d)) + apart * np.eye(d)[y], y


class Recorder(Probe):
    """Two candidates, and the rows that they are fitted to."""

    name = "recorder"
    seen: list[np.ndarray]

    def __init__(self, seen: Any = None) -> None:
        self.seen = seen

    def candidates(self) -> list[dict[str, Any]]:
        return [{}, {}]

    def fit_candidates(self, x: np.ndarray, y: np.ndarray) -> Probe:
        self.seen.append(x)
        self.columns = int(y.max()) + 1
        return self

    def score_candidates(self, x: np.ndarray) -> np.ndarray:
        return np.full((2, len(x), self.columns), 1 / self.columns)


class TestViews:
    """Several views are one more thing that val chooses."""

    def trap(self, informative: str = "mean") -> Data:
        """The other view knows the classes of train and test, and nothing of val's."""
        rng = np.random.default_rng(0)
        y = np.arange(200) % 2
        split = make_split(y, np.arange(200).astype(str), np.full(200, ""))
        good = rng.normal(size=(200, 5)) + y[:, None] * 0.7
        known = y.copy()
        known[split.val] = rng.integers(0, 2, len(split.val))
        treacherous = rng.normal(size=(200, 5)) * 0.1 + known[:, None]
        names = ("mean", "cls") if informative == "mean" else ("cls", "mean")
        views = dict(sorted(zip(names, (good, treacherous))))
        return made(views, y, split=split)

    @pytest.mark.parametrize("informative", ["mean", "cls"])
    @pytest.mark.parametrize("probe", [KNNProbe(k=9), LogisticProbe(1.0), LogisticProbe()])
    def test_val_chooses_where_test_would_choose_otherwise(self, probe, informative) -> None:
        data = self.trap(informative)
        cell = next(c for c in run_protocol(probe, data, Full()) if c.selected)
        assert cell.view.name == informative
        y = data.y[data.split.test]
        right = (cell.scores[0].argmax(1) == y).mean()
        other = made(
            data.read(next(v for v in data.views if v.name != informative)), data.y,
            split=data.split,
        )  # fmt: skip
        tempting = next(c for c in run_protocol(probe, other, Full()) if c.selected)
        assert (tempting.scores[0].argmax(1) == y).mean() > right  # so the trap is one

    def test_equal_views_leave_the_first(self) -> None:
        x, y = problem()
        for cell in run_protocol(KNNProbe(k=3), made({"cls": x, "mean": x}, y), Full()):
            assert cell.view.name == "cls"

    def test_every_fold_chooses_its_own_and_says_which(self) -> None:
        views, y = {v.name: self.trap().read(v) for v in self.trap().views}, self.trap().y
        data = made(views, y, split=CrossVal(3))
        cell = run_protocol(KNNProbe(k=9), data, CrossVal(3))[0]
        assert len(cell.params["view"]) == 3
        assert set(cell.params["view"]) <= {"cls/mean", "mean/mean"}
        assert cell.chosen["view"] == cell.params["view"]  # what was searched is no setting

    @pytest.mark.parametrize("protocol", [FewShot(), LeaveOneOut()])
    def test_a_protocol_without_val_cannot_choose(self, protocol) -> None:
        x, y = problem()
        data = made({"cls": x, "mean": x}, y)
        with pytest.raises(InputError, match=f"2 views .* {protocol.name} does not .* give one"):
            run_protocol(KNNProbe(k=3), data, protocol)


class TestPreparing:
    """What prepares features is learnt from the rows that are fitted."""

    def test_components_are_of_train_and_then_of_train_and_val(self) -> None:
        x, y = problem(150)
        data = made(x, y, prepare=Prepare(pca=3))
        s, seen = data.split, []
        x[s.test] += 1000  # rows that would turn every component towards themselves
        run_protocol(Recorder(seen), data, Full())
        assert len(seen) == 2
        for found, rows in zip(seen, (s.train, np.r_[s.train, s.val])):
            expected = PCA(3, svd_solver="full").fit_transform(x[rows])
            sign = np.sign((found * expected).sum(0))
            np.testing.assert_allclose(found * sign, expected, atol=1e-3)

    def test_folds_prepare_anew(self) -> None:
        x, y = problem(90)
        seen: list[np.ndarray] = []
        run_protocol(
            Recorder(seen), made(x, y, split=CrossVal(3), prepare=Prepare(pca=2)), CrossVal(3)
        )
        assert all(np.abs(f.mean(0)).max() < 1e-5 for f in seen)  # each is centred on itself

    def test_few_shots_use_the_components_of_train_and_say_so(self) -> None:
        x, y = problem(150)
        data = made(x, y, prepare=Prepare(pca=3))
        s = data.split
        x[s.test] += 1000
        x[s.val] -= 1000
        seen: list[np.ndarray] = []
        cell = run_protocol(Recorder(seen), data, FewShot((2,), tries=3))[0]
        assert "principal components are of all training items, their labels unused" in cell.notes
        basis = PCA(3, svd_solver="full").fit(x[s.train])
        for t, found in enumerate(seen):
            rows = FewShot((2,)).draws(y, data.groups, s.train, data.ids)(2, t)
            expected = basis.transform(x[rows])
            np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-3)

    def test_leave_one_out_says_that_an_item_is_in_its_own_components(self) -> None:
        x, y = problem(30)
        cell = run_protocol(KNNProbe(k=3), made(x, y, prepare=Prepare(pca=2)), LeaveOneOut())[0]
        assert (
            "principal components are of all items, the one that is scored included" in cell.notes
        )
        assert run_protocol(KNNProbe(k=3), made(x, y), LeaveOneOut())[0].notes == []

    def test_more_components_than_there_are_is_told(self) -> None:
        x, y = problem(30)
        for protocol in (Full(), FewShot(), CrossVal(3), LeaveOneOut()):
            with pytest.raises(InputError, match="--pca 7: .* at most 6 components"):
                run_protocol(
                    KNNProbe(k=3), made(x, y, split=protocol, prepare=Prepare(pca=7)), protocol
                )


class TestLeaveOneOut:
    @pytest.mark.parametrize("kind", ["classes", "labels", "values"])
    def test_equals_a_fit_to_all_other_patients(self, kind: str) -> None:
        x, y = problem(48, seed=4)
        task = {"classes": "multiclass", "labels": "multilabel", "values": "regression"}[kind]
        if kind == "labels":
            y = np.stack([y == 0, y != 1], 1).astype(float)
        if kind == "values":
            y = x[:, 0] * 2.0
        groups = np.repeat(np.arange(16), 3).astype(str)
        data = made(x, y, groups, LeaveOneOut(), task=task)
        cells = run_protocol(KNNProbe(k=[2, 7]), data, LeaveOneOut())
        assert [c.chosen["k"] for c in cells] == [2, 7]
        for g in np.unique(groups):
            here, rest = groups == g, groups != g
            alone = KNNProbe(k=[2, 7]).fit_candidates(x[rest], y[rest]).score_candidates(x[here])
            for cell, expected in zip(cells, alone):
                np.testing.assert_allclose(cell.scores[0][here], expected, atol=1e-5)

    def test_of_several_k_none_is_selected(self) -> None:
        data = made(*problem(30))
        assert [c.selected for c in run_protocol(KNNProbe(k=[2, 7]), data, LeaveOneOut())] == [0, 0]
        assert [c.selected for c in run_protocol(KNNProbe(k=7), data, LeaveOneOut())] == [1]

    def test_a_k_that_the_largest_patient_leaves_too_few_rows_for_is_said(self) -> None:
        x, y = problem(30)
        groups = np.where(np.arange(30) < 20, "large", np.arange(30).astype(str))
        cells = run_protocol(KNNProbe(k=[3, 11]), made(x, y, groups), LeaveOneOut())
        assert [c.chosen["k"] for c in cells] == [3]
        assert any("k = 11 left out: more than the 10" in n for n in cells[0].notes)

    @pytest.mark.parametrize("name", ["logistic", "ridge", "prototype"])
    def test_is_for_knn_alone(self, name: str) -> None:
        with pytest.raises(InputError, match=f"leave-one-out is for knn.* not {name}"):
            run_protocol(FOUR[name], made(*problem(30)), LeaveOneOut())


class TestGrids:
    """Values of C, k that val chooses among."""

    def test_an_optimum_beyond_the_default_grid_is_found_there(self) -> None:
        """Separable classes at a scale that is not undone want an ever larger C."""
        x, y = problem(120, apart=9.0)
        cell = run_protocol(LogisticProbe(standardize=False), made(x * 1e-4, y), Full())[0]
        assert cell.params["Cs"] > CS[-1]
        assert cell.chosen["Cs"] == cell.params["Cs"]

    def test_a_grid_is_not_widened_for_ever_and_its_end_is_noted(self) -> None:
        """A feature of 1e-9 wants a C that no grid reaches."""
        x, y = problem(120, apart=9.0)
        data = made(x * 1e-9, y)
        data.select = Criterion.of("multiclass", one_se=False)
        cell = run_protocol(LogisticProbe(standardize=False), data, Full())[0]
        assert cell.params["Cs"] == pytest.approx(CS[-1] * 1e6)  # three times two decades
        assert "the chosen candidate is the last of the grid" in cell.notes
        data.select = None  # what val cannot tell apart is not widened
        cell = run_protocol(LogisticProbe(standardize=False), data, Full())[0]
        assert cell.params["Cs"] == pytest.approx(CS[0])

    def test_an_explicit_list_is_not_widened_but_its_end_is_noted(self) -> None:
        x, y = problem(120, apart=9.0)
        probe = LogisticProbe([1e-3, 1e-2, 1e-1])
        cell = run_protocol(probe, made(x, y), Full())[0]
        assert cell.params["Cs"] == 1e-1
        assert "the chosen candidate is the last of the grid" in cell.notes

    def test_a_best_value_inside_the_grid_is_not_noted(self) -> None:
        cell = run_protocol(LogisticProbe(), made(*problem(300, apart=1.0)), Full())[0]
        assert CS[0] < cell.params["Cs"] < CS[-1]
        assert cell.notes == []

    def test_an_end_beyond_which_nothing_is_better_is_no_edge(self) -> None:
        class Ends(Recorder):
            """Every candidate of every grid scores the same, so the first is taken."""

            def candidates(self) -> list[dict[str, Any]]:
                return [{}, {}, {}]

            def score_candidates(self, x: np.ndarray) -> np.ndarray:
                return np.full((3, len(x), self.columns), 1 / self.columns)

            def beyond(self, best: int) -> Probe | None:
                return Ends([]) if best == 0 and self.seen else None

        cell = run_protocol(Ends([]), made(*problem()), Full())[0]
        assert cell.notes == []

    def test_each_k_has_its_own_scores_where_val_has_left_one_out(self) -> None:
        """k = 65 fits train and val (72 items) and not train (54)."""
        data = made(*problem(90))
        assert len(data.split.train) < 65 <= len(data.split.train) + len(data.split.val)
        fit = np.r_[data.split.train, data.split.val]
        x = data.read(data.views[0])
        cells = run_protocol(KNNProbe(k=[65, 3, 9]), data, Full())
        assert [c.chosen["k"] for c in cells] == [3, 9]
        for cell in cells:
            alone = KNNProbe(k=cell.params["k"]).fit_candidates(x[fit], data.y[fit])
            expected = alone.score_candidates(x[data.split.test])[0]
            np.testing.assert_allclose(cell.scores[0], expected, atol=1e-6)
            assert any("k = 65 left out" in n for n in cell.notes)


class TestFewShot:
    @settings(deadline=None, max_examples=25)
    @given(
        st.sampled_from(sorted(FOUR)), st.integers(0, 10_000), st.integers(1, 5),
        st.sampled_from(["item", "patient"]), st.sampled_from([2, 3]),
    )  # fmt: skip
    def test_draws_together_are_draws_alone(self, name, seed, shots, by, classes) -> None:
        x, y = problem(80, classes=classes, seed=seed)
        data = made(x, y, np.repeat(np.arange(40), 2).astype(str))
        protocol = FewShot((shots,), tries=4, by=by, seed=seed)
        cell = run_protocol(FOUR[name], data, protocol)[0]
        for t, scores in enumerate(cell.scores):
            rows = protocol.draws(y, data.groups, data.split.train, data.ids)(shots, t)
            params = {"k": min(5, shots)} if name == "knn" else {}
            alone = FOUR[name].fresh(**params).fit(x[rows], y[rows])
            expected = alone.predict_proba(x[data.split.test])
            np.testing.assert_allclose(scores, expected, atol=2e-3)

    @settings(deadline=None, max_examples=25)
    @given(st.integers(0, 10_000), st.sampled_from(["item", "patient"]))
    def test_no_row_of_val_or_test_is_drawn_nor_its_patient(self, seed: int, by: str) -> None:
        """Trap: validation data added on refit, draws that overlap val."""
        y = np.arange(80) % 2
        x = np.arange(80.0)[:, None] + [[0, 1]]
        data = made(x, y, np.repeat(np.arange(40), 2).astype(str))
        seen: list[np.ndarray] = []
        run_protocol(Recorder(seen), data, FewShot((1, 4, 100), tries=3, by=by, seed=seed))
        drawn = [f[:, 0].astype(int) for f in seen]
        assert len(drawn) == 9
        elsewhere = set(data.groups[np.r_[data.split.val, data.split.test]])
        for rows in drawn:
            assert set(rows) <= set(data.split.train)
            assert not set(data.groups[rows]) & elsewhere
        assert set(drawn[-1]) == set(data.split.train)  # 100 shots are all of train, and no more

    def test_k_is_at_most_the_shots(self) -> None:
        data = made(*problem())
        cells = run_protocol(KNNProbe(k=5), data, FewShot((1, 4, 8), tries=2))
        assert [c.params["k"] for c in cells] == [1, 4, 5]

    def test_fewer_items_than_shots_says_what_was_used(self) -> None:
        x, y = problem()
        y[y == 2] = np.where(np.arange(30) < 24, 1, 2)
        data = made(x, y)
        fewest = int((y[data.split.train] == 2).sum())
        cell = run_protocol(PrototypeProbe(), data, FewShot((8,), tries=2))[0]
        assert cell.notes == [
            f"a class has only {fewest} training items; all of them stand for 8 shots"
        ]
        assert cell.fitted == 8 + 8 + fewest

    def test_values_have_no_classes_to_draw_from(self) -> None:
        x, _ = problem()
        with pytest.raises(InputError, match="regression targets have none"):
            run_protocol(RidgeProbe(), made(x, x[:, 0], task="regression"), FewShot())


def measured(probe: Probe, data: Data, protocol: Any) -> dict[str, np.ndarray]:
    """All metrics of the first cell."""
    cell, test = run_protocol(probe, data, protocol)[0], data.split.test
    return ItemScores(
        data.task, data.ids[test], data.y[test], data.groups[test], cell.scores, cell.rows
    ).values()


def reordered(data: Data, kind: str, rng: np.random.Generator) -> Data:
    """The same problem with the rows, those of each part, or the classes in another order."""
    x, s = data.read(data.views[0]), data.split
    parts = [s.train, s.val, s.test]
    if kind == "classes":
        names = rng.permutation(3)
        return made(x, data.y[:, names] if data.y.ndim == 2 else names[data.y], split=s)
    if kind == "parts":
        return made(x, data.y, split=Split(*map(rng.permutation, parts), "", "", 0))
    order = rng.permutation(len(x))
    at = np.argsort(order)
    split = Split(*(at[p] for p in parts), "", "", 0)
    return made(x[order], data.y[order], data.groups[order], split)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.sampled_from(["rows", "parts", "classes"]), st.booleans())
@pytest.mark.parametrize("name", sorted(FOUR))
def test_no_metric_depends_on_the_order_of_items_or_classes(
    name: str, seed: int, kind: str, labels: bool
) -> None:
    x, y = problem(seed=seed)
    split = make_split(y, np.arange(90).astype(str), np.full(90, ""))
    data = made(x, np.eye(3)[y] if labels else y, split=split)
    other = reordered(data, kind, np.random.default_rng(seed))
    one, two = (measured(FOUR[name], d, Full()) for d in (data, other))
    for metric in one:
        np.testing.assert_allclose(two[metric], one[metric], atol=2e-3, err_msg=metric)


def test_val_chooses_for_few_shots_where_the_protocol_says_so() -> None:
    x, y = problem(180, 8)
    data = made(x, y)
    probe = LogisticProbe((1e-4, 1.0, 100.0))
    (plain,) = run_protocol(probe, data, FewShot((4,), tries=3))
    (chosen,) = run_protocol(probe, data, FewShot((4,), tries=3, choose=True))
    assert (chosen.shots, len(chosen.scores), len(chosen.fits)) == (4, 3, 3)
    assert all((a == b).all() for a, b in zip(plain.fits, chosen.fits))  # the same draws
    assert len(chosen.chosen["Cs"]) == 3
    assert any("knows more than the shots" in n for n in chosen.notes)
    views = made({"a": x, "b": x[:, ::-1] ** 2}, y)
    (cell,) = run_protocol(probe, views, FewShot((4,), tries=2, choose=True))
    assert len(cell.chosen["view"]) == 2
    with pytest.raises(InputError, match="fewshot does not look"):
        run_protocol(probe, views, FewShot((4,), tries=2))
