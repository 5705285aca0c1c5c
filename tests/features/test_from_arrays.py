"""Features of one's own are probed like those of a store."""

from __future__ import annotations

import numpy as np
import pytest

import featprobe as fp
from featprobe.core.errors import InputError
from tests.support.cached import cached

RNG = np.random.default_rng(0)
Y = np.arange(60) % 2
IDS = [f"i{i}" for i in range(60)]
X = RNG.normal(size=(60, 4)) + Y[:, None]


def test_features_in_memory_give_the_results_of_a_store(cache) -> None:
    own = fp.FeatureSet.from_arrays(
        {"cls": X}, Y, classes=("a", "b"), ids=[f"i{i}" for i in Y * 0 + np.arange(60)]
    )
    kept = cached(cache, {"cls": X}, Y, ids=own.ids, groups=own.ids)
    for probe in ("knn", "logistic"):
        one, other = (fp.evaluate(f, probe)[0] for f in (own, kept))
        assert one.metrics == other.metrics
        assert one.split["digest"] == other.split["digest"]


def test_one_array_is_called_features_and_keeps_its_precision() -> None:
    features = fp.FeatureSet.from_arrays(X, Y, groups=np.arange(60) // 2)
    np.testing.assert_array_equal(features.x(), X.astype(np.float32))
    assert features.default_view == "features"
    assert len(np.unique(features.groups)) == 30
    blocks = fp.FeatureSet.from_arrays({"mean": np.stack([X, 2 * X], 1)}, Y)
    assert blocks.x("mean:2").shape == (60, 8)
    np.testing.assert_array_equal(blocks.x("mean"), (2 * X).astype(np.float32))


def test_frames_hold_ids_targets_and_features() -> None:
    frame = fp.FeatureSet.from_arrays(X, Y, classes=("no", "yes")).to_frame()
    assert frame["label"].tolist() == [("no", "yes")[v] for v in Y]
    np.testing.assert_array_equal(frame[["f0", "f3"]], X[:, [0, 3]].astype(np.float32))
    result = fp.evaluate(fp.FeatureSet.from_arrays(X, Y), "knn")[0]
    rows = result.to_frame().set_index("metric")
    assert rows.loc["auroc", "value"] == result.metrics["auroc"]
    assert tuple(rows.loc["auroc", ["low", "high"]]) == result.ci["auroc"]


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (X[0], r"expected shape \(N, D\) or \(N, blocks, D\), got \(4,\)"),
        ({"cls": X, "mean": X[:5]}, r"outputs have \[5, 60\] rows"),
        ({"my cls": X}, "cannot be the name of an output"),
        ([["a", "b"]], "expected numbers"),
        ("features.npy", r"expected an array \(N, D\), got 'features.npy'"),
    ],
)
def test_a_mistake_is_one_line(x, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fp.FeatureSet.from_arrays(x)
