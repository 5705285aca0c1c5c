"""Models over several data sets."""

from __future__ import annotations

import numpy as np
import pytest

from featprobe.core.errors import InputError
from featprobe.evaluation import results
from featprobe.figures.sets import all_ranks, boxes, ranks, ranks_sentence
from featprobe.leaderboard.across import across
from featprobe.leaderboard.set_means import means
from featprobe.metrics.item_scores import ItemScores
from tests.evaluation.test_results import result
from tests.figures.made import kept
from tests.leaderboard.test_board import with_auroc


def grid(models: int = 3, sets: int = 4, seeds: int = 1, **changes) -> list:
    rng = np.random.default_rng(0)
    return [
        with_auroc(
            float(rng.uniform(0.5, 0.9)), backbone=f"b{m}", dataset=f"d{d}",
            settings={"seed": s}, split={"origin": "made", "grouping": "n", "digest": f"{d}{s}"},
            **changes,
        )
        for m in range(models) for d in range(sets) for s in range(seeds)
    ]  # fmt: skip


def test_a_table_has_the_mean_over_seeds_of_every_model_and_data_set() -> None:
    found = grid(seeds=3)
    (table,) = across(found)
    assert table.models == ("b0, knn", "b1, knn", "b2, knn")
    assert table.sets == ("d0", "d1", "d2", "d3")
    for m, row in enumerate(table.values):
        for d, value in enumerate(row):
            own = [r for r in found if (r.backbone, r.dataset) == (f"b{m}", f"d{d}")]
            assert value == pytest.approx(np.mean([r.metrics["auroc"] for r in own]))
            assert [r.id for r in table.cells[m][d]] == [r.id for r in own]
    assert table.common == "auroc"
    assert not table.left_out


def test_protocols_are_tables_of_their_own() -> None:
    few = grid(protocol="fewshot", shots=5)
    folds = grid()
    for r in folds:
        r.protocol, r.settings = "cv", {"folds": 5}
    tables = across([*grid(), *few, *folds])
    assert len(tables) == 3
    assert {t.protocol for t in tables} == {"full", "fewshot, 5 shots", "cv, 5 folds"}
    assert all(t.values.shape == (3, 4) for t in tables)


def test_other_splits_and_missing_cells_are_kept_out_and_said() -> None:
    found = grid(6)
    odd = next(r for r in found if (r.backbone, r.dataset) == ("b1", "d2"))
    odd.split = {**odd.split, "digest": "own"}
    (table,) = across(found)
    assert "b1, knn" not in table.models
    assert any("b1, knn on d2: not comparable" in t for t in table.left_out)
    found = [
        r for r in grid(5, 4) if (r.backbone, r.dataset) in {("b0", "d3")} or r.dataset != "d3"
    ]
    (table,) = across(found)
    assert len(table.models) == 5
    assert table.sets == ("d0", "d1", "d2")
    assert table.left_out == ["d3: without some models"]
    undefined = grid(6)
    undefined[0].metrics["auroc"] = float("nan")
    assert "b0, knn" not in across(undefined)[0].models
    assert across(grid(1)) == []
    assert across(grid(sets=1)) == []


def test_an_error_is_better_when_it_is_small_and_units_are_not_averaged() -> None:
    found = [
        result(backbone=b, dataset=d, task="regression", metrics={"mae": v, "r2": 1 - v}, ci={},
               chance={})
        for b, v in (("near", 0.1), ("far", 0.4)) for d in ("x", "y", "z")
    ]  # fmt: skip
    (found_ranks,) = all_ranks(found, "mae")
    assert found_ranks.table.models == ("near, knn", "far, knn")
    assert list(found_ranks.test.mean) == [1, 2]
    mixed = [r for r in found if r.dataset != "z"] + [
        with_auroc(v, backbone=b, dataset="z") for b, v in (("near", 0.9), ("far", 0.8))
    ]
    (table,) = across(mixed)
    assert table.metric == ("r2", "r2", "auroc")
    assert table.common is None
    with pytest.raises(InputError, match="different metrics have no mean"):
        means(None, table)  # type: ignore[arg-type]
    assert list(ranks(table).test.mean) == [1, 2]


def test_ranks_are_in_order_and_say_their_tests() -> None:
    (found,) = all_ranks(grid(4, 8))
    assert list(found.test.mean) == sorted(found.test.mean)
    assert found.won[0, 1] + found.won[1, 0] == 8
    assert found.posthoc == "wilcoxon"
    assert "4 models on 8 data sets. Friedman chi-squared" in ranks_sentence(found)
    few = ranks(across(grid(4, 3))[0])
    assert few.posthoc == "nemenyi"  # three signs cannot be a finding
    (many,) = all_ranks(grid(40, 12))
    assert many.posthoc == "nemenyi"
    assert len(boxes(many.table)) == 40


@pytest.mark.slow
def test_a_mean_over_sets_resamples_patients_and_seeds_together(cache) -> None:
    found = [
        kept(cache, d, b, g, seed=s)
        for d in ("x", "y") for b, g in (("good", 0.8), ("bad", 0.4)) for s in (0, 1)
    ]  # fmt: skip
    (table,) = across(found)
    made = means(cache, table, resamples=400)
    np.testing.assert_allclose(made.mean, table.values.mean(1))
    assert (made.low < made.mean).all()
    assert (made.mean < made.high).all()
    # the plain way: of each data set a bootstrap over patients, of the mean of the seeds drawn
    rng = np.random.default_rng(1)
    drawn = np.zeros(400)
    for row in table.cells[0]:
        scored: list[ItemScores] = [results.scored(cache, r) for r in row]
        for b in range(400):
            counts = np.bincount(rng.integers(0, 60, 60), minlength=60)[:, None].astype(float)
            picked = [scored[k] for k in rng.integers(0, 2, 2)]
            drawn[b] += np.mean([s.measure(["auroc"])(counts)["auroc"][0] for s in picked]) / 2
    assert made.high[0] - made.low[0] == pytest.approx(4 * drawn.std(), rel=0.25)
    results.scores_file(cache, found[0]).unlink()
    again = means(cache, table, resamples=50)
    assert np.isnan([again.low[1], again.low[0]]).sum() == 1


def test_sizes_that_are_joined_are_models_of_their_own() -> None:
    found = []
    for side in (28, 224):
        for r in grid():
            r.provenance = {"key": {"preprocess": {"size": [side, side]}}}
            found.append(r)
    assert len(across(found)) == 2
    (table,) = across(found, over=["image-size"])
    assert len(table.models) == 6
    assert table.models[:2] == ("b0, knn, 224 x 224 pixels", "b0, knn, 28 x 28 pixels")
