"""finetuning/trial.py: which rows the scale of the head is measured on."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from featprobe.finetuning.trial import measured_rows


@pytest.mark.parametrize(("n", "most"), [(5, 8), (8, 8), (9, 8), (100, 8)])
def test_rows_that_stand_for_all_are_some_of_them_once_and_the_same_again(
    n: int, most: int
) -> None:
    rows = np.arange(n) * 3 + 1
    made = SimpleNamespace(fit=rows, training=SimpleNamespace(seed=4))
    found = measured_rows(made, most)  # type: ignore[arg-type]
    assert len(found) == min(n, most)
    assert set(found.tolist()) <= set(rows.tolist())
    assert (np.diff(found) > 0).all()
    np.testing.assert_array_equal(found, measured_rows(made, most))  # type: ignore[arg-type]
