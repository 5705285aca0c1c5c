"""A file of results that somebody changed by hand: every line is shown, or left out and named."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from featprobe.core import records
from featprobe.evaluation import results
from featprobe.evaluation.results import Result
from featprobe.leaderboard.board import build
from featprobe.leaderboard.table import markdown
from tests.evaluation.test_results import result

ODD: list[Any] = [
    math.inf,
    None,
    3,
    -1,
    0.5,
    "x",
    "",
    [],
    {},
    True,
    [1],
    [[1]],
    {"a": 1},
    {"a": {"b": "c"}},
]
GOOD = result(
    class_sizes={"a": {"items": 1, "patients": 1}}, provenance={"key": {"preprocess": {}}},
    cost={"seconds": 1.0}, thresholds={"a": [0.5, 0.4]}, val={"auroc": 0.7}, shots=None,
)  # fmt: skip


def shown(cache: Path, record: dict[str, Any]) -> tuple[list[Result], list[str]]:
    """What is read beside a good result, and what is said, after both have been shown."""
    file = results.results_file(cache)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    records.append(file, json.loads(result(dataset="other").to_json()))
    with file.open("a") as f:
        f.write(json.dumps(record) + "\n")
    told: list[str] = []
    found = results.read(cache, told.append)
    board = build(found, None, (), (), cache, None)
    markdown(board, None)
    return found, told


@pytest.mark.parametrize("name", [f.name for f in fields(Result)])
def test_a_field_of_another_kind_is_named_and_the_line_left_out(name: str, tmp_path: Path) -> None:
    plain = json.loads(GOOD.to_json())
    found, told = shown(tmp_path, plain)
    assert (len(found), told) == (2, [])
    refused = 0
    for odd in ODD:
        found, told = shown(tmp_path, {**plain, name: odd})
        if len(found) == 1:
            refused += 1
            assert len(told) == 1
            assert "results.jsonl, line 2: not a result" in told[0]
            assert "\n" not in told[0]
        else:
            assert not told
    assert refused >= 5
