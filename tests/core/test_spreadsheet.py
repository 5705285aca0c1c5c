"""spreadsheet.py: text that looks like a formula stays text."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featprobe.core.spreadsheet import Writer, cell


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-1+2", "@SUM(A1)", "\t=1", "-x"])
def test_formulas_are_text(text: str) -> None:
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("value", ["-1", "+2.5", "-1e-3", "-.5", "a=b", "", "x-1", -1, -2.5, None])
def test_numbers_and_other_text_stay(value: object) -> None:
    assert cell(value) == value


@given(st.lists(st.text(max_size=12), min_size=1, max_size=4))
def test_no_cell_begins_a_formula_and_nothing_else_changes(row: list[str]) -> None:
    out = io.StringIO(newline="")
    Writer(out, "\r\n").writerow(row)
    (back,) = csv.reader(io.StringIO(out.getvalue(), newline="")) if any(row) else [row]
    for before, after in zip(row, back):
        assert after in (before, f"'{before}")
        assert not after.startswith(("=", "@"))
