"""Maps of feature sets, against scikit-learn and by hand."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE, trustworthiness
from sklearn.neighbors import NearestNeighbors

import featprobe as fp
from featprobe.core.errors import InputError, MissingExtra, UnknownName
from featprobe.evaluation import results
from featprobe.features.feature_set import FeatureSet
from featprobe.figures.embedding import columns, embedding_map, judged, layouts
from featprobe.figures.embedding.quality import quality, quality_text
from featprobe.probes.loading import read_saved
from featprobe.probes.saving import save_probe
from tests.figures.embedding.made import clusters

make = embedding_map.embedding_map


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_pca_is_that_of_scikit_learn(metric) -> None:
    features = clusters()
    x = features.x()
    x = unit(x) if metric == "cosine" else x
    fitted = PCA(2, svd_solver="full")
    made = make(features, metric=metric).layouts[0]
    np.testing.assert_allclose(made.xy, fitted.fit_transform(x), atol=1e-4)
    np.testing.assert_allclose(
        made.settings["variance"], fitted.explained_variance_ratio_, atol=1e-5
    )


def test_tsne_is_that_of_scikit_learn_and_the_same_twice() -> None:
    features = clusters(48)
    one, two = (make(features, "tsne", seed=4).layouts[0] for _ in range(2))
    np.testing.assert_array_equal(one.xy, two.xy)
    assert one.settings == {"perplexity": 15.667, "seed": 4, "library": "scikit-learn"}
    whole = PCA(8, random_state=4).fit_transform(layouts.prepared(features.x(), "cosine"))
    start = whole[:, :2].astype(float)
    start = (1e-4 * (start / start[:, 0].std())).astype(np.float32)
    theirs = TSNE(perplexity=47 / 3, init=start, random_state=4).fit_transform(whole)
    np.testing.assert_allclose(one.xy, theirs, rtol=1e-5)


@pytest.mark.slow
def test_umap_is_the_same_twice() -> None:
    pytest.importorskip("umap", reason="umap-learn is not installed")
    features = clusters(60)
    one, two = (make(features, "umap", seed=1).layouts[0] for _ in range(2))
    np.testing.assert_array_equal(one.xy, two.xy)
    assert one.quality["trustworthiness"] > 0.8


@pytest.mark.slow
def test_tsne_of_many_items_is_of_opentsne_and_the_same_twice(monkeypatch) -> None:
    pytest.importorskip("openTSNE", reason="openTSNE is not installed")
    monkeypatch.setattr(layouts, "LARGE", 50)
    features = clusters(60)
    one, two = (make(features, "tsne").layouts[0] for _ in range(2))
    np.testing.assert_array_equal(one.xy, two.xy)
    assert one.settings["library"] == "openTSNE"


def test_what_is_not_installed_is_one_line_that_says_what_to_install(monkeypatch) -> None:
    for name in ("umap", "openTSNE"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtra, match=r"needs umap-learn: pip install 'featprobe\[map\]'"):
        make(clusters(), "umap")
    monkeypatch.setattr(layouts, "LARGE", 50)
    with pytest.raises(MissingExtra, match="t-SNE of 90 items needs openTSNE: .* --sample"):
        make(clusters(), "tsne")


def test_quality_is_that_of_scikit_learn() -> None:
    x, xy = np.random.default_rng(0).normal(size=(80, 6)), np.random.default_rng(1).random((80, 2))
    found = quality(x, xy, k=7)
    assert found["trustworthiness"] == pytest.approx(trustworthiness(x, xy, n_neighbors=7))
    near, there = (
        NearestNeighbors(n_neighbors=7).fit(v).kneighbors(return_distance=False) for v in (x, xy)
    )
    kept = np.mean([len({*a} & {*b}) / 7 for a, b in zip(near.tolist(), there.tolist())])
    assert found["preserved"] == pytest.approx(kept)
    assert quality(xy, xy)["preserved"] == 1.0
    assert "of all items" in quality_text(found)
    many = np.random.default_rng(2).normal(size=(2500, 3))
    drawn = quality(many, many[:, :2])
    assert drawn == quality(many, many[:, :2])
    assert (drawn["items"], "among 2,000 items" in quality_text(drawn)) == (2000, True)


@settings(max_examples=12)
@given(st.integers(4, 40), st.integers(1, 6), st.booleans())
def test_any_features_have_a_map(n, width, alike) -> None:
    x = np.ones((n, width)) if alike else np.random.default_rng(n).normal(size=(n, width))
    made = make(FeatureSet.from_arrays(x), neighbours=3)
    assert made.layouts[0].xy.shape == (n, 2)
    assert np.isfinite(made.layouts[0].xy).all()
    assert made.near is not None
    assert made.near.shape == (n, 3)
    assert not (made.near == np.arange(n)[:, None]).any()


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_neighbours_are_those_in_feature_space(metric) -> None:
    features = clusters()
    theirs = NearestNeighbors(n_neighbors=5, metric=metric).fit(features.x())
    found = make(features, metric=metric, neighbours=5).near
    np.testing.assert_array_equal(found, theirs.kneighbors(return_distance=False))


def test_neighbours_of_very_many_items_are_left_out_and_said(monkeypatch) -> None:
    monkeypatch.setattr(embedding_map, "MOST_PAIRS", 100)
    made = make(clusters())
    assert made.near is None
    assert made.notes == ["Neighbours of 90 items, 10 each, are left out: a map keeps 100."]
    assert make(clusters(), neighbours=0).near is None


def test_columns_are_label_split_patient_and_those_of_tables(tmp_path) -> None:
    features = clusters(30)
    table = tmp_path / "more.csv"
    lines = [f"{i},{'Oslo' if k % 2 else 'Wien'},{20 + k},{k % 3}" for k, i in
             enumerate(features.ids[:28])]  # fmt: skip
    table.write_text("\n".join(["id,site,age,stage", *lines]))
    made = make(features, colours=[f"{table}:{c}" for c in ("site", "age", "stage")])
    assert [c.name for c in made.columns] == ["label", "split", "patient", "site", "age", "stage"]
    frame = made.to_frame()
    assert frame["site"].tolist()[:28] == ["Wien", "Oslo"] * 14
    assert frame["site"].isna().tolist() == [False] * 28 + [True] * 2
    np.testing.assert_array_equal(frame["age"], [*range(20, 48), np.nan, np.nan])
    assert made.column("stage").names == ("0", "1", "2")
    assert made.column("patient").names[:2] == ("Doe^Jane 0", "Doe^Jane 1")
    assert frame["patient"].tolist() == features.groups.tolist()
    assert frame["label"].tolist() == [features.classes[c] for c in features.y]
    with pytest.raises(UnknownName, match="has no column 'sit'. Did you mean 'site'"):
        made.column("sit")
    own = make(features, colours={"who": dict(zip(features.ids, features.groups)),
                                  "side": dict.fromkeys(features.ids, "left")})  # fmt: skip
    assert not own.column("side").identity
    assert columns.of_table(dict(zip(features.ids, features.ids)), features).identity


def test_independent_labels_and_values_are_columns_too() -> None:
    x = np.random.default_rng(0).normal(size=(12, 4))
    y = np.array([[1, 0], [0, np.nan], [1, 1]] * 4)
    many = make(FeatureSet.from_arrays(x, y, classes=("mass", "node"), task="multilabel"))
    assert [c.name for c in many.columns] == ["mass", "node"]
    assert many.column("node").texts()[:3] == ["no node", None, "node"]
    ages = make(FeatureSet.from_arrays(x, np.arange(12) + 0.5, task="regression"))
    np.testing.assert_array_equal(ages.column("label").values, np.arange(12) + 0.5)


def test_a_sample_keeps_its_own_rows_and_the_colours_of_classes() -> None:
    features = clusters(classes=("a", "b", "c", "d"))
    made = make(features, sample=20, seed=5)
    again = make(features, sample=20, seed=5)
    np.testing.assert_array_equal(made.rows, again.rows)
    np.testing.assert_array_equal(made.ids, features.ids[made.rows])
    assert made.column("label").names == features.classes
    assert made.to_frame()["number"].tolist() == (made.rows + 1).tolist()
    assert len(made.column("patient").names) == len(np.unique(features.groups[made.rows]))
    assert made.to_frame()["patient"].tolist() == features.groups[made.rows].tolist()
    assert made.notes == ["20 of 90 items, drawn by seed 5."]


def test_wrong_predictions_are_those_of_the_scores_of_a_result(cache) -> None:
    features = clusters(120, classes=("no", "yes"))
    noisy = FeatureSet.from_arrays(
        features.x() + 6 * np.random.default_rng(0).normal(size=(120, 8)), features.y,
        classes=("no", "yes"), groups=features.groups, ids=features.ids, split=features.split,
        dataset="films", backbone="net",
    )  # fmt: skip
    (r,) = fp.evaluate(noisy, "knn", resamples=20, save=True, cache=cache)
    column = judged.by_result(noisy, cache, r)
    test = noisy.split == "test"
    assert (np.array(column.texts(), object)[~test] == None).all()  # noqa: E711
    scored = results.scored(cache, r)
    wrong = {column.texts()[i] == "wrong" for i in np.flatnonzero(test)}
    assert wrong == {True, False}
    place = {v: i for i, v in enumerate(noisy.ids)}
    for i, y, p in zip(scored.ids, scored.y, scored.tries[0]):
        cut = scored.cuts[0][0] if len(scored.cuts) else 0.5
        assert (column.codes[place[i]] == 1) == (int(p[1] >= cut) != y)
    with pytest.raises(InputError, match="is of other items than films"):
        judged.by_result(clusters(8), cache, r)
    r.settings["level"] = "patient"
    with pytest.raises(InputError, match="its scores are of a patient, not of items"):
        judged.by_result(noisy, cache, r)


def test_wrong_predictions_are_those_of_a_saved_probe(cache, tmp_path) -> None:
    from featprobe.evaluation.predict import source_of

    features = clusters(120, classes=("no", "yes", "maybe"))
    probe = fp.KNNProbe(k=3).fit(features.x(), features.y)
    path = save_probe(probe, tmp_path / "p.safetensors", source_of(features))
    column = judged.by_probe(features, read_saved(path), str(path))
    wrong = probe.predict_proba(features.x()).argmax(1) != features.y
    np.testing.assert_array_equal(column.codes == 1, wrong)
    other = clusters(120, classes=("no", "yes", "maybe"), backbone="vit")
    with pytest.raises(InputError, match="not the features it was made with .*weights"):
        judged.by_probe(other, read_saved(path), str(path))


def test_mistakes_are_named() -> None:
    features = clusters(12)
    with pytest.raises(UnknownName, match="unknown method of a map 'tnse'. Did you mean 'tsne'"):
        make(features, "tnse")
    with pytest.raises(InputError, match="needs a method"):
        make(features, [])
    with pytest.raises(InputError, match="four are the least"):
        make(clusters(3, classes=("a", "b")))
    with pytest.raises(InputError, match="a sample of 3 items"):
        make(features, sample=3)
    with pytest.raises(InputError, match="map metric 'l1': choose of cosine, l2"):
        make(features, metric="l1")
    x = features.x().copy()
    x[3, 1] = np.inf
    with pytest.raises(InputError, match="features of 1 items are not finite"):
        make(FeatureSet.from_arrays(x))
