"""Ranked tables."""

from __future__ import annotations

import csv
import io

import pytest

from featprobe.errors import InputError, UnknownName
from featprobe.leaderboard import table
from featprobe.leaderboard.board import build
from featprobe.leaderboard.labels import backbone_name, probe_name, setting
from tests.test_results import result


def with_auroc(value: float, **changes):
    r = result(**changes)
    r.metrics["auroc"] = value
    return r


def test_ranks_fall_with_the_metric_and_equal_values_share_one() -> None:
    rows = [with_auroc(v, backbone=b) for v, b in ((0.6, "x"), (0.9, "y"), (0.9, "z"), (0.7, "w"))]
    board = build(rows, "auroc")
    assert [(r.rank, r.result.backbone) for r in board] == [(1, "y"), (1, "z"), (3, "w"), (4, "x")]


def test_shots_and_data_sets_are_leagues_of_their_own() -> None:
    rows = [
        with_auroc(0.6, shots=1, protocol="fewshot", settings={"tries": 2, "by": "sample"}),
        with_auroc(0.7),
        with_auroc(0.9, dataset="other"),
    ]
    board = build(rows, "auroc")
    assert [(r.rank, r.result.dataset, r.result.shots) for r in board] == [
        (1, "films", None), (1, "films", 1), (1, "other", None),
    ]  # fmt: skip


def test_an_undefined_metric_ranks_last_and_is_a_dash() -> None:
    board = build([with_auroc(float("nan")), with_auroc(0.1)], "auroc")
    assert board[0].result.metrics["auroc"] == 0.1
    assert table.value(board[1].result, "auroc") == "-"


def test_markdown_and_csv_hold_value_interval_and_chance(tmp_path) -> None:
    board = build([with_auroc(0.8125, random=True)], "auroc")
    paths = table.write(board, "auroc", tmp_path / "out" / "board.v1")
    assert [p.name for p in paths] == ["board.v1.md", "board.v1.csv"]
    text = paths[0].read_text()
    assert "| films | 1 | net | knn | k=20 | 0.812 [0.700, 0.900] | 0.50 |" in text
    assert "not pretrained" in text
    row = next(csv.DictReader(io.StringIO(paths[1].read_text())))
    assert float(row["auroc"]) == 0.8125
    assert float(row["auroc_low"]) == pytest.approx(0.7)
    assert float(row["accuracy_chance"]) == 0.5
    assert row["random"] == "True"


def test_without_results_it_says_what_to_run() -> None:
    with pytest.raises(InputError, match="run 'featprobe knn'"):
        build([], "auroc")


def test_unknown_names_offer_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'films'"):
        build([result()], "auroc", data=["film"])


def test_the_setting_says_what_was_chosen() -> None:
    linear = result(probe="logistic", params={"Cs": 0.001, "standardize": True})
    assert (probe_name(linear), setting(linear)) == ("linear", "C=0.001")
    shots = result(
        probe="logistic", protocol="fewshot", shots=4, view="cls+mean",
        settings={"tries": 20, "by": "patient"},
    )  # fmt: skip
    assert probe_name(shots) == "fewshot logistic cls+mean"
    assert setting(shots) == "4 patients x 20"


def test_results_on_different_splits_are_not_ranked_together() -> None:
    one = with_auroc(0.9, split={"origin": "made", "grouping": "n", "digest": "a"})
    two = with_auroc(0.8, split={"origin": "file s.csv", "grouping": "n", "digest": "b"})
    assert [r.rank for r in build([one, two], "auroc")] == [1, 1]
    text = table.markdown(build([one, two], "auroc"), "auroc")
    assert "split made" in text
    assert "split file s.csv" in text


def test_one_backbone_with_features_made_in_two_ways_is_told_apart() -> None:
    rows = [result(provenance={"key": {"recipe": r, "dataset": "d"}}) for r in ("all", "n=2")]
    names = {backbone_name(r, rows) for r in rows}
    assert len(names) == 2
    assert all(n.startswith("net #") for n in names)
    assert backbone_name(rows[0], rows[:1]) == "net"
    changed = [result(provenance={"key": {"dataset": d}}) for d in "de"]
    assert backbone_name(changed[0], changed) == "net"


def test_the_metric_that_ranks_is_shown() -> None:
    board = build([result()], "f1")
    text = table.markdown(board, "f1")
    assert "| F1 |" in text
    assert "| 0.600 |" in text


def test_pretraining_on_the_data_is_marked_and_explained(tmp_path, capsys) -> None:
    rows = [with_auroc(0.9, overlap="it was trained on Films", backbone="seer"), with_auroc(0.8)]
    board = build(rows, "auroc")
    table.print_board(board, "auroc")
    table.print_results(rows, "knn")
    text = table.markdown(board, "auroc")
    for shown in (capsys.readouterr().out, text):
        assert "seer †" in shown
        assert "† films / seer: not unseen data for this backbone, it was trained on Films" in shown
        assert "net †" not in shown
    seen = list(csv.DictReader(io.StringIO(table.as_csv(board))))
    assert [r["overlap"] for r in seen] == ["it was trained on Films", ""]
