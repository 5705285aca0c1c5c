"""What the probing verbs say of features that they cannot probe: one line, exit code 2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.cached import cached


def problem(n: int = 60) -> dict[str, Any]:
    """A set of features that every verb can probe."""
    y = np.arange(n) % 2
    x = np.random.default_rng(0).normal(size=(n, 5)) + y[:, None]
    split = np.where(
        np.arange(n) < n // 2, "train", np.where(np.arange(n) < n * 3 // 4, "val", "test")
    )
    return {"x": x, "y": y, "split": split}


def one_class_in_train(p: dict[str, Any]) -> None:
    p["y"][p["split"] == "train"] = 1


def nothing_known(p: dict[str, Any]) -> None:
    p["y"], p["task"] = np.full((60, 2), np.nan), "multilabel"


def no_class_known(p: dict[str, Any]) -> None:
    p["y"][:] = -1


def not_finite(p: dict[str, Any]) -> None:
    p["x"][3, 1] = np.nan


def values(p: dict[str, Any]) -> None:
    p["y"], p["task"], p["classes"] = p["x"][:, 0], "regression", ()


def few(p: dict[str, Any]) -> None:
    p |= problem(12)


def as_it_is(_: dict[str, Any]) -> None:
    pass


CASES = [  # what is changed, the command, and what its one line says
    (one_class_in_train, "linear", "films / net: train holds one class only (b)"),
    (one_class_in_train, "fewshot --tries 2", "films / net: train holds one class only (b)"),
    (nothing_known, "linear", "films / net: every label is unknown"),
    (no_class_known, "knn", "films / net: every label is unknown"),
    (not_finite, "linear", "films / net: features of 1 items are NaN or infinite, first 'Auf"),
    (not_finite, "knn", "first 'Aufnahme 3"),
    (not_finite, "fewshot --tries 2", "first 'Aufnahme 3"),
    (few, "knn --k 50", "k = 50 is more than the 9 training items; lower --k"),
    (as_it_is, "linear --C 0", "0.0 is not in the range x>0"),
    (as_it_is, "linear --features mean", "films / net has no 'mean'. It has: cls (1 block)"),
    (as_it_is, "knn --features cls:4", "has no 'cls:4': it has cls (1 block); extract again"),
    (values, "linear", "films / net: logistic is not for regression targets; use one of"),
    (values, "fewshot --probe knn", "few-shot draws items of each class; regression targets have"),
    (few, "linear --folds 20", "films / net: 12 patients cannot be split into 20 folds"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "command", "said"), CASES)
def test_what_cannot_be_probed_is_one_line(run, cache: Path, change, command: str, said) -> None:
    p = problem()
    change(p)
    if p["y"].ndim == 2:
        p["classes"] = ("a", "b")
    cached(cache, {"cls": p.pop("x")}, p.pop("y"), **{"classes": ("a", "b"), **p})
    code, out, err = run(*command.split())
    assert code == 2
    assert out == ""
    assert len(err.strip().splitlines()) == 1, err
    assert err.startswith("featprobe: error: ")
    assert said in err


def test_fewer_items_than_shots_is_said_beside_the_result(run, cache: Path) -> None:
    p = problem(40)
    cached(cache, {"cls": p["x"]}, p["y"], split=p["split"])
    command = "fewshot --probe prototype --shots 2 16 --tries 2 --resamples 10 --json"
    code, out, err = run(*command.split())
    assert code == 0
    assert len(out.splitlines()) == 2
    assert "films / net: a class has only 10 training items; all of them stand for 16 shots" in err
