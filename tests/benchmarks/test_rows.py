"""What a benchmark prints of a goal that is missed."""

from __future__ import annotations

import numpy as np
import pytest

from tests.benchmarks.rows import Rate, Row


@pytest.mark.parametrize(
    ("rate", "reached"), [(0.91, False), (0.92, True), (0.99, True), (0.992, False)]
)
def test_a_share_outside_its_range_is_a_miss_whatever_its_type(rate: float, reached: bool) -> None:
    for value in (rate, np.float64(rate)):
        row = Rate("coverage", value, 500, 0.92, 0.99)
        assert row.reached is reached
        assert ("MISSED" in row.line()) is not reached
        assert row.to_dict()["reached"] is reached
    assert Rate("coverage", rate, 500).reached is None


def test_a_ratio_is_measured_against_its_goal() -> None:
    assert Row("x", np.float64(3), 2, "s", must=1.6).reached is False
    assert Row("x", 3, 2, "s", must=1.6, more=False).reached is True
    assert "MISSED" in Row("x", np.float64(3), 2, "s", must=1.6).line()
