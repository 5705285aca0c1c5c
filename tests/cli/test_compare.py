"""featprobe compare, and ties in the leaderboard, as a user meets them."""

from __future__ import annotations

import csv
import json
import re

import pytest

from featprobe.evaluation import results
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
    interval = rf"\[{number}, {number}\]"
    assert re.search(rf"best, .* {number} {interval} +0\.0099 +{interval} +0\.0099\n", out)
    assert "films, full, knn: a family of 3 comparisons" in out


def test_the_next_study_is_planned(run, kept) -> None:
    code, out, err = run("compare", "--power", "--difference", "0.02", "--resamples", 50)
    assert (code, err) == (0, "")
    assert "for the next study" in out
    assert "patients for 0.02" in out
    _, out, _ = run("compare", "--power", "--difference", "0.02", "--resamples", 50, "--json")
    plans = [json.loads(line)["power"] for line in out.splitlines()]
    for p in plans:
        assert p["patients"] == 60
        assert 0 < p["detectable"] <= p["detectable_in_family"]
        assert (p["needed"] > 60) == (p["detectable_in_family"] > 0.02)


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
        (["--difference", "0.1"], "--difference is for --power"),
        (["--power", "--difference", "0"], "no number of patients"),
        (["--across", "tries"], "'tries' is not one of"),
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


def test_the_leaderboard_prints_ranks_with_those_that_cannot_be_excluded(run, kept) -> None:
    code, out, err = run("leaderboard")
    assert (code, err) == (0, "")
    assert re.search(r" 1 \(1-2\) .* 2 \(1-2\) .* 3 \(3\) ", out, re.DOTALL)
    assert "films: 3 comparisons at once" in out
    _, out, _ = run("leaderboard", "--no-ties")
    assert "(1-2)" not in out


def test_one_number_is_in_table_json_and_csv(run, kept, cache) -> None:
    _, out, _ = run("leaderboard", "--json", "--margin", "0.9")
    lines = [json.loads(line) for line in out.splitlines()]
    with (cache / "leaderboard" / "leaderboard.csv").open() as f:
        rows = list(csv.DictReader(f))
    assert [line["place"]["value"] for line in lines] == [float(r["value"]) for r in rows]
    assert [line["place"]["rank_high"] for line in lines] == [int(r["rank_high"]) for r in rows]
    assert all(line["place"]["not_worse"] and line["place"]["margin"] == 0.9 for line in lines)


def test_scores_that_do_not_reach_what_the_line_says_are_an_error(run, kept, cache) -> None:
    wrong = results.read(cache)[1]
    wrong.metrics["auroc"] -= 0.01
    results.amend(cache, wrong)
    for verb in ("leaderboard", "compare"):
        code, _, err = run(verb)
        assert code == 2
        assert re.search(
            r"films / best / knn: its kept scores reach auroc 0.*says 0", one_line(err)
        )
        assert wrong.id in err


def test_the_test_is_named_and_one_that_does_not_hold_is_refused(run, kept) -> None:
    code, out, _ = run("compare", "--test", "delong", "--metric", "auroc:yes", "--resamples", 20)
    assert code == 0
    assert "DeLong's test by patient" in out
    code, _, err = run("compare", "--test", "mcnemar", "--metric", "accuracy")
    assert code == 2
    assert "use the permutation test" in one_line(err)
