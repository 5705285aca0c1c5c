"""What is ranked together."""

from __future__ import annotations

import pytest

from featprobe.core.errors import UnknownName
from featprobe.leaderboard.board import build
from featprobe.leaderboard.leagues import distinctions, league, leagues
from tests.evaluation.test_results import result


def sized(pixels: int):
    key = {"preprocess": {"size": [pixels, pixels]}, "dataset": "d"}
    return result(provenance={"key": key})


CV = {"protocol": "cv"}
SHOTS = {"protocol": "fewshot", "shots": 2}
UNLIKE = {
    "folds": ({**CV, "settings": {"folds": 3}}, {**CV, "settings": {"folds": 5}}),
    "seed": ({**CV, "settings": {"seed": 0}}, {**CV, "settings": {"seed": 1}}),
    "seed of draws": ({**SHOTS, "settings": {"seed": 0}}, {**SHOTS, "settings": {"seed": 1}}),
    "tries": ({**SHOTS, "settings": {"tries": 5}}, {**SHOTS, "settings": {"tries": 20}}),
    "by": ({**SHOTS, "settings": {"by": "item"}}, {**SHOTS, "settings": {"by": "patient"}}),
    "shots": (SHOTS, {**SHOTS, "shots": 4}),
    "subset": ({}, {"settings": {"seed": 0, "subset": 0.1}}),
    "repeats": ({}, {"settings": {"seed": 0, "repeats": 5}}),
    "level": ({}, {"settings": {"seed": 0, "level": "patient", "level_by": "mean"}}),
    "selection": ({}, {"settings": {"seed": 0, "select": "f1"}}),
    "views": ({}, {"settings": {"seed": 0, "views": ["cls/mean", "mean/mean"]}}),
    "split": ({"split": {"digest": "a"}}, {"split": {"digest": "b"}}),
    "version": ({"split": {"version": 1}}, {"split": {"version": 2}}),
    "labels": ({"labels": "a"}, {"labels": "b"}),
    "task": ({}, {"task": "ordinal"}),
}


@pytest.mark.parametrize("name", UNLIKE)
def test_results_that_are_not_comparable_are_apart_and_told_apart(name) -> None:
    one, other = (result(**changes) for changes in UNLIKE[name])
    assert league(one) != league(other)
    words = list(distinctions([one, other]).values())
    assert words[0] != words[1]


def test_image_sizes_are_leagues_unless_looked_across() -> None:
    rows = [sized(224), sized(448)]
    assert list(distinctions(rows).values()) == ["224 x 224 pixels", "448 x 448 pixels"]
    assert len(leagues(rows)) == 2
    assert len(leagues(rows, ["image-size"])) == 1
    assert [r.rank for r in build(rows, across=["image-size"])] == [1, 1]
    assert {r.apart for r in build(rows, across=["image-size"])} == {""}
    with pytest.raises(UnknownName, match="across 'size'.*image-size, selection, seed"):
        leagues(rows, ["size"])


def test_probes_and_backbones_of_one_study_are_one_league() -> None:
    one = result(probe="logistic", backbone="other", params={"C": 1.0})
    assert league(result()) == league(one)
    assert distinctions([result(), one]) == {league(one): ""}


def test_a_seed_that_was_not_recorded_is_the_default() -> None:
    assert league(result(settings={})) == league(result(settings={"seed": 0}))


def test_what_is_usual_is_no_selection_of_its_own() -> None:
    """Earlier versions do not say by what they selected, zero-shot selects nothing."""
    assert league(result()) == league(result(settings={"seed": 0, "select": "log_loss"}))


def test_digests_are_shortened_in_words() -> None:
    rows = [result(split={"digest": d * 16}) for d in "ab"]
    assert list(distinctions(rows).values()) == ["split aaaaaaaa", "split bbbbbbbb"]
