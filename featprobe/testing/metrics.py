"""What every metric must do, built in or of another package.

class TestMine(MetricContract):
    name = "mine"
"""

from __future__ import annotations

import numpy as np

from featprobe.metrics import measures as metrics
from featprobe.metrics.operating_point import OperatingPoint
from featprobe.stats.intervals import NONE, bounds_of, method_of


class MetricContract:
    """Subclass and set ``name``; the tasks that have the metric are found. ``classes``: of the
    items, where the metric says nothing of two."""

    name: str = ""
    classes: int = 2

    def tasks(self) -> list[str]:
        """Those that have the metric, but for segmentation, whose items are cases."""
        return [t for t in metrics.TASKS if metrics.has(t, self.name) and t != "segmentation"]

    def items(self, task: str, n: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """``y`` and scores as of :class:`~featprobe.metrics.measures.Measure`."""
        rng = np.random.default_rng(seed)
        y = rng.integers(0, 2, n)
        if self.classes > 2 and task in ("multiclass", "ordinal"):
            y = rng.integers(0, self.classes, n)
            p = np.exp(2 * np.eye(self.classes)[y] + rng.normal(size=(n, self.classes)))
            return y, p / p.sum(1, keepdims=True)
        if task == "regression":
            value = rng.normal(size=n)
            return value, (value + rng.normal(size=n))[:, None]
        p = 1 / (1 + np.exp(-(2 * y - 1 + rng.normal(size=n))))
        if task == "multilabel":
            return np.stack([y, 1 - y], 1).astype(float), np.stack([p, 1 - p], 1)
        return y, np.stack([1 - p, p], 1)

    def value(self, task: str, y: np.ndarray, p: np.ndarray, w: np.ndarray | None = None) -> float:
        """The metric, of items that count ``w`` times."""
        weights = None if w is None else w[None]
        found = metrics.compute(task, y, p, weights, wanted=[self.name])
        return float(found[self.name][0])

    def test_it_has_a_task_and_a_label(self) -> None:
        assert self.name in OperatingPoint.NAMES or any(
            metrics.has(task, self.name) for task in metrics.TASKS
        )
        assert metrics.about(self.name).label

    def test_a_value_is_a_number_on_its_scale(self) -> None:
        low, high = bounds_of(self.name)
        for task in self.tasks():
            for seed in range(5):
                value = self.value(task, *self.items(task, seed=seed))
                assert low - 1e-9 <= value <= high + 1e-9

    def test_better_scores_are_better(self) -> None:
        for task in self.tasks():
            y, p = self.items(task)
            right = (
                y[:, None] if task == "regression" else np.eye(p.shape[1])[y] if y.ndim == 1 else y
            )
            sign = 1 if metrics.about(self.name).higher else -1
            best, found = self.value(task, y, right.astype(float)), self.value(task, y, p)
            wrong = -right if task == "regression" else 1 - right
            worst = self.value(task, y, wrong.astype(float))
            assert sign * best >= sign * found - 1e-9
            assert sign * best > sign * worst or np.isnan(worst)

    def test_the_order_of_items_does_not_matter(self) -> None:
        for task in self.tasks():
            y, p = self.items(task)
            order = np.random.default_rng(1).permutation(len(y))
            np.testing.assert_allclose(
                self.value(task, y[order], p[order]), self.value(task, y, p), rtol=1e-9
            )

    def test_a_weight_is_how_often_an_item_is_there(self) -> None:
        """What intervals rest on; a metric that takes no weights has none."""
        if self.name not in metrics.METRICS and method_of(self.name) == NONE:
            return
        w = np.random.default_rng(2).integers(0, 3, 60)
        for task in self.tasks():
            y, p = self.items(task)
            often = self.value(task, np.repeat(y, w, 0), np.repeat(p, w, 0))
            np.testing.assert_allclose(
                self.value(task, y, p, w.astype(float)), often, rtol=1e-6, atol=1e-9
            )
