"""Metrics of kept scores that results do not have, and the CSV of confusion matrices."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import featprobe as fp
from featprobe.core.errors import InputError
from featprobe.evaluation import results
from featprobe.leaderboard.board import build
from featprobe.leaderboard.latex import latex
from featprobe.leaderboard.records import records
from featprobe.leaderboard.table import markdown


@pytest.fixture
def kept(cache):
    rng = np.random.default_rng(0)
    y = np.arange(600) % 3
    x = rng.normal(size=(600, 9)) + np.eye(9)[y]
    features = fp.FeatureSet.from_arrays(x, y, classes=["a", "b", "c"], dataset="films")
    fp.evaluate(features, "ridge", save=True, resamples=50)
    return results.read(cache)


def test_a_metric_that_no_result_has_is_computed_from_its_scores(kept, cache) -> None:
    assert "auroc_ovo" not in kept[0].metrics
    (row,) = build(kept, "auroc_ovo", where=cache)
    scored = results.scored(cache, kept[0])
    p = scored.tries[0]
    assert row.value == pytest.approx(roc_auc_score(scored.y, p, multi_class="ovo"))
    low, high = row.result.ci["auroc_ovo"]
    assert low < row.value < high
    assert row.result.chance["auroc_ovo"] == 0.5
    for text in (markdown([row], "auroc_ovo"), latex([row], "auroc_ovo")):
        assert "AUROC one-vs-one" in text
        assert f"{row.value:.3f} [{low:.3f}, {high:.3f}]" in text
    heads, (values,) = records([row])
    assert values[heads.index("auroc_ovo")] == row.value
    assert values[heads.index("auroc_ovo_low")] == low


def test_any_operating_point_and_what_results_have_by_themselves(kept, cache) -> None:
    (row,) = build(kept, "sens_at_80spec", where=cache)
    assert 0 < row.value < 1
    assert not np.isnan(row.result.ci["sens_at_80spec"]).any()
    own = ("precision", "recall", "precision_weighted", "recall_weighted", "f1_weighted")
    for name in own:
        assert not np.isnan(kept[0].ci[name]).any(), name
        assert build(kept, name, where=cache)[0].value == kept[0].metrics[name]
    assert kept[0].metrics["recall_weighted"] == pytest.approx(kept[0].metrics["accuracy"])
    assert "precision:b" in kept[0].metrics
    assert "top5" not in kept[0].metrics


def test_without_scores_or_for_another_task_there_is_none(kept, cache) -> None:
    with pytest.raises(InputError, match="no result has 'r2'"):
        build(kept, "r2", where=cache)
    with pytest.raises(InputError, match="no result has 'auroc_ovo'"):
        build(kept, "auroc_ovo")
    results.scores_file(cache, kept[0]).unlink()
    with pytest.raises(InputError, match="no result has 'auroc_ovo'"):
        build(kept, "auroc_ovo", where=cache)


def test_confusion_matrices_are_written_a_line_a_cell(kept, cache, tmp_path) -> None:
    from featprobe.leaderboard.confusion_table import write

    notes: list[str] = []
    path = write(build(kept, where=cache), cache, tmp_path / "out" / "cells.csv", notes.append)
    rows = list(csv.DictReader(path.open(newline="")))
    assert [(r["true"], r["decided"]) for r in rows[:4]] == [
        ("a", "a"), ("a", "b"), ("a", "c"), ("b", "a"),
    ]  # fmt: skip
    assert sum(float(r["items"]) for r in rows) == kept[0].sizes["test"]
    assert sum(float(r["share"]) for r in rows[:3]) == pytest.approx(1)
    assert all(float(r["share_low"]) <= float(r["share"]) <= float(r["share_high"]) for r in rows)
    results.scores_file(cache, kept[0]).unlink()
    write(build(kept, where=cache), cache, path, notes.append)
    assert len(path.read_text().splitlines()) == 1
    assert "no confusion matrix" in notes[0]
