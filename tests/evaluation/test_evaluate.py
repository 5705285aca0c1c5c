"""Probes under protocols: nothing leaks, everything is said."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import featprobe as fp
from featprobe.core.errors import InputError, UnknownName
from featprobe.evaluation import results
from featprobe.evaluation.evaluate import make_probe, request
from featprobe.probes.base import Probe
from tests.support.cached import cached


@pytest.fixture
def features(tiny_backbone, class_folders) -> fp.FeatureSet:
    return fp.extract(tiny_backbone, fp.load_dataset(class_folders))


class Spy(Probe):
    """Records which rows it is fitted and asked on; each row's first feature is its number."""

    name = "spy"
    fitted: list
    asked: list

    def __init__(self) -> None:
        self.fitted, self.asked = Spy.shared

    def candidates(self):
        return [{"c": 0}, {"c": 1}]

    def set_params(self, **_params):
        return self

    def get_params(self, deep: bool = True):
        return {}

    def fit_candidates(self, x, y):
        self.fitted.append(x[:, 0].astype(int).tolist())
        self.classes = int(y.max()) + 1
        return self

    def score_candidates(self, x):
        self.asked.append(x[:, 0].astype(int).tolist())
        return np.full((2, len(x), self.classes), 1 / self.classes)


@pytest.fixture
def spied(features, monkeypatch):
    """Features whose rows are numbered, a probe that records, and the two lists."""
    Spy.shared = ([], [])
    monkeypatch.setattr(
        fp.FeatureSet, "x", lambda self, view=None, *_, **__: np.arange(40.0)[:, None] + [[0, 1]]
    )
    return features, *Spy.shared


def parts(features: fp.FeatureSet, seed: int = 0) -> list[set[int]]:
    from featprobe.evaluation.protocols import make_split

    s = make_split(features.y, features.groups, features.split, seed=seed, ids=features.ids)
    return [set(p.tolist()) for p in (s.train, s.val, s.test)]


def test_full_chooses_on_val_refits_on_both_and_tests_once(spied) -> None:
    features, fitted, asked = spied
    train, val, test = parts(features)
    fp.evaluate(features, Spy())
    assert [set(f) for f in fitted] == [train, train | val]
    assert [set(a) for a in asked] == [val, test]


def test_without_refit_only_train_is_fitted(spied) -> None:
    features, fitted, _ = spied
    train, _, _ = parts(features)
    fp.evaluate(features, Spy(), fp.Full(refit=False))
    assert all(set(f) == train for f in fitted)


def test_fewshot_never_touches_val_and_never_trains_on_test(spied) -> None:
    features, fitted, asked = spied
    train, val, test = parts(features)
    fp.evaluate(features, Spy(), fp.FewShot(shots=(1, 4), tries=5))
    assert len(fitted) == 10
    for rows in fitted:
        assert set(rows) <= train
        assert not set(rows) & (val | test)
    assert all(set(a) == test for a in asked)
    assert {len(f) for f in fitted} == {2, 8}


@pytest.mark.parametrize("seed", range(5))
def test_no_patient_is_in_two_parts(features, seed: int) -> None:
    train, val, test = (set(features.groups[list(p)]) for p in parts(features, seed))
    assert not train & val
    assert not train & test
    assert not val & test


def test_a_result_says_everything_and_survives_json(features, cache) -> None:
    found = fp.evaluate(features, "logistic", save=True)[0]
    assert 0 <= found.metrics["auroc"] <= 1  # of random weights
    assert np.isnan(found.ci["auroc"]).all()  # of four patients
    assert "no intervals: 4 test patients, at least 10 are needed" in found.notes
    assert found.class_sizes == {n: {"items": 4, "patients": 2} for n in ("normal", "sick")}
    assert found.chance["auroc"] == 0.5
    assert "no patient in two parts" in found.split["origin"]
    assert found.split["grouping"] == "file names of the form <patient>_<index>"
    assert sum(found.split["items"].values()) == 40
    assert found.key == features.key.digest
    assert found.random
    assert found.provenance["key"]["weights"] == features.key.weights
    again = fp.Result.from_dict(json.loads(found.to_json()))
    assert again.to_json() == found.to_json()
    assert [r.id for r in results.read(cache)] == [found.id]
    scores = np.load(cache / "results" / "scores" / f"{found.id}.npz")
    assert scores["scores"].shape == (1, found.sizes["test"], 2)
    hit = scores["scores"][0].argmax(1) == scores["y"]
    assert hit.mean() == pytest.approx(found.metrics["accuracy"])


def test_the_same_run_gives_the_same_numbers(features) -> None:
    for probe, protocol in (("knn", "full"), ("logistic", fp.FewShot(tries=3))):
        k = fp.KNNProbe(k=5) if probe == "knn" else probe
        one, two = (fp.evaluate(features, k, protocol) for _ in range(2))
        for a, b in zip(one, two):
            assert (a.metrics, a.ci) == (b.metrics, b.ci)


def test_knn_reports_every_k_and_marks_the_one_chosen_on_val(features) -> None:
    found = fp.evaluate(features, fp.KNNProbe(k=[1, 3, 9]), select="auroc", one_se=False)
    assert [r.params["k"] for r in found] == [1, 3, 9]
    assert sum(r.selected for r in found) == 1
    best = max(found, key=lambda r: r.val["auroc"])
    chosen = next(r for r in found if r.selected)
    assert chosen.val["auroc"] == best.val["auroc"]
    assert (chosen.settings["select"], chosen.settings["one_se"]) == ("auroc", False)


def test_what_is_chosen_by_is_said_and_is_another_cell_only_where_it_is_not_the_default(features):
    every = {
        by: fp.evaluate(features, fp.LogisticProbe([0.1, 1.0, 10.0]), select=by)[0]
        for by in ("auto", "log_loss", "accuracy", "f1")
    }
    assert {by: r.settings["select"] for by, r in every.items()} == {
        "auto": "log_loss", "log_loss": "log_loss", "accuracy": "accuracy", "f1": "f1",
    }  # fmt: skip
    assert "accuracy" in every["accuracy"].val
    assert every["auto"].cell == every["log_loss"].cell
    assert every["auto"].request == every["log_loss"].request
    assert len({r.cell for r in every.values()}) == len({r.request for r in every.values()}) == 3
    settings = {k: v for k, v in every["auto"].settings.items() if k != "select"}
    older = replace(every["auto"], settings=settings)  # as of versions that did not say it
    assert older.cell == every["auto"].cell
    alone = fp.evaluate(features, fp.LogisticProbe(1.0), select="f1")[0]
    assert "select" not in alone.settings  # there was nothing to choose
    assert "select=f1 has no effect: there is one candidate" in alone.notes
    reported = fp.evaluate(features, fp.LogisticProbe([0.1, 1.0]), metric="balanced_accuracy")[0]
    assert reported.settings["select"] == "balanced_accuracy"


def test_few_shots_and_leave_one_out_choose_nothing(features) -> None:
    for protocol in ("fewshot", "loo"):
        with pytest.raises(InputError, match="select says how val chooses, which"):
            fp.evaluate(features, "knn", protocol, select="accuracy")
    with pytest.raises(InputError, match="select 'quadratic_kappa': multiclass targets are chosen"):
        fp.evaluate(features, "knn", select="quadratic_kappa")


def test_fewshot_curves_rise_and_keep_the_spread_of_tries_apart(features) -> None:
    found = fp.evaluate(features, "prototype", fp.FewShot(shots=(1, 8), tries=10))
    assert [r.shots for r in found] == [1, 8]
    assert found[1].metrics["auroc"] > found[0].metrics["auroc"] - 0.05
    assert found[0].spread["auroc"] > 0
    parts = found[0].components["auroc"]
    assert parts["tries"] == pytest.approx(found[0].spread["auroc"] ** 2)
    assert parts["patients"] > 0


def test_fewer_items_than_shots_is_said(features) -> None:
    found = fp.evaluate(features, "prototype", fp.FewShot(shots=(50,), tries=2))[0]
    assert any("all of them stand for 50 shots" in n for n in found.notes)


def relabel(features: fp.FeatureSet, y, task="multiclass", classes=("a", "b")) -> fp.FeatureSet:
    features.__dict__.pop("items", None)
    items = features.items
    items.targets, items.task, items.classes = y, task, classes
    return features


@pytest.mark.parametrize(
    ("y", "task", "message"),
    [
        (np.zeros(40, int), "multiclass", r"one class only \(a\), a probe needs two"),
        (np.full(40, -1), "multiclass", "every label is unknown"),
        (np.full((40, 2), np.nan), "multilabel", "every label is unknown"),
        (np.arange(40.0), "regression", "regression targets"),
        (None, None, "has no labels, so there is nothing to probe"),
    ],
)
def test_what_cannot_be_probed_says_why(features, y, task, message) -> None:
    with pytest.raises(InputError, match=message):
        fp.evaluate(relabel(features, y, task), "logistic")


def test_unknown_labels_are_left_out_and_counted(features) -> None:
    y = np.arange(40) % 2
    y[::10] = -1
    found = fp.evaluate(relabel(features, y), "prototype")[0]
    assert sum(found.split["items"].values()) == 36
    assert "4 items without a known label are not used" in found.notes


def test_multilabel_targets_with_unknowns_are_probed(features) -> None:
    y = np.stack([features.y, 1 - features.y], axis=1).astype(float)
    y[::7, 1] = np.nan
    for probe in ("logistic", fp.KNNProbe(k=5), "prototype"):
        found = fp.evaluate(relabel(features, y, "multilabel"), probe)[0]
        assert 0 <= found.metrics["auroc"] <= 1  # of random weights
        assert found.task == "multilabel"


def test_a_class_missing_from_train_scores_zero_and_breaks_nothing(features) -> None:
    y = features.y.copy()
    _, _, test = parts(features)
    lone = features.groups == features.groups[min(test)]
    y[lone] = 2
    items = relabel(features, y, classes=("a", "b", "c")).items
    items.split = np.array(["test" if i in test else "train" for i in range(40)])
    found = fp.evaluate(features, "logistic")[0]
    assert np.isfinite(found.metrics["auroc"])
    assert np.isfinite(found.metrics["balanced_accuracy"])


def test_unknown_probes_and_parameters_offer_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'logistic'"):
        make_probe("logistik")
    with pytest.raises(InputError, match="no parameter 'kk'"):
        make_probe("knn", kk=3)


def test_cross_validation_tests_every_item_once_by_patient(spied) -> None:
    features, fitted, asked = spied
    found = fp.evaluate(features, Spy(), fp.CrossVal(folds=4))
    assert len(found) == 1
    tested, chosen_on = asked[1::2], asked[0::2]
    assert sorted(i for fold in tested for i in fold) == list(range(40))
    for fold, val, first, refit in zip(tested, chosen_on, fitted[0::2], fitted[1::2]):
        patients = [set(features.groups[rows]) for rows in (fold, val, first)]
        assert not patients[0] & patients[1]
        assert not patients[0] & patients[2]
        assert not patients[1] & patients[2]
        assert set(refit) == set(first) | set(val)


def test_cross_validation_means_are_over_folds(features, cache) -> None:
    from sklearn.metrics import accuracy_score

    found = fp.evaluate(features, fp.KNNProbe(k=[3, 5]), fp.CrossVal(folds=4), save=True)[0]
    assert "4 folds" in found.split["origin"]
    assert len(found.params["k"]) == 4
    saved = np.load(cache / "results" / "scores" / f"{found.id}.npz")
    overall = accuracy_score(saved["y"], saved["scores"][0].argmax(1))
    assert found.metrics["accuracy"] == pytest.approx(overall)  # folds of equal size
    low, high = found.ci["auroc"]
    assert low < found.metrics["auroc"] < high
    assert not found.components  # folds are not tries on the same patients


def test_too_few_patients_or_folds_are_told(features) -> None:
    with pytest.raises(InputError, match="20 patients cannot be split into 21 folds"):
        fp.evaluate(features, "prototype", fp.CrossVal(folds=21))
    with pytest.raises(InputError, match="at least 3"):
        fp.CrossVal(folds=2)


@pytest.mark.parametrize(("value", "said"), [(1, "scored 1, present"), (0, "scored 0, absent")])
def test_a_label_with_one_value_in_a_draw_is_scored_as_that(features, cache, value, said) -> None:
    y = np.stack([features.y, np.full(40, value)], axis=1).astype(float)
    relabel(features, y, "multilabel")
    for probe in ("logistic", "prototype", fp.KNNProbe(k=3)):
        found = fp.evaluate(features, probe, fp.FewShot((2,), tries=3), save=True)[0]
        assert any("label 'b'" in n and said in n for n in found.notes), found.notes
        scores = np.load(cache / "results" / "scores" / f"{found.id}.npz")["scores"]
        assert (scores[:, :, 1] == value).all()
        assert found.metrics["accuracy"] >= found.metrics["accuracy:a"]
        assert len(np.unique(scores[:, :, 0])) > 1


def test_results_that_cannot_be_kept_are_still_returned(features, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    found = fp.evaluate(features, "prototype", save=True, cache=tmp_path / "file")[0]
    assert 0 <= found.metrics["auroc"] <= 1
    assert any("not kept" in n for n in found.notes)


def test_a_backbone_that_was_pretrained_on_the_data_is_said(class_folders, monkeypatch) -> None:
    from dataclasses import replace

    from featprobe.backbones.catalog import CATALOG
    from tests.conftest import make_tiny

    entry = replace(CATALOG["resnet18"], name="seer", overlap={"films": "it was trained on Films"})
    monkeypatch.setitem(CATALOG, "seer", entry)
    data = fp.load_dataset(class_folders)
    for name, random, expected in (
        ("seer", False, "it was trained on Films"),
        ("seer", True, ""),  # random weights have seen nothing
        ("resnet34", False, ""),
    ):
        backbone = replace(
            make_tiny(), name=f"{name}{random}", random=random, origin={"name": name}
        )
        found = fp.evaluate(fp.extract(backbone, data), "knn")
        assert {r.overlap for r in found} == {expected}
        again = [results.Result.from_dict(json.loads(r.to_json())) for r in found]
        assert {r.overlap for r in again} == {expected}


def overlapping(n: int = 120, seed: int = 0, apart: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Features of two classes that overlap."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    return rng.normal(size=(n, 6)) + apart * y[:, None] * np.eye(6)[0], y


def test_the_view_that_val_chose_is_said_and_the_cell_does_not_depend_on_it(cache) -> None:
    x, y = overlapping(apart=3.0)
    noise = np.random.default_rng(1).normal(size=x.shape)
    found = []
    for part, arrays in enumerate(({"cls": x, "mean": noise}, {"cls": noise, "mean": x})):
        features = cached(cache / str(part), arrays, y)
        for protocol in (fp.Full(), fp.CrossVal(4)):
            for r in fp.evaluate(features, "ridge", protocol, view=["cls", "mean"]):
                assert r.settings["views"] == ["cls/mean", "mean/mean"]
                found.append(r)
    full, folds = found[::2], found[1::2]
    assert [r.view for r in full] == ["cls", "mean"]
    assert [r.params["view"] for r in folds] == [["cls/mean"] * 4, ["mean/mean"] * 4]
    for one, two in (full, folds):
        assert one.cell == two.cell
    alone = fp.evaluate(features, "ridge", view="mean")[0]
    assert "views" not in alone.settings
    assert alone.metrics == full[1].metrics
    assert alone.cell != full[1].cell


def test_poolings_are_chosen_among_like_views(cache) -> None:
    x, y = overlapping()
    found = fp.evaluate(cached(cache, {"cls": x}, y), "ridge", view="cls", pool=["mean", "max"])[0]
    assert found.settings["views"] == ["cls/mean", "cls/max"]
    assert found.pool == "mean"  # one frame an item: they are equal, and the first stays


def test_preparation_is_a_setting_of_the_result(cache) -> None:
    features = cached(cache, {"cls": overlapping()[0]}, overlapping()[1])
    plain = fp.evaluate(features, "knn")[0]
    changed = fp.evaluate(features, "knn", normalize=True, pca=3)[0]
    assert (changed.settings["normalize"], changed.settings["pca"]) == (True, 3)
    assert not {"normalize", "pca"} & set(plain.settings)
    assert plain.cell != changed.cell


@pytest.mark.parametrize("probe", ["ridge", fp.KNNProbe(k=[3, 9])])
@pytest.mark.parametrize("protocol", ["full", "cv"])
def test_values_are_probed_and_measured_as_scikit_learn_does(cache, probe, protocol) -> None:
    from sklearn.metrics import mean_absolute_error, r2_score

    x, _ = overlapping(150)
    y = x[:, 0] * 10 + 40
    y[::30] = np.nan
    features = cached(cache, {"cls": x}, y, task="regression", classes=())
    found = fp.evaluate(features, probe, protocol, save=True)
    result = next(r for r in found if r.selected)
    assert "5 items without a known label are not used" in result.notes
    kept = np.load(cache / "results" / "scores" / f"{result.id}.npz")
    truth, guess = kept["y"], kept["scores"][0, :, 0]
    folds = kept["fold"] if protocol == "cv" else np.zeros(len(truth), int)
    for name, theirs in (("r2", r2_score), ("mae", mean_absolute_error)):
        expected = np.mean([theirs(truth[folds == f], guess[folds == f]) for f in set(folds)])
        assert result.metrics[name] == pytest.approx(expected)
    assert result.metrics["r2"] > 0.5
    low, high = result.ci["r2"]
    assert low < result.metrics["r2"] < high
    if protocol == "full" and len(found) > 1:
        assert result.val["r2"] == max(r.val["r2"] for r in found)


def test_a_probe_that_is_not_for_the_targets_names_those_that_are(cache) -> None:
    x, _ = overlapping()
    features = cached(cache, {"cls": x}, x[:, 0], task="regression", classes=())
    with pytest.raises(InputError, match="logistic is not for regression .* knn, .*ridge"):
        fp.evaluate(features, "logistic")
    with pytest.raises(InputError, match="few-shot draws items of each class"):
        fp.evaluate(features, "ridge", "fewshot")


def test_leave_one_out_results_are_marked_where_nothing_was_chosen(cache) -> None:
    features = cached(cache, {"cls": overlapping()[0]}, overlapping()[1])
    several = fp.evaluate(features, fp.KNNProbe(k=[3, 9]), "loo")
    assert [r.selected for r in several] == [False, False]
    one = fp.evaluate(features, fp.KNNProbe(k=9), "loo")[0]
    assert one.selected
    assert one.metrics == several[1].metrics
    assert one.sizes["test"] == 120


def test_features_that_are_not_finite_name_the_item(cache) -> None:
    x, y = overlapping()
    x[7, 2], x[9, 0] = np.nan, np.inf
    features = cached(cache, {"cls": x}, y)
    named = f"2 items are NaN or infinite, first '{features.ids[7]}'"
    for protocol in ("full", "fewshot", "cv", "loo"):
        with pytest.raises(InputError, match=named):
            fp.evaluate(features, fp.KNNProbe(k=3), protocol)
    with pytest.raises(InputError, match=named):
        fp.evaluate(features, "attentive")


def test_every_image_twice_does_not_narrow_the_interval(cache) -> None:
    """Not as twice as many patients would, which divides the width by the root of two."""
    rng = np.random.default_rng(3)
    x, y = overlapping(240)
    groups = np.repeat(np.arange(120), 2).astype(str)
    y = np.repeat(np.arange(120) % 2, 2)
    x = rng.normal(size=x.shape) + y[:, None] * np.eye(6)[0]
    split = np.where(np.arange(240) < 120, "train", "test")
    split[80:120] = "val"
    for probe in ("ridge", "prototype", "logistic"):
        widths = []
        for part, times in enumerate((1, 2)):
            features = cached(
                cache / f"{probe}{part}", {"cls": np.tile(x, (times, 1))}, np.tile(y, times),
                groups=np.tile(groups, times), split=np.tile(split, times),
            )  # fmt: skip
            found = fp.evaluate(features, probe)[0]
            assert found.sizes["test_groups"] == 60
            widths.append({n: high - low for n, (low, high) in found.ci.items()})
        for metric in ("auroc", "accuracy", "brier"):
            assert widths[1][metric] == pytest.approx(widths[0][metric], rel=0.15), probe


def test_constant_features_and_a_class_that_val_lacks_break_nothing(cache) -> None:
    x, _ = overlapping()
    x[:, 3] = 7.0
    y = np.arange(120) % 3
    split = np.where(np.arange(120) < 60, "train", np.where(np.arange(120) < 90, "val", "test"))
    y[(split == "val") & (y == 2)] = 0
    features = cached(cache, {"cls": x}, y, split=split)
    for probe in ("logistic", "ridge", "prototype", fp.KNNProbe(k=[3, 9])):
        for found in fp.evaluate(features, probe):
            assert all(np.isfinite(v) for v in found.metrics.values())
            assert 0 <= found.metrics["auroc"] <= 1


def test_scores_are_the_probabilities_and_areas_are_of_scores(cache) -> None:
    """Traps: a softmax of probabilities, which flattens them; AUROC and AP of hard predictions."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import average_precision_score, roc_auc_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = overlapping(200)
    split = np.where(np.arange(200) < 120, "train", "test")
    split[90:120] = "val"
    features = cached(cache, {"cls": x}, y, split=split)
    found = fp.evaluate(features, fp.LogisticProbe(0.5), save=True)[0]
    scores = np.load(cache / "results" / "scores" / f"{found.id}.npz")["scores"][0]
    theirs = make_pipeline(StandardScaler(), LogisticRegression(C=0.5, tol=1e-8)).fit(
        x[:120], y[:120]
    )
    np.testing.assert_allclose(scores, theirs.predict_proba(x[120:]), atol=1e-4)
    truth, hard = y[120:], scores.argmax(1)
    assert found.metrics["auroc"] == pytest.approx(roc_auc_score(truth, scores[:, 1]))
    assert found.metrics["auroc"] != pytest.approx(roc_auc_score(truth, hard), abs=1e-3)
    areas = [average_precision_score(truth == c, scores[:, c]) for c in (0, 1)]
    assert found.metrics["ap"] == pytest.approx(np.mean(areas))
    assert found.metrics["ap"] != pytest.approx(average_precision_score(truth, hard), abs=1e-3)


def test_a_request_is_the_same_until_something_that_is_asked_for_changes(features) -> None:
    asked = {r.request for r in fp.evaluate(features, "knn", resamples=20)}
    assert asked == {request(features, "knn", resamples=20)}
    others = [
        request(features, "knn"),
        request(features, "knn", resamples=20, view="mean"),
        request(features, "knn", resamples=20, normalize=True),
        request(features, "knn", resamples=20, level="patient"),
        request(features, "knn", fp.Full(refit=False), resamples=20),
        request(features, "knn", fp.Full(seed=1), resamples=20),
        request(features, fp.KNNProbe(k=[5, 20]), resamples=20),
        request(features, "logistic", resamples=20),
    ]
    assert len({*asked, *others}) == 1 + len(others)


def test_a_subset_cuts_what_is_fitted_and_chosen_on_and_not_what_is_tested(spied) -> None:
    features, fitted, asked = spied
    train, val, test = parts(features)
    fp.evaluate(features, Spy(), fp.Full(subset=0.5))
    small, both = (set(f) for f in fitted)
    assert small < train
    assert both - small < val
    assert set(asked[0]) == both - small
    assert set(asked[1]) == test


def test_subsets_are_leagues_of_their_own_and_all_of_train_keeps_its_cell(features) -> None:
    from featprobe.leaderboard.leagues import league, leagues
    from featprobe.leaderboard.row_labels import setting

    probes = (fp.KNNProbe(3), fp.PrototypeProbe())
    found = {
        f: [fp.evaluate(features, p, fp.Full(subset=f), resamples=10)[0] for p in probes]
        for f in (1.0, 0.5, 0.1)
    }
    every = [r for rows in found.values() for r in rows]
    assert sorted(len(m) for m in leagues(every).values()) == [2, 2, 2]
    assert len({r.split["digest"] for r in every}) == 3
    assert len({r.cell for r in every}) == 6
    ordered = sorted((found[f][0] for f in found), key=league)
    assert [r.settings.get("subset") for r in ordered] == [None, 0.1, 0.5]
    assert "50 % of their patients" in found[0.5][0].split["origin"]
    assert setting(found[0.1][0]).startswith("10 % of train, k=")
    assert "%" not in setting(found[1.0][0])


def test_one_class_is_told_in_one_line_whatever_the_subset(cache) -> None:
    y = np.array([0] * 30 + [0, 1] * 5)
    split = np.array(["train"] * 24 + ["val"] * 6 + ["test"] * 10)
    found = cached(cache, {"cls": np.random.default_rng(0).normal(size=(40, 3))}, y, split=split)
    with pytest.raises(InputError, match=r"train holds one class only \(a\)"):
        fp.evaluate(found, "knn", fp.Full(subset=0.2))
