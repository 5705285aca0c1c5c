"""featprobe compare, and ties in the leaderboard, as a user meets them."""

from __future__ import annotations

import json
import re

import pytest

from tests.cli.test_main import one_line
from tests.leaderboard.test_compare import keep


@pytest.fixture
def kept(cache):
    """Three backbones, two of them alike."""
    for name, gain in (("good", 1.55), ("best", 1.6), ("bad", 0.1)):
        keep(cache, name, gain)


def test_differences_are_printed_with_interval_and_both_p(run, kept) -> None:
    code, out, err = run("compare", "--resamples", 100)
    assert (code, err) == (0, "")
    number = r"-0\.\d{3}"
    assert re.search(rf"best, .* {number} \[{number}, {number}\] +0\.0099 +0\.0198\n", out)
    assert "Holm over each block's comparisons" in out


def test_json_is_one_comparison_a_line(run, kept) -> None:
    code, out, _ = run("compare", "--against", "bad", "--metric", "f1", "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert {(c["one"]["backbone"], c["other"]["backbone"]) for c in lines} == {
        ("good", "bad"), ("best", "bad"),
    }  # fmt: skip
    assert all(c["low"] <= c["difference"] <= c["high"] and c["metric"] == "f1" for c in lines)


def test_what_is_left_out_is_said_on_standard_error(run, kept, cache) -> None:
    keep(cache, "fewer", 1.0, n=200)
    code, out, err = run("compare", "--resamples", 20)
    assert code == 0
    assert "left aside: films / fewer / knn: its test items are others" in err
    assert "fewer" not in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--metric", "aurok"], "Did you mean 'auroc'"),
        (["--against", "godo"], "Did you mean 'good'"),
        (["--data", "film"], "Did you mean 'films'"),
        (["--against", "good", "--all-pairs"], "exclude each other"),
        (["--between", "probes"], "no two results of the same test items"),
        (["--between", "models"], "'models' is not one of"),
    ],
)
def test_mistakes_are_one_line(run, kept, arguments, message) -> None:
    code, _, err = run("compare", *arguments)
    assert code == 2
    assert message in one_line(err)


def test_without_results_it_says_what_to_run(run) -> None:
    code, _, err = run("compare")
    assert code == 2
    assert "run 'featprobe knn'" in one_line(err)


def test_the_leaderboard_prints_ties_unless_told_not_to(run, kept) -> None:
    code, out, err = run("leaderboard")
    assert (code, err) == (0, "")
    assert len(re.findall(r" 1= ", out)) == 2
    assert "=: tied with the best" in out
    _, out, _ = run("leaderboard", "--no-ties")
    assert "1=" not in out


def test_the_test_is_named_and_one_that_does_not_hold_is_refused(run, kept) -> None:
    code, out, _ = run("compare", "--test", "delong", "--metric", "auroc:yes", "--resamples", 20)
    assert code == 0
    assert "DeLong's test by patient" in out
    code, _, err = run("compare", "--test", "mcnemar", "--metric", "accuracy")
    assert code == 2
    assert "use the permutation test" in one_line(err)
