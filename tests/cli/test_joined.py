"""Verbs on features of several backbones side by side."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import normalize

import featprobe as fp
from featprobe.core import paths
from featprobe.store.cache import entries
from featprobe.testing.cases import make_key
from tests.support.cached import cached

N = 160


def arrays():
    rng = np.random.default_rng(0)
    y = np.arange(N) // 2 % 2
    a = rng.normal(size=(N, 6)) + np.outer(y, np.r_[0.8, np.zeros(5)])
    b = 50 * rng.normal(size=(N, 3)) + np.outer(y, np.r_[0, 40, 0])
    split = np.array(["train", "val", "test"])[np.arange(N) // 4 % 3]
    return a, b, y, split


@pytest.fixture
def stores(cache):
    a, b, y, split = arrays()
    root = paths.feature_root(None)
    columns = {"groups": np.array([f"p{i // 2}" for i in range(N)]), "split": split}
    cached(root, {"cls": a, "mean": a[:, ::-1]}, y, backbone="a", **columns)
    cached(root, {"mean": b}, y, backbone="b", **columns)
    cached(root, {"cls": a}, y, backbone="a", dataset="others", **columns)
    return root


def shown(run, *words: object) -> list[dict]:
    code, out, err = run(*words, "--resamples", 20, "--json")
    assert code == 0, err
    return [json.loads(line) for line in out.splitlines()]


def test_a_linear_probe_is_that_of_sklearn_on_numpys_rows(run, stores, cache) -> None:
    (found,) = shown(
        run, "linear", "--features", "a:cls + b:mean", "--C", 1, "--no-standardize", "--no-refit"
    )
    a, b, y, split = arrays()
    x = np.concatenate([a, b], axis=1).astype(np.float32)
    train, test = split == "train", split == "test"
    model = LogisticRegression(C=1, tol=1e-10, max_iter=10_000).fit(x[train], y[train])
    scores = model.predict_proba(x[test])[:, 1]
    kept = np.load(cache / "results" / "scores" / f"{found['id']}.npz")
    np.testing.assert_array_equal(kept["y"], y[test])
    np.testing.assert_allclose(kept["scores"][0][:, 1], scores, atol=2e-3)
    assert found["metrics"]["auroc"] == pytest.approx(roc_auc_score(y[test], scores), abs=1e-3)
    assert (found["backbone"], found["view"]) == ("a + b", "a:cls + b:mean")
    assert set(found["provenance"]["key"]["parts"]) == {"a", "b"}


def test_neighbours_of_unit_parts_are_those_of_sklearn(run, stores, cache) -> None:
    (found,) = shown(
        run, "knn", "--features", "unit(a:cls)+unit(b:mean)", "--k", 5, "--vote", "uniform",
        "--metric", "l2",
    )  # fmt: skip
    a, b, y, split = arrays()
    x = np.hstack([normalize(a), normalize(b)])
    fit, test = split != "test", split == "test"
    scores = KNeighborsClassifier(5).fit(x[fit], y[fit]).predict_proba(x[test])[:, 1]
    assert found["metrics"]["auroc"] == pytest.approx(roc_auc_score(y[test], scores))


def test_few_shots_are_of_the_joint_rows_and_several_views_are_chosen_among(run, stores) -> None:
    found = shown(run, "fewshot", "--features", "a:cls + b:mean", "--shots", 2, 4, "--tries", 3)
    assert [r["shots"] for r in found] == [2, 4]
    (found,) = shown(
        run, "linear", "--C", 1, "--features", "a:cls", "b:mean", "a:cls + b:mean", "a + b"
    )
    assert found["backbone"] == "a + b"
    assert len(found["settings"]["views"]) == 4


def test_models_may_be_joined_by_their_names(run, stores) -> None:
    (by_model,) = shown(run, "linear", "--model", "a:cls + b:mean", "--C", 1)
    (by_view,) = shown(run, "linear", "--features", "a:cls + b:mean", "--C", 1)
    assert by_model["metrics"] == by_view["metrics"]
    assert by_model["request"] == by_view["request"]
    found = shown(run, "linear", "--model", "a:cls + b:mean", "a:mean + b", "--C", 1)
    assert [r["view"] for r in found] == ["a:cls + b:mean", "a:mean + b:mean"]
    (found,) = shown(run, "knn", "--preset", "medmnist", "--model", "a:cls + b")
    assert (found["view"], found["params"]["metric"]) == ("a:cls + b:mean", "l2")


def test_two_views_of_one_backbone_are_its_own_view(run, stores) -> None:
    (joint,) = shown(run, "linear", "--features", "a:cls + a:mean", "--C", 1, "--data", "films")
    (plain,) = shown(
        run, "linear", "--features", "cls+mean", "--C", 1, "--model", "a", "--data", "films"
    )
    for name in ("backbone", "view", "key", "metrics"):
        assert joint[name] == plain[name]


def test_a_store_may_be_named_in_place_of_a_backbone(run, stores) -> None:
    name = next((stores / "features" / "others").glob("a-*")).stem
    (found,) = shown(run, "linear", "--features", f"{name}:cls + a:cls", "--C", 1)
    assert found["dataset"] == "others"  # both mean the one store there
    b = next((stores / "features" / "films").glob("b-*")).stem
    (found,) = shown(run, "linear", "--features", f"{name} + {b}", "--C", 1)
    assert found["dataset"] == "others + films"
    assert found["backbone"] == "a + b"


def test_a_joined_probe_is_tested_elsewhere_as_one_of_one_backbone_is(run, stores, cache) -> None:
    a, b, y, split = arrays()
    rng = np.random.default_rng(1)
    new = {"a": a + rng.normal(size=a.shape), "b": b + rng.normal(size=b.shape)}
    columns = {"groups": np.array([f"q{i // 2}" for i in range(N)]), "dataset": "pad"}
    cached(stores, {"cls": new["a"]}, y, backbone="a", **columns)
    cached(stores, {"mean": new["b"]}, y, backbone="b", **columns)
    view = "a:cls + unit(b:mean)"
    words = ["--set", "Cs=[1]", "--set", "standardize=false", "--no-refit"]
    home, there = shown(
        run, "transfer", "--train", "films", "--test", "pad", "--model", view, *words
    )
    assert (there["backbone"], there["view"]) == ("a + b", view)
    assert there["in_domain"] == home["id"]
    assert set(there["provenance"]["key"]["parts"]) == {"a", "b"}
    train = split == "train"
    model = LogisticRegression(C=1, tol=1e-10, max_iter=10_000)
    model.fit(np.hstack([a, normalize(b)])[train], y[train])
    scores = model.predict_proba(np.hstack([new["a"], normalize(new["b"])]))[:, 1]
    assert there["metrics"]["auroc"] == pytest.approx(roc_auc_score(y, scores), abs=1e-3)
    kept = [np.load(cache / "results" / "scores" / f"{r['id']}.npz") for r in (home, there)]
    of_val = np.sort(cached_ids(stores, "films")[split == "val"])
    for scores in kept:  # what val chose is of the data set that was trained on
        ids = [str(i).removeprefix("films: ") for i in scores["val_ids"]]
        np.testing.assert_array_equal(np.sort(ids), of_val)
        np.testing.assert_array_equal(scores["val_scores"], kept[0]["val_scores"])
    by_view = shown(run, "transfer", "--data", "films", "pad", "--features", view, *words)
    assert len(by_view) == 4
    assert by_view[1]["metrics"] == there["metrics"]
    code, out, err = run("transfer", "--train", "films", "--test", "others", "--model", "a + b")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "no features of others by this backbone" in err
    assert "run 'featprobe extract --model b --data others'" in err


def cached_ids(root, dataset: str) -> np.ndarray:
    found = (e.store for e in entries(root) if e.store.dataset == dataset)
    return np.asarray(next(found).items().ids)


def test_parts_that_were_made_otherwise_there_are_named(run, stores) -> None:
    a, _, y, _ = arrays()
    cached(stores, {"cls": a}, y, backbone="a", dataset="pad")
    key = make_key(outputs={"mean": 1}, dtype="float32", weights="other weights of b")
    cached(stores, {"mean": a}, y, backbone="b", dataset="pad", key=key)
    code, _, err = run("transfer", "--train", "films", "--test", "pad", "--model", "a:cls + b:mean")
    assert code == 2
    assert "(different: weights of b)" in err


def test_the_board_and_compare_have_them_beside_their_parts(run, stores) -> None:
    for words in (["--model", "a"], ["--model", "b"], ["--features", "a:cls + b:mean"]):
        assert shown(run, "linear", "--C", 1, "--data", "films", *words)
    code, out, err = run("leaderboard", "--json")
    assert code == 0, err
    assert "a + b" in out
    code, out, err = run("compare", "--between", "all", "--data", "films", "--json")
    assert code == 0, err
    assert len(out.splitlines()) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--features", "a:cls + c:mean"], "no features of backbone 'c'"),
        (["--features", "a:cls + b:cls"], "films / b has no 'cls'"),
        (["--features", "a:cls + a:cls"], "a:cls is there twice"),
        (["--features", "a:cls + b:mean", "cls"], "--features 'cls' names no backbone and others"),
        (["--features", "a:cls + b:mean", "--model", "a"], "give --features alone"),
        (["--model", "a + b", "a"], "give --features alone"),
        (["--features", "a:cls + b:mean", "--data", "others"], "others: no complete features of"),
        (["--features", "a+b:cls"], "joined by ' \\+ ', with spaces"),
        (["--features", "a:cls + b:mean", "--each-block", "all"], "--each-block is of one"),
        (["--model", "a + b", "--features", "cls"], "give --features alone"),
    ],
)
def test_what_cannot_be_joined_is_said_in_one_line(run, stores, words, said) -> None:
    code, out, err = run("linear", *words)
    assert (code, out) == (2, "")
    lines = [line for line in err.splitlines() if not line.startswith("left aside")]
    assert re.search(said, lines[-1])
    assert len(lines) == 1


@pytest.mark.slow
def test_a_saved_joined_probe_extracts_both(run, class_folders, tmp_path) -> None:
    backbones = [
        fp.load_backbone("resnet18", init="random", image_size=32),
        fp.load_backbone("tiny_vit14", init="random"),
    ]
    data = fp.load_dataset(class_folders)
    sets = [fp.extract(b, data) for b in backbones]
    names = [b.name for b in backbones]
    view = f"{names[0]}:mean + unit({names[1]}:cls)"
    file = tmp_path / "joint.safetensors"
    code, _, err = run("linear", "--features", view, "--C", 0.1, "--save", file, "--resamples", 20)
    assert code == 0, err
    new = tmp_path / "new"
    new.mkdir()
    for i, source in enumerate(sorted(class_folders.rglob("*.png"))[::5]):
        (new / f"{i}.png").write_bytes(source.read_bytes())
    code, out, err = run("predict", file, "--data", new, "--json", "--quiet")
    assert code == 0, err
    found = [json.loads(line) for line in out.splitlines()]
    rows = [fp.extract(b, fp.load_dataset(new)) for b in backbones]
    x = np.hstack([rows[0].x("mean"), normalize(rows[1].x("cls"))])
    expected = fp.load_probe(file).predict_proba(x)
    scores = [[r["scores"][c] for c in sets[0].classes] for r in found]
    np.testing.assert_allclose(scores, expected, rtol=1e-5)
    code, _, err = run("predict", file, "--data", new, "--model", "resnet18")
    assert code == 2
    assert "is of 2 backbones" in err
