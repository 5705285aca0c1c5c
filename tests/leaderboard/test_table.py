"""Ranked tables."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from featprobe.core.errors import InputError
from featprobe.leaderboard import columns, cost, records, table
from featprobe.leaderboard.board import RankRange, build
from featprobe.leaderboard.footnotes import Footnotes
from tests.evaluation.test_results import result
from tests.leaderboard.test_board import with_auroc


def test_an_undefined_metric_ranks_last_and_is_a_dash() -> None:
    board = build([with_auroc(float("nan")), with_auroc(0.1)], "auroc")
    assert board[0].result.metrics["auroc"] == 0.1
    assert columns.value(board[1].result, "auroc") == "-"


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


def test_results_on_different_splits_are_not_ranked_together() -> None:
    one = with_auroc(0.9, split={"origin": "made", "grouping": "n", "digest": "a"})
    two = with_auroc(0.8, split={"origin": "file s.csv", "grouping": "n", "digest": "b"})
    assert [r.rank for r in build([one, two], "auroc")] == [1, 1]
    text = table.markdown(build([one, two], "auroc"), "auroc")
    assert "split made" in text
    assert "split file s.csv" in text


def test_the_metric_that_ranks_is_shown() -> None:
    board = build([result()], "f1")
    text = table.markdown(board, "f1")
    assert "| F1 [95 %] |" in text
    assert "| 0.600 [" in text


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
    seen = list(csv.DictReader(io.StringIO(records.as_csv(board))))
    assert [r["overlap"] for r in seen] == ["it was trained on Films", ""]


def test_a_metric_that_an_older_result_lacks_is_a_dash() -> None:
    rows = [result(backbone="old"), result(backbone="new")]
    rows[1].metrics["ap"], rows[1].ci["ap"], rows[1].chance["ap"] = 0.4, (0.3, 0.5), 0.1
    text = table.markdown(build(rows, "ap"), "ap")
    assert "| AP [95 %] |" in text
    lines = {line.split("|")[3].strip(): line for line in text.splitlines() if "knn" in line}
    assert "| 0.400 [0.300, 0.500] |" in lines["new"]
    assert "| - |" in lines["old"]
    found = list(csv.DictReader(io.StringIO(records.as_csv(build(rows, "ap")))))
    assert [(r["backbone"], r["ap"]) for r in found] == [("new", "0.4"), ("old", "")]


def test_tasks_of_other_metrics_are_tables_of_their_own(capsys) -> None:
    ages = {"r2": 0.5, "mae": 4.2, "pearson": 0.7}
    board = build(
        [result(), result(dataset="age", task="regression", metrics=ages, ci={}, chance={"r2": 0})]
    )
    table.print_board(board)
    printed, text = capsys.readouterr().out, table.markdown(board)
    for shown in (printed, text):
        assert "R2 [95 %]" in shown
        assert "AUROC [95 %]" in shown
        assert "4.200" in shown
    assert text.count("# Leaderboard, ranked by") == 2


def test_rank_sets_are_printed_explained_and_counted(capsys) -> None:
    rows = [with_auroc(v, backbone=b) for v, b in ((0.9, "x"), (0.8, "y"), (0.7, "z"))]
    said = {
        rows[0].id: RankRange(1, 2, True, 0.05, 1), rows[1].id: RankRange(1, 2, True, 0.05, 1),
        rows[2].id: RankRange(why="no scores"),
    }  # fmt: skip
    board = build(rows, stand=lambda members, _: said)
    table.print_board(board)
    text = table.markdown(board)
    for shown in (capsys.readouterr().out, text):
        assert "in brackets those that cannot be excluded" in shown
        assert "~: not worse than the best of its league by more than 0.05 AUROC" in shown
        assert "films: 1 comparison at once" in shown
    assert "| films | 2 (1-2) ~ | y |" in text
    assert "| films | 3 (no scores) | z |" in text
    assert "excluded" not in table.markdown(build(rows))
    found = list(csv.DictReader(io.StringIO(records.as_csv(board))))
    assert [(r["rank"], r["rank_low"], r["rank_high"], r["untested"]) for r in found] == [
        ("1", "1", "2", ""), ("2", "1", "2", ""), ("3", "", "", "no scores"),
    ]  # fmt: skip
    assert [r["value"] for r in found] == [r["auroc"] for r in found]


def test_what_tells_leagues_of_one_data_set_apart_is_in_the_table() -> None:
    folds = [
        with_auroc(0.9, protocol="cv", settings={"folds": f, "seed": 0}, backbone=f"b{f}")
        for f in (3, 5)
    ]
    board = build(folds)
    text = table.markdown(board)
    assert [r.rank for r in board] == [1, 1]
    assert "| films (3 folds) | 1 |" in text
    assert "| films (5 folds) | 1 |" in text


def test_subgroups_are_told_with_the_worst(capsys) -> None:
    part = {"units": 30, "patients": 20, "metrics": {"auroc": 0.7}, "ci": {"auroc": (0.6, 0.8)}}
    none = {"units": 2, "patients": 1, "metrics": {"auroc": float("nan")}, "ci": part["ci"]}
    found = {
        "column": "sex", "without": 3, "metric": "auroc", "worst": "F",
        "values": {"F": part, "M": none},
    }  # fmt: skip
    table.print_results([result(subgroups=found)], "knn")
    expected = (
        "films / net, k=20: AUROC by sex: F 0.700 [0.600, 0.800] (30), M - (2); worst F; "
        "3 items without a value"
    )
    assert expected in capsys.readouterr().out


def test_draws_and_patients_are_told_apart_below_a_few_shot_table(capsys) -> None:
    parts = {"auroc": {"tries": 0.04, "mean": 0.0025, "patients": 0.01}}
    settings = {"tries": 16, "by": "item"}
    shots = result(protocol="fewshot", shots=4, settings=settings, components=parts)
    table.print_results([shots], "few-shot")
    expected = "AUROC 0.200 between tries, 0.050 left in their mean, 0.100 from patients"
    assert expected in capsys.readouterr().out


def test_a_value_without_an_interval_stands_alone() -> None:
    lone = result(ci={"auroc": (float("nan"), float("nan"))})
    assert columns.value(lone, "auroc") == "0.800"


def test_what_trainings_took_is_shown_where_there_was_one(capsys) -> None:
    spent = {
        "trainable": 36_864.0, "parameters": 2.4e6, "seconds": 5000.0, "peak_memory": 1.26e9,
        "images_per_second": 12.5,
    }  # fmt: skip
    board = build([with_auroc(0.9, cost=spent), with_auroc(0.8, backbone="frozen")])
    table.print_board(board)
    text = table.markdown(board)
    for shown in (capsys.readouterr().out, text):
        assert "peak memory" in shown
        assert "0.037 of 2.4 M" in shown
        assert "1.4 h" in shown
        assert "1.3 GB" in shown
        assert "parameters that trained, of all" in shown
    line = next(line for line in text.splitlines() if "| frozen |" in line)
    assert line.endswith("| - | - | - |")
    rows = list(csv.DictReader(io.StringIO(records.as_csv(board))))
    assert {k: float(rows[0][k]) for k in spent} == spent
    assert {rows[1][k] for k in spent} == {""}
    assert "peak memory" not in table.markdown(build([with_auroc(0.8)]))


def test_a_part_of_what_a_training_took_may_be_unknown() -> None:
    assert cost.cells(result(cost={"seconds": 59.6})) == ["-", "60 s", "-"]
    small = {"trainable": 90.0, "parameters": 86e6, "seconds": 90.0}
    assert cost.cells(result(cost=small)) == ["9e-05 of 86.0 M", "1.5 min", "-"]


def test_no_cell_of_a_wide_table_is_cut(capsys) -> None:
    spent = {"trainable": 8650.0, "parameters": 2.36e6, "seconds": 22.0, "peak_memory": 7e8}
    named = "a name of sixty characters for something that was fine-tuned"
    rows = [with_auroc(0.9, cost=spent, backbone=named, dataset=named, settings={"label": named})]
    table.print_board(build(rows))
    out = capsys.readouterr().out
    assert "\u2026" not in out
    assert "0.0086 of 2.4 M" in out
    assert out.count(named) >= 3


def test_decoders_of_one_command_are_told_apart(capsys) -> None:
    rows = [with_auroc(0.9, probe="segment", params={"decoder": n}) for n in ("linear", "multi")]
    table.print_results(rows, "segmentation")
    several = capsys.readouterr().out
    assert "segment linear" in several
    assert "segment multi" in several
    table.print_results(rows[:1], "segmentation")
    assert "segment linear" not in capsys.readouterr().out  # the title says it


def test_notes_are_footnotes_of_their_rows_each_said_once(capsys) -> None:
    rows = [
        with_auroc(0.9, backbone="x", notes=["no item of class 'b' in val"]),
        with_auroc(0.8, backbone="y"),
        with_auroc(0.7, backbone="z", notes=["4 items twice", "no item of class 'b' in val"]),
    ]
    board = build(rows, "auroc")
    table.print_results(rows, "knn")
    one = capsys.readouterr().out
    table.print_board(board, "auroc")
    two, text = capsys.readouterr().out, table.markdown(board)
    for shown in (one, two, text):
        lines = {b: line for line in shown.splitlines() for b in "xyz" if f" {b} " in line[:40]}
        assert lines["x"].rstrip(" |").endswith("(2) ¹")
        assert not set(lines["y"]) & set("¹²")
        assert lines["z"].rstrip(" |").endswith("(2) ¹ ²")
        assert shown.count("\n¹ no item of class 'b' in val") == 1
        assert shown.count("\n² 4 items twice") == 1
    found = list(csv.DictReader(io.StringIO(records.as_csv(board))))
    assert [r["notes"] for r in found] == [
        "no item of class 'b' in val", "", "4 items twice; no item of class 'b' in val",
    ]  # fmt: skip


def test_a_footnote_above_nine_has_one_mark() -> None:
    noted = Footnotes([result(notes=[f"n{i}" for i in range(12)])])
    assert noted.marks(result(notes=["n11"])) == " ¹²"
    assert noted.lines()[11] == "¹² n11"


@pytest.mark.parametrize("stem", ["", ".", "/", ".."])
def test_a_table_has_a_name(stem: str) -> None:
    with pytest.raises(InputError, match="is no name for a table"):
        table.make_ready(Path(stem))
