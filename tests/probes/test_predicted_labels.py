"""What predict gives of independent labels: each of them, by every probe that fits labels."""

from __future__ import annotations

import numpy as np
import pytest

from featprobe.probes.registry import PROBES


@pytest.mark.parametrize(
    "name", ["logistic", "ridge", "sgd", "mlp", "prototype", "knn", "smoothed"]
)
def test_predictions_of_labels_are_one_of_each_label(name: str) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, (60, 3)).astype(float)
    x = 4 * y @ rng.normal(size=(3, 8)) + rng.normal(size=(60, 8))
    probe = PROBES.get(name)().fit(x, y)
    found = probe.predict(x)
    assert found.shape == y.shape
    np.testing.assert_array_equal(found, probe.predict_proba(x) >= 0.5)
