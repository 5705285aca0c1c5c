"""A short form of the simulated error rates and power of families of tests."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pytest

from tests.benchmarks.inference import families
from tests.benchmarks.rows import Rate

RUNS = 40  # in which 7 errors or more have a chance of 0.3 % at a rate of 5 %


def errors_and_power(rates: Sequence[Rate]) -> tuple[list[float], list[float]]:
    told = [("different" in r.name, r.rate) for r in rates]
    return [v for error, v in told if error], [v for error, v in told if not error]


@pytest.mark.slow
@pytest.mark.parametrize(
    "cell",
    [
        partial(families.families, "auroc:yes", 50, 4),
        partial(families.families, "accuracy", 20, 4),
        partial(families.families, "quadratic_kappa", 50, 1),
        partial(families.named, "delong", "auroc:yes", 100, 1),
        partial(families.named, "mcnemar", "accuracy", 100, 1),
        partial(families.few_shot, 2),
        partial(families.few_shot, 5),
    ],
    ids=lambda c: "-".join(map(str, (c.func.__name__, *c.args))),
)
def test_equal_models_are_rarely_called_different_and_better_ones_are_found(cell) -> None:
    errors, power = errors_and_power(cell(RUNS))
    assert errors
    assert max(errors) <= 6 / RUNS
    assert min(power) >= 0.3


def test_differences_are_found_as_often_as_planned() -> None:
    (rate,) = families.planned(60)
    assert rate.reached
