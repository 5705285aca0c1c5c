"""Stored augmented views: epochs of heads, and means of scores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

import featprobe as fp
from featprobe.core.errors import InputError
from featprobe.evaluation import results
from featprobe.features.augmented import AugmentedRows
from featprobe.leaderboard.row_labels import setting
from featprobe.solvers.sgd import Recipe, train_heads
from featprobe.solvers.training import batches
from featprobe.store.memory import MemoryStore

N, VIEWS = 96, 3


def arrays(seed: int = 0) -> tuple[list[np.ndarray], np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.arange(N) // 2 % 2
    x = rng.normal(size=(N, 5)) + y[:, None]
    return [(x + 0.4 * v * rng.normal(size=x.shape)).astype(np.float32) for v in range(VIEWS)], y


def features(views: int = VIEWS, **changes) -> fp.FeatureSet:
    """A set whose views lie as an extraction stores them."""
    seen, y = arrays()
    split = np.array(["train", "val", "test"])[np.arange(N) // 4 % 3]
    given = {"split": split, "groups": np.arange(N) // 2, "backbone": "net"} | changes
    plain = fp.FeatureSet.from_arrays({"cls": seen[0]}, y, **given)
    augmented = {"views": views, "seed": 0, "draws": {"flip": {"p": 0.5}}} if views > 1 else {}
    held = {"cls": seen[0][:, None]}
    held |= {f"cls.{v}": seen[v][:, None] for v in range(1, views)}
    key = replace(plain.key, augmented=augmented)
    store = plain.store
    return fp.FeatureSet(
        MemoryStore(key, held, store.items(), store.dataset, store.backbone, {"source": "given"})
    )


def parts() -> tuple[np.ndarray, np.ndarray]:
    split = np.array(["train", "val", "test"])[np.arange(N) // 4 % 3]
    train, val, test = (np.flatnonzero(split == part) for part in ("train", "val", "test"))
    return np.r_[train, val], test


def scores(cache, r) -> np.ndarray:
    return np.load(results.scores_file(cache, r))["scores"][0]


def test_a_set_with_views_is_by_default_as_one_without(cache) -> None:
    probe = fp.LogisticProbe(1.0)
    (one,) = fp.evaluate(features(), probe, resamples=20)
    (other,) = fp.evaluate(features(views=1), probe, resamples=20)
    assert one.metrics == other.metrics
    assert "augmented" not in one.settings


def test_test_time_scores_are_the_mean_over_views(cache) -> None:
    probe = fp.LogisticProbe(1.0, standardize=False, tol=1e-14)
    (r,) = fp.evaluate(features(), probe, augmented="test", resamples=20, save=True, cache=cache)
    (views, y), (fit, test) = arrays(), parts()
    model = LogisticRegression(C=1.0, tol=1e-10, max_iter=10_000).fit(views[0][fit], y[fit])
    expected = np.mean([model.predict_proba(v[test]) for v in views], axis=0)
    np.testing.assert_allclose(scores(cache, r), expected, atol=1e-4)
    assert r.settings["augmented"] == "test"
    assert "views in test" in setting(r)


@pytest.mark.parametrize("protocol", ["knn", "fewshot", "cv"])
def test_every_protocol_averages_over_views(cache, protocol) -> None:
    probe = fp.KNNProbe(3) if protocol == "knn" else fp.PrototypeProbe()
    way = {"knn": "full", "fewshot": fp.FewShot((2,), 2), "cv": fp.CrossVal(3)}[protocol]

    def scored(**options):
        found = fp.evaluate(features(), probe, way, resamples=20, save=True, cache=cache, **options)
        return np.load(results.scores_file(cache, found[0]))["scores"]

    mean = scored(augmented="test")
    assert not np.allclose(mean, scored())
    assert np.isfinite(mean).all()


def bare_loop(views: list[np.ndarray], y: np.ndarray, rate: float, recipe: Recipe) -> np.ndarray:
    """torch's own layer and optimizer; the e-th pass over the rows sees view e mod V."""
    classes, width = 2, views[0].shape[1]
    layer = torch.nn.Linear(width, classes)
    start = np.random.default_rng([recipe.seed, 0]).normal(0, 0.01, (classes, width))
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(start))
        layer.bias.zero_()
    optimizer = torch.optim.SGD(layer.parameters(), lr=rate, momentum=recipe.momentum)
    seen = 0
    for rows in batches(len(y), recipe.batch, recipe.steps(len(y)), recipe.seed):
        inputs = []
        for row in rows:
            inputs.append(views[seen // len(y) % len(views)][row])
            seen += 1
        loss = torch.nn.functional.cross_entropy(
            layer(torch.from_numpy(np.stack(inputs))), torch.from_numpy(y[rows])
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return np.c_[layer.weight.detach().numpy(), layer.bias.detach().numpy()]


def test_the_epochs_of_a_head_go_through_the_views_as_a_bare_loop_does() -> None:
    views, y = arrays()
    recipe = Recipe(batch=20, epochs=5, schedule="constant")  # 96 rows: batches cross epochs
    found = train_heads(views, y, [0.1, 0.01], recipe, device="cpu")
    for g, rate in enumerate([0.1, 0.01]):
        expected = bare_loop(views, y, rate, recipe)
        np.testing.assert_allclose(found.coef[g], expected[:, :-1], atol=1e-5)
        np.testing.assert_allclose(found.intercept[g], expected[:, -1], atol=1e-5)
    same = train_heads([views[0]] * 3, y, [0.1], recipe, device="cpu")
    one = train_heads(views[0], y, [0.1], recipe, device="cpu")
    np.testing.assert_array_equal(same.coef, one.coef)


def test_a_probe_trained_on_views_is_that_head(cache) -> None:
    probe = fp.SGDProbe(lr=0.1, batch=16, epochs=4, scale_lr=False, standardize=False, device="cpu")
    (r,) = fp.evaluate(features(), probe, augmented="train", resamples=20, save=True, cache=cache)
    (views, y), (fit, test) = arrays(), parts()
    made = fp.SGDProbe(**probe.get_params())
    made.fit(AugmentedRows(tuple(v[fit] for v in views)), y[fit])
    np.testing.assert_allclose(scores(cache, r), made.predict_proba(views[0][test]), atol=1e-6)
    (both,) = fp.evaluate(features(), probe, augmented="both", resamples=20, save=True, cache=cache)
    expected = np.mean([made.predict_proba(v[test]) for v in views], axis=0)
    np.testing.assert_allclose(scores(cache, both), expected, atol=1e-6)
    patient = fp.SGDProbe(lr=[0.1, 0.01], epochs=9, patience=2, batch=16, device="cpu")
    (chosen,) = fp.evaluate(
        features(), patient, augmented="train", normalize=True, resamples=20, cache=cache
    )
    assert chosen.metrics["auroc"] > 0.7
    (few,) = fp.evaluate(
        features(), probe, fp.FewShot((4,), 2), augmented="both", resamples=20, cache=cache
    )
    assert few.settings["augmented"] == "both"


def test_uses_are_rows_of_their_own(cache) -> None:
    probe, found = fp.KNNProbe(3), features()
    cells = {fp.evaluate(found, probe, augmented=a, resamples=20)[0].cell for a in ("", "test")}
    assert len(cells) == 2


@pytest.mark.parametrize(
    ("probe", "options", "said"),
    [
        (fp.LogisticProbe(), {"augmented": "train"}, "logistic is not trained in epochs"),
        (fp.LogisticProbe(), {"augmented": "all"}, "are for train, test, both, not 'all'"),
        (fp.AttentiveProbe(), {"augmented": "test"}, "takes bags of frames, in one view"),
        (fp.KNNProbe(), {"augmented": "test", "protocol": fp.evaluation.protocols.LeaveOneOut()},
         "reads each item once"),
    ],
)  # fmt: skip
def test_what_views_are_not_for_is_refused(probe, options, said) -> None:
    with pytest.raises(InputError, match=said):
        fp.evaluate(features(), probe, resamples=20, **options)


def test_one_view_is_not_several() -> None:
    with pytest.raises(InputError, match="arrays / net holds each frame in one view; run extract"):
        fp.evaluate(features(views=1), fp.LogisticProbe(1.0), augmented="test")
    with pytest.raises(InputError, match="takes one view of each item"):
        fp.LogisticProbe(1.0).fit(AugmentedRows(tuple(arrays()[0])), arrays()[1])
