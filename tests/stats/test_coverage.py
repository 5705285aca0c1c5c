"""A short form of the simulation of coverage: 40 studies of cells that used to fail."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    cohen_kappa_score,
    f1_score,
    roc_auc_score,
)

from featprobe.stats.resampling import bootstrap, interval
from tests.benchmarks.inference._models import MODELS, Cell, population, study
from tests.benchmarks.inference.coverage import covered, summary

RUNS = 40
HARD = [
    Cell("area", 20, 1, False, 0.5, 0.98),
    Cell("area", 50, 1, False, 0.05, 0.9),
    Cell("area", 200, 4, False, 0.05, 0.98),
    Cell("decision", 20, 1, False, 0.2, 0.98),
    Cell("decision", 50, 4, True, 0.2, 0.9),
    Cell("decision", 200, 10, False, 0.2, 0.7),
    Cell("grades", 50, 1, False, 0.2, 0.9),
]


@pytest.mark.parametrize("cell", HARD, ids=str)
def test_intervals_hold_the_truth_in_hard_cells(cell: Cell) -> None:
    for found in covered(cell, RUNS):
        if found.metric.endswith(("95spec", "95sens")):
            assert found.interval < RUNS, found  # refused with few patients of a class
        else:
            assert found.interval >= 0.8 * RUNS, found  # not where a class is absent
            assert found.rate >= 0.85, found
            assert found.width < (1.2 if "kappa" in found.metric else 0.95), found


def test_a_percentile_interval_would_fail_the_same_simulation() -> None:
    cell, held = HARD[0], 0
    for run in range(RUNS):
        s = study(cell, np.random.default_rng(run))
        values = bootstrap(s, wanted=["auroc"], resamples=200, seed=run)["auroc"]
        low, high = interval(values, s.patients)
        held += low <= 0.98 <= high
    assert held / RUNS < 0.8


def test_few_patients_are_refused_and_counted() -> None:
    found = covered(Cell("area", 20, 10, False, 0.5, 0.9), RUNS)
    assert all(c.interval == 0 and np.isnan(c.rate) for c in found)
    of = covered(HARD[0], RUNS)[0]
    lines = list(
        summary("auroc", [found[0], of, of._replace(held=RUNS // 2)._replace(interval=60)])
    )
    assert "% of studies refused" in lines[0].note
    assert [r.reached for r in lines[-1:]] == [False]


@pytest.mark.parametrize("model", MODELS)
def test_the_truth_of_a_model_is_what_a_large_sample_shows(model: str) -> None:
    """Population values against scikit-learn's metrics of 200,000 patients."""
    cell = Cell(model, 200_000, 1, False, 0.2, 0.9)
    s, truth = study(cell, np.random.default_rng(0)), population(cell)
    y, p = s.y, s.tries[0]
    said = p.argmax(1)
    if model == "grades":
        found = {"quadratic_kappa": cohen_kappa_score(y, said, weights="quadratic")}
    elif model == "area":
        ap = [average_precision_score(y == c, p[:, c]) for c in (0, 1)]
        found = {"auroc": roc_auc_score(y, p[:, 1]), "ap": np.mean(ap), "ap:1": ap[1]}
        ours = s.mean(["sens_at_95spec", "spec_at_95sens"])
        found |= ours
    else:
        f1 = f1_score(y, said, average=None)
        found = {"accuracy": accuracy_score(y, said), "f1": np.mean(f1), "f1:1": f1[1]}
        found |= {"kappa": cohen_kappa_score(y, said)}
        found |= {"balanced_accuracy:1": said[y == 1].mean()}
    for name, value in found.items():
        assert value == pytest.approx(truth[name], abs=6e-3), name
