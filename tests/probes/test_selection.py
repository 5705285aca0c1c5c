"""Which candidate validation data prefer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference
from sklearn.linear_model import LogisticRegressionCV
from sklearn.metrics import make_scorer
from sklearn.model_selection import PredefinedSplit
from sklearn.preprocessing import StandardScaler

from featprobe.core.errors import InputError
from featprobe.evaluation.evaluate import make_probe
from featprobe.evaluation.fitted import Data, View
from featprobe.evaluation.model_selection import choose
from featprobe.evaluation.protocols import Split
from featprobe.metrics import measures as metrics
from featprobe.probes.calibrated import CalibratedProbe
from featprobe.probes.knn import KNNProbe
from featprobe.probes.logistic import LogisticProbe
from featprobe.probes.ordinal import OrdinalProbe
from featprobe.probes.registry import PROBES
from featprobe.probes.selection import Criterion, log_loss
from featprobe.probes.smoothed import SmoothedProbe
from tests.benchmarks.inference import selection as simulation

GRID = [1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0]
SCORERS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced_accuracy",
    "f1": "f1_macro",
    "auroc": "roc_auc_ovr",
    "log_loss": "neg_log_loss",
    "kappa": make_scorer(reference.cohen_kappa_score),
}


def problem(n: int, classes: int = 3, apart: float = 1.0, seed: int = 0, d: int = 20):
    rng = np.random.default_rng(seed)
    y = rng.choice(classes, n, p=np.arange(classes, 0, -1) / np.arange(classes + 1).sum())
    return apart * rng.standard_normal((classes, d))[y] / 3 + rng.standard_normal((n, d)), y


def data_of(x: np.ndarray, y: np.ndarray, task: str, **more) -> Data:
    third = len(y) // 3
    rows = np.arange(len(y))
    split = Split(rows[:third], rows[third : 2 * third], rows[2 * third :], "", "", None)
    groups = more.pop("groups", rows.astype(str))
    classes = y.shape[1] if y.ndim == 2 else int(y.max()) + 1
    return Data(
        lambda _: x, (View("x", "mean"),), y, groups, rows.astype(str), task, classes, split, 0,
        **more,
    )  # fmt: skip


class TestAgainstSklearn:
    @pytest.mark.parametrize("by", SCORERS)
    @pytest.mark.parametrize("seed", [0, 1])
    def test_the_same_c_as_cross_validation_on_that_split(self, by: str, seed: int) -> None:
        x, y = problem(450, seed=seed)
        data = data_of(x, y, "multiclass", select=Criterion.of("multiclass", by, one_se=False))
        rows = np.r_[data.split.train, data.split.val]
        scale = StandardScaler().fit(x[data.split.train])
        fold = PredefinedSplit(np.r_[np.full(150, -1), np.zeros(150, int)])
        theirs = LogisticRegressionCV(
            Cs=GRID,
            cv=fold,
            scoring=SCORERS[by],
            tol=1e-10,
            max_iter=5000,
            refit=False,
            l1_ratios=(0,),
            use_legacy_attributes=False,
        )
        theirs.fit(scale.transform(x[rows]), y[rows])
        found = choose(LogisticProbe(GRID), data)
        ours = found.probe.candidates()[found.index]["Cs"]
        assert ours == pytest.approx(float(np.ravel(theirs.C_)[0]))

    @pytest.mark.parametrize("by", [n for n in metrics.TASKS["ordinal"] if n != "ece"])
    def test_selection_score_is_the_metric(self, by: str) -> None:
        rng = np.random.default_rng(3)
        y, p = rng.integers(0, 3, 60), rng.dirichlet(np.ones(3), 60)
        guess = p.argmax(1)
        theirs = {
            "quadratic_kappa": lambda: reference.cohen_kappa_score(y, guess, weights="quadratic"),
            "accuracy": lambda: reference.accuracy_score(y, guess),
            "balanced_accuracy": lambda: reference.balanced_accuracy_score(y, guess),
            "f1": lambda: reference.f1_score(y, guess, average="macro"),
            "kappa": lambda: reference.cohen_kappa_score(y, guess),
            "auroc": lambda: reference.roc_auc_score(y, p, multi_class="ovr"),
            "brier": lambda: -np.mean(((p - np.eye(3)[y]) ** 2).sum(1)),
        }
        found, loss = Criterion.of("ordinal", by).selection_score(p, y)
        if by in theirs:
            assert found == pytest.approx(theirs[by](), abs=1e-6)
        assert loss == pytest.approx(-reference.log_loss(y, p))

    def test_labels(self) -> None:
        rng = np.random.default_rng(4)
        y, p = (rng.random((80, 4)) < 0.4).astype(float), rng.random((80, 4))
        each = [reference.log_loss(y[:, c], p[:, c]) for c in range(4)]
        assert log_loss(p, y) == pytest.approx(np.mean(each))
        y[rng.random(y.shape) < 0.3] = np.nan
        known = ~np.isnan(y)
        assert log_loss(p, y) == pytest.approx(reference.log_loss(y[known], p[known]))
        found, _ = Criterion.of("multilabel", "f1").selection_score(p, np.nan_to_num(y))
        theirs = reference.f1_score(np.nan_to_num(y), p >= 0.5, average="macro")
        assert found == pytest.approx(theirs, abs=1e-6)


class TestDefault:
    @pytest.mark.parametrize(
        ("task", "reported", "by"),
        [
            ("multiclass", None, "log_loss"),
            ("multilabel", None, "log_loss"),
            ("ordinal", None, "quadratic_kappa"),
            ("regression", None, "r2"),
            ("multiclass", "balanced_accuracy", "balanced_accuracy"),
            ("multiclass", "f1:cat", "f1"),
            ("multiclass", "ap", "log_loss"),
            ("multiclass", "sens_at_95spec", "log_loss"),
            ("ordinal", "auroc", "log_loss"),
            ("multiclass", "quadratic_kappa", "log_loss"),  # of another data set in the file
            ("multilabel", "ece", "log_loss"),  # a constant has none
            ("regression", "mae", "mae"),
        ],
    )
    def test_follows_what_is_reported(self, task: str, reported: str | None, by: str) -> None:
        assert Criterion.of(task, reported=reported).by == by

    def test_ranking_is_the_ranking_metric_whatever_it_sees(self) -> None:
        assert Criterion.of("multiclass", "ranking").by == "auroc"
        assert Criterion.of("ordinal", "ranking").by == "quadratic_kappa"

    @pytest.mark.parametrize(
        ("task", "by"),
        [("multiclass", "quadratic_kappa"), ("regression", "log_loss"), ("multilabel", "kappa"),
         ("multiclass", "ece"), ("ordinal", "acuracy")],
    )  # fmt: skip
    def test_what_a_task_is_not_chosen_by_is_told(self, task: str, by: str) -> None:
        with pytest.raises(InputError, match=f"select '{by}': {task} targets are chosen by auto"):
            Criterion.of(task, by)


class TestOneStandardError:
    def test_a_separable_problem_stays_at_a_modest_c_and_tests_as_well(self) -> None:
        for classes, seed in ((2, 0), (2, 1), (5, 2)):
            x, y = problem(600, classes, apart=30.0, seed=seed)
            data = data_of(x, y, "multiclass")
            modest = choose(LogisticProbe(), data)
            data.select = Criterion.of("multiclass", one_se=False)
            widest = choose(LogisticProbe(), data)
            c, other = (k.probe.candidates()[k.index]["Cs"] for k in (modest, widest))
            assert c <= 10 < 1e4 < other
            test = data.split.test
            for k in (modest, widest):
                fitted = k.probe.fresh(Cs=k.probe.candidates()[k.index]["Cs"])
                fitted.fit(x[data.split.train], y[data.split.train])
                assert (fitted.predict(x[test]) == y[test]).mean() == 1

    @pytest.mark.parametrize("by", ["accuracy", "balanced_accuracy", "auroc", "f1"])
    def test_nor_does_a_metric_run_off(self, by: str) -> None:
        x, y = problem(600, 2, apart=30.0)
        found = choose(
            LogisticProbe(), data_of(x, y, "multiclass", select=Criterion.of("multiclass", by))
        )
        assert found.probe.candidates()[found.index]["Cs"] <= 10

    @given(st.integers(0, 2**32 - 1), st.booleans())
    def test_what_is_chosen_is_at_most_that_much_worse(self, seed: int, clustered: bool) -> None:
        """Against the standard error of a difference of means over patients, summed by hand."""
        rng = np.random.default_rng(seed)
        n = 40
        y = rng.integers(0, 2, n)
        q = np.clip(rng.random((6, n)), 0.05, 0.95)
        scores = np.stack([1 - q, q], -1)
        groups = np.arange(n) // 4 if clustered else np.arange(n)
        order = rng.permutation(6).astype(float)
        loss = np.stack([-np.log(s[np.arange(n), y]) for s in scores])
        least = int(loss.mean(1).argmin())
        tied = []
        for g in range(6):
            d = loss[g] - loss[least]
            by = [d[groups == k].sum() - (groups == k).sum() * d.mean() for k in set(groups)]
            k = len(by)
            error = np.sqrt(k / (k - 1) * np.sum(np.square(by))) / n
            if d.mean() <= max(error, 0.5 / k):
                tied.append(g)
        found = Criterion.of("multiclass").best(scores, y, groups, order)
        assert found == max(tied, key=lambda g: order[g])
        assert Criterion.of("multiclass", one_se=False).best(scores, y, groups, order) == least
        assert Criterion.of("multiclass").best(scores, y, groups, None) == least

    def test_copies_of_every_item_under_its_patient_change_nothing(self) -> None:
        rng = np.random.default_rng(0)
        y = rng.integers(0, 3, 50)
        scores = rng.dirichlet(np.ones(3) * 2, (8, 50))
        groups, order = np.arange(50), np.arange(8.0)
        criterion = Criterion.of("multiclass")
        once = criterion.best(scores, y, groups, order)
        many = criterion.best(np.tile(scores, (1, 9, 1)), np.tile(y, 9), np.tile(groups, 9), order)
        assert once == many

    def test_of_numbers_of_neighbours_the_larger_is_simpler(self) -> None:
        x, y = problem(300, 2, apart=20.0)
        found = choose(KNNProbe(k=[1, 5, 20]), data_of(x, y, "multiclass"))
        assert found.probe.candidates()[found.index]["k"] == 20

    def test_a_fit_that_diverged_is_not_chosen(self) -> None:
        y = np.array([0, 1, 0, 1])
        scores = np.stack([np.full((4, 2), np.nan), np.full((4, 2), 0.5)])
        for by in ("log_loss", "accuracy", "auroc"):
            for one_se in (True, False):
                criterion = Criterion.of("multiclass", by, one_se)
                assert criterion.best(scores, y, simplicity=[1.0, 0.0]) == 1

    def test_every_label_unknown_on_val_is_no_crash(self) -> None:
        y = np.full((5, 2), np.nan)
        scores = np.random.default_rng(0).random((3, 5, 2))
        assert Criterion.of("multilabel", "f1").best(scores, y, simplicity=[0.0, 1.0, 2.0]) in (
            0,
            1,
            2,
        )


def test_inner_choices_are_by_the_same_criterion() -> None:
    """Of a probe alone, inside a calibrated one, and of the part of a smoothed one."""
    x, y = problem(400, 3, apart=2.0, seed=3)
    asked = {by: Criterion.of("multiclass", by, one_se=False) for by in ("auroc", "log_loss")}
    kept = {}
    for by, criterion in asked.items():
        plain = LogisticProbe(GRID).choosing_by(criterion).fit(x, y)
        kept[by] = plain.best_["Cs"]
        wrapped = CalibratedProbe(LogisticProbe(GRID)).choosing_by(criterion).fit(x, y)
        assert wrapped.best_ == {"probe__Cs": kept[by]}
        smoothed = SmoothedProbe("logistic", {"Cs": GRID}).choosing_by(criterion).fit(x, y)
        assert smoothed._inner.best_["Cs"] == kept[by]
        assert plain.fresh().criterion is criterion
    assert kept["auroc"] != kept["log_loss"]


def test_what_an_ordinal_probe_chooses_alone_is_by_its_own_metric() -> None:
    y = np.arange(30) % 3
    assert Criterion.for_targets(y, OrdinalProbe.tasks).by == "quadratic_kappa"
    assert Criterion.for_targets(y, LogisticProbe.tasks).by == "log_loss"
    assert Criterion.for_targets(np.eye(3), ()).by == "log_loss"
    assert Criterion.for_targets(y * 1.5, ()).by == "r2"


def test_grades_are_chosen_by_their_own_metric_where_auroc_takes_a_constant() -> None:
    """Many features, weak signal: AUROC prefers shrinking everything to one class."""
    rng = np.random.default_rng(1)
    z = rng.standard_normal(900)
    y = np.searchsorted([0.0, 0.25, 1.1, 1.5], z)
    u = rng.standard_normal(400)
    x = 1.5 * z[:, None] * u / np.linalg.norm(u) + rng.standard_normal((900, 400))
    kappa = {}
    for by in ("auroc", "quadratic_kappa"):
        data = data_of(x, y, "ordinal", select=Criterion.of("ordinal", by))
        found = choose(LogisticProbe(), data)
        fitted = LogisticProbe(found.probe.candidates()[found.index]["Cs"])
        fitted.fit(x[data.split.train], y[data.split.train])
        test = data.split.test
        guess = fitted.predict(x[test])
        kappa[by] = reference.cohen_kappa_score(y[test], guess, weights="quadratic")
    assert kappa["auroc"] < 0.1 < 0.25 < kappa["quadratic_kappa"]


@pytest.mark.parametrize(
    ("name", "own", "auroc"), [("5 grades, n = 500", 0.15, 0.1), ("2 classes, separable", 0.97, 1)]
)
def test_a_short_form_of_the_simulation(name: str, own: float, auroc: float) -> None:
    """Bounds wide enough for two studies; ``python -m tests.benchmarks inference`` has the rest."""
    case = next(c for c in simulation.CASES if c.name == name)
    for study in simulation.studies(case, 2):
        first = simulation.SHOWN[case.task][0]
        assert study["default"][first] > own
        assert study["AUROC, then log-loss"][first] <= auroc
        assert study["default"]["log10_c"] <= 2 or case.task == "ordinal"


# parameter in which candidates have an order, and whether more of it is simpler
ORDERS = {
    "attentive": ("weight_decay", 1), "calibrated": ("probe__Cs", -1), "knn": ("k", 1),
    "logistic": ("Cs", -1), "mlknn": ("k", 1), "mlp": ("weight_decay", 1), "ordinal": ("Cs", -1),
    "ridge": ("alphas", 1), "sgd": ("lr", -1), "labelprop": None, "prototype": None,
    "smoothed": None, "transformer": ("weight_decay", 1),
}  # fmt: skip


@pytest.mark.parametrize("name", PROBES.names())
def test_of_candidates_that_are_alike_the_more_regularised_is_simpler(name: str) -> None:
    several = {"transformer": {"weight_decay": [0.01, 0.1]}}
    several |= {neighbours: {"k": [3, 20]} for neighbours in ("knn", "mlknn")}
    probe = make_probe(name, **several.get(name, {}))
    order = probe.simplicity()
    if ORDERS[name] is None:
        assert order is None
        return
    parameter, sign = ORDERS[name]
    values = [c[parameter] for c in probe.candidates()]
    assert order is not None
    assert len(set(values)) > 1
    assert np.argsort(order).tolist() == np.argsort(sign * np.array(values)).tolist()
