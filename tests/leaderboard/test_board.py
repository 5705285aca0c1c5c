"""Ranks within leagues."""

from __future__ import annotations

import pytest

from featprobe.core.errors import InputError, UnknownName
from featprobe.leaderboard.board import RankRange, build
from tests.evaluation.test_results import result


def with_auroc(value: float, **changes):
    """A result with this AUROC."""
    r = result(**changes)
    r.metrics["auroc"] = value
    return r


def test_ranks_fall_with_the_metric_and_equal_values_share_one() -> None:
    rows = [with_auroc(v, backbone=b) for v, b in ((0.6, "x"), (0.9, "y"), (0.9, "z"), (0.7, "w"))]
    board = build(rows, "auroc")
    assert [(r.rank, r.result.backbone) for r in board] == [(1, "y"), (1, "z"), (3, "w"), (4, "x")]


def test_shots_and_data_sets_are_leagues_of_their_own() -> None:
    rows = [
        with_auroc(0.6, shots=1, protocol="fewshot", settings={"tries": 2, "by": "item"}),
        with_auroc(0.7),
        with_auroc(0.9, dataset="other"),
    ]
    board = build(rows, "auroc")
    assert [(r.rank, r.result.dataset, r.result.shots) for r in board] == [
        (1, "films", None), (1, "films", 1), (1, "other", None),
    ]  # fmt: skip


def test_without_results_it_says_what_to_run() -> None:
    with pytest.raises(InputError, match="run 'featprobe knn'"):
        build([], "auroc")


def test_unknown_names_offer_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'films'"):
        build([result()], "auroc", data=["film"])


def test_each_task_is_ranked_by_its_own_metric() -> None:
    """Classes by AUROC, grades by quadratic kappa, ages by R2; an error is better when small."""
    rows = []
    for name, a, b in (("x", 0.3, 9.0), ("y", 0.6, 4.0)):
        rows.append(result(backbone=name, dataset="grades", task="ordinal"))
        rows[-1].metrics["quadratic_kappa"] = a
        rows.append(
            result(backbone=name, dataset="age", task="regression", metrics={"r2": a, "mae": b})
        )
    order = [(r.result.dataset, r.result.backbone) for r in build(rows)]
    assert order == [("age", "y"), ("age", "x"), ("grades", "y"), ("grades", "x")]
    by_error = [r.result.backbone for r in build(rows, "mae") if r.result.dataset == "age"]
    assert by_error == ["y", "x"]


def test_a_result_of_an_earlier_version_without_the_metric_ranks_last() -> None:
    rows = [result(backbone="old"), result(backbone="new")]
    rows[1].metrics["ap"] = 0.1
    assert [r.result.backbone for r in build(rows, "ap")] == ["new", "old"]
    with pytest.raises(InputError, match="no result has 'ece'; run the probe again"):
        build(rows, "ece")
    with pytest.raises(InputError, match="no metric 'aurok'. Did you mean 'auroc'"):
        build(rows, "aurok")


def test_ranks_are_by_value_whatever_the_tests_say() -> None:
    """A first place below a second one cannot be."""
    rows = [with_auroc(v, backbone=b) for v, b in ((0.7, "z"), (0.9, "x"), (0.8, "y"))]
    said = {
        rows[1].id: RankRange(1, 2, True, 0.02, 3), rows[2].id: RankRange(1, 3, False, 0.02, 3),
        rows[0].id: RankRange(why="no scores"),
    }  # fmt: skip
    board = build(rows, stand=lambda members, _: said)
    assert [r.place for r in board] == ["1 (1-2) ~", "2 (1-3)", "3 (no scores)"]
    assert [r.place for r in build(rows)] == ["1", "2", "3"]
    plain = [r.to_dict() for r in board]
    assert [(p["rank"], p["rank_low"], p["rank_high"], p["untested"]) for p in plain] == [
        (1, 1, 2, ""), (2, 1, 3, ""), (3, None, None, "no scores"),
    ]  # fmt: skip
    assert [p["value"] for p in plain] == [0.9, 0.8, 0.7]


def test_a_result_that_is_given_twice_counts_once() -> None:
    r = with_auroc(0.9)
    assert len(build([r, r, with_auroc(0.8, backbone="y")])) == 2
