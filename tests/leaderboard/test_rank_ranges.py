"""Ranks that cannot be excluded, from kept scores."""

from __future__ import annotations

import numpy as np
import pytest

from featprobe.core.errors import InputError
from featprobe.evaluation import results
from featprobe.leaderboard import rank_ranges as module
from featprobe.leaderboard.board import build
from featprobe.leaderboard.rank_ranges import RankRanges
from tests.leaderboard.test_compare import keep


def test_alike_models_share_their_ranks_and_a_bad_one_does_not(cache) -> None:
    found = [keep(cache, b, g) for b, g in (("x", 1.50), ("y", 1.50), ("bad", 0.2))]
    board = build(found, stand=RankRanges(cache))
    assert board[2].place == "3 (3)"
    assert board[2].result.backbone == "bad"
    assert [r.place.removesuffix(" ~") for r in board[:2]] == ["1 (1-2)", "2 (1-2)"]
    alone = build([found[0], found[2]], stand=RankRanges(cache))
    assert [r.place for r in alone] == ["1 (1) ~", "2 (2)"]
    assert build(found[:1], stand=RankRanges(cache))[0].place == "1"


def test_not_worse_is_by_the_margin_and_the_same_scores_are_never_worse(cache) -> None:
    found = [keep(cache, b, g) for b, g in (("x", 1.50), ("y", 1.40))]
    same = keep(cache, "x", 1.50, probe="copy")
    wide, narrow = (
        [r.standing for r in build([*found, same], stand=RankRanges(cache, m))] for m in (0.5, 1e-6)
    )
    assert [s.not_worse for s in wide] == [True, True, True]
    assert [s.not_worse for s in narrow] == [True, True, False]
    for wrong in (0.0, -0.1, float("nan"), float("inf")):
        with pytest.raises(InputError, match="--margin .*positive"):
            RankRanges(cache, wrong)


def test_an_error_in_the_unit_of_the_target_has_no_margin_by_default(cache) -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(50, 10, 80)
    ids = np.arange(80).astype(str)
    found = []
    for name, noise in (("near", 1.0), ("far", 20.0)):
        p = y + rng.normal(0, noise, 80)
        r = module_result(name, mae=float(np.abs(p - y).mean()))
        results.append(cache, r, ids=ids, y=y, groups=ids, scores=p[None, :, None])
        found.append(r)
    board = build(found, "mae", stand=RankRanges(cache))
    assert [(r.result.backbone, r.place) for r in board] == [("near", "1 (1)"), ("far", "2 (2)")]
    board = build(found, "mae", stand=RankRanges(cache, 100.0))
    assert [r.place for r in board] == ["1 (1) ~", "2 (2) ~"]


def module_result(name: str, **values: float):
    """A regression."""
    from tests.evaluation.test_results import result

    return result(backbone=name, task="regression", metrics=values, ci={}, chance={})


def test_what_cannot_be_tested_says_so_and_is_never_a_tie(cache, monkeypatch) -> None:
    found = [keep(cache, b, g) for b, g in (("x", 1.5), ("y", 1.4), ("z", 1.0), ("w", 0.5))]
    results.scores_file(cache, found[1]).unlink()
    file = results.scores_file(cache, found[2])
    arrays = dict(np.load(file))
    arrays["scores"] = arrays["scores"].copy()
    arrays["scores"][0, 0] = np.nan
    np.savez(file, **arrays)
    found.append(keep(cache, "v", 0.4, n=200))
    undefined = keep(cache, "u", 0.4)
    undefined.metrics["auroc"] = float("nan")
    stand = RankRanges(cache)
    places = {r.result.backbone: r.place for r in build([*found, undefined], stand=stand)}
    assert places["y"] == "2 (no scores)"
    assert places["z"].endswith("(scores not finite)")
    assert places["v"].endswith("(other test items)")
    assert places["u"] == "6 (not defined)"
    assert places["x"] == "1 (1-4) ~"  # any of the three untested ones may be before it
    assert "the scores of this result are not there" in stand.notes[0]
    monkeypatch.setattr(module, "AFFORDABLE", 10)
    stand = RankRanges(cache)
    places = [r.place for r in build([found[0], found[3]], stand=stand)]
    assert places == ["1 (not tested)", "2 (not tested)"]
    assert "'featprobe compare' does" in stand.notes[0]


def test_without_any_scores_a_league_is_ranked_by_value(cache) -> None:
    found = [keep(cache, b, g) for b, g in (("x", 1.5), ("y", 1.4))]
    for r in found:
        results.scores_file(cache, r).unlink()
    assert [r.place for r in build(found, stand=RankRanges(cache))] == [
        "1 (no scores)", "2 (no scores)",
    ]  # fmt: skip


def test_scores_of_another_run_are_an_error_that_names_the_row(cache) -> None:
    found = [keep(cache, b, g) for b, g in (("x", 1.5), ("y", 1.4))]
    found[1].metrics["auroc"] += 1e-4
    with pytest.raises(InputError, match=rf"films / y / knn: .*line {found[1].id} in .*jsonl says"):
        build(found, stand=RankRanges(cache))
    found[1].metrics["auroc"] -= 1e-4 + 1e-9  # rounding is none
    assert len(build(found, stand=RankRanges(cache))) == 2


def test_the_test_items_of_most_results_are_those_compared(cache) -> None:
    odd = keep(cache, "odd", 3.0, n=200)
    found = [odd, *(keep(cache, b, g) for b, g in (("x", 1.5), ("y", 0.2)))]
    places = {r.result.backbone: r.place for r in build(found, stand=RankRanges(cache))}
    assert places["odd"] == "1 (other test items)"
    assert places["x"].startswith("2 (1-2)")
