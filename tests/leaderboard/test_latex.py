"""The leaderboard as LaTeX, and as a DataFrame, beside the other outputs."""

from __future__ import annotations

import csv
import io
import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featprobe.core.errors import InputError
from featprobe.leaderboard import latex, records, table
from featprobe.leaderboard.board import RankRange, build
from tests.leaderboard.test_board import with_auroc

SPECIAL = set("\\{}&%$#_~^<>|\"'`")


def test_best_and_ties_are_bold_in_the_rules_of_booktabs() -> None:
    rows = [with_auroc(v, backbone=b) for v, b in ((0.9, "x"), (0.8, "y"), (0.7, "z"))]
    said = {
        rows[0].id: RankRange(1, 2, True, 0.05, 3), rows[1].id: RankRange(1, 2, True, 0.05, 3),
        rows[2].id: RankRange(3, 3, False, 0.05, 3),
    }  # fmt: skip
    text = latex.latex(build(rows, stand=lambda members, _: said))
    assert re.findall(r"\\textbf\{([\d.]+)", text) == ["0.900", "0.800"]
    for rule in ("toprule", "midrule", "bottomrule"):
        assert text.count(rf"\{rule}") == 1
    alone = latex.latex(build(rows))
    assert re.findall(r"\\textbf\{([\d.]+)", alone) == ["0.900"]
    by_f1 = latex.latex(build(rows, "f1"), "f1")
    assert re.findall(r"\\textbf\{([\d.]+)", by_f1) == ["0.600"] * 3  # the same value


def test_every_line_of_a_tabular_has_as_many_cells() -> None:
    rows = [
        with_auroc(0.9, backbone="a & b_1 \\ 50% {x}", dataset="#1 $films$"),
        with_auroc(0.8, backbone="[0.1] line\nbreak", notes=["two -- hyphens ^ and ~"]),
        with_auroc(0.8, backbone="\u202eright\u202c <script>", overlap="seen"),
    ]
    text = latex.latex(build(rows))
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    lines = [x for x in body.splitlines() if x.endswith(r"\\")]
    assert len(lines) == 4
    assert {len(re.findall(r"(?<!\\)&", line)) for line in lines} == {10}
    assert r"a \& b\_1 \textbackslash{} 50\% \{x\}" in text
    assert r"\#1 \$films\$" in text
    assert r"{}[0.1] line break" in text or r"& [0.1] line break" in text
    assert r"right \textless{}script\textgreater{} \dag{}" in text
    assert r"two -{}- hyphens \textasciicircum{} and \textasciitilde{}" in text
    assert "\u202e" not in text


@given(st.text(max_size=40))
def test_nothing_special_is_left_in_escaped_text(text: str) -> None:
    out = latex.escape(text)
    left = re.sub(r"\\text[a-z]+\{\d*\}|\\dag\{\}|\\[{}&%$#_]|-\{\}-?", "", out)
    left = left.replace("{}", "")
    assert not SPECIAL & set(left)
    assert "\n" not in out
    assert "--" not in out


def test_all_outputs_carry_the_same_numbers(capsys) -> None:
    nan = float("nan")
    rows = [
        with_auroc(v, backbone=f"b{i}") for i, v in enumerate((0.8125, 2 / 3, 0.99951, nan))
    ]  # fmt: skip
    rows[1].ci["auroc"] = (nan, nan)
    board = build(rows)
    table.print_board(board)
    outputs = (capsys.readouterr().out, table.markdown(board), latex.latex(board))
    shown = [re.findall(r"\d\.\d{2,3}\b", text.split("Intervals")[0]) for text in outputs]
    assert shown[0] == shown[1] == shown[2]
    frame = records.as_frame(board)
    lines = list(csv.DictReader(io.StringIO(records.as_csv(board))))
    for row, line, (_, of) in zip(board, lines, frame.iterrows()):
        r = row.result
        told = json.loads(r.to_json()) | {"place": row.to_dict()}
        for name in ("auroc", "accuracy", "f1"):
            values = (r.metrics[name], float(line[name]), of[name])
            if math.isnan(values[0]):
                assert told["metrics"][name] is None
                assert all(map(math.isnan, values))
                continue
            assert values[0] == values[1] == values[2] == told["metrics"][name]
            for k, end in enumerate(("low", "high")):
                at = r.ci[name][k]
                assert of[f"{name}_{end}"] == pytest.approx(at, nan_ok=True)
                assert float(line[f"{name}_{end}"]) == pytest.approx(at, nan_ok=True)
        assert int(line["rank"]) == row.rank == of["rank"] == told["place"]["rank"]
    assert list(frame.columns) == list(lines[0])
    assert frame["auroc"].dtype == float


def test_a_file_that_cannot_be_written_is_one_line(tmp_path) -> None:
    board = build([with_auroc(0.5)])
    assert latex.write(board, None, tmp_path / "new" / "t.tex").read_text() == latex.latex(board)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file/t.tex: cannot be written"):
        latex.write(board, None, tmp_path / "file" / "t.tex")
