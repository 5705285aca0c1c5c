"""The batch script: a grid that goes on after a failing cell."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(__file__).parents[2] / "bin"
FEATPROBE = Path(sys.executable).parent / "featprobe"


def leaderboard(*args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BIN / "leaderboard"), *map(str, args)], capture_output=True, text=True,
        env={**os.environ, "FEATPROBE": str(FEATPROBE)},
    )  # fmt: skip


@pytest.mark.slow
def test_a_failing_cell_is_named_and_the_rest_is_ranked(class_folders, cache) -> None:
    done = leaderboard(
        "--init", "random", "--image-size", 32, "--quiet", "resnet18", "--", "no_such_set",
        class_folders,
    )  # fmt: skip
    assert done.returncode == 1
    assert "failed: extract resnet18 x no_such_set" in done.stderr
    table = done.stdout[done.stdout.index("== leaderboard") :]
    for probe in ("knn", "linear", "fewshot logistic"):
        assert probe in table
    assert (cache / "leaderboard" / "leaderboard.csv").exists()


@pytest.mark.parametrize("args", [[], ["resnet18"], ["resnet18", "--"], ["--", "digits"], ["-h"]])
def test_without_models_and_data_it_shows_its_usage(args: list[str]) -> None:
    done = leaderboard(*args)
    assert done.returncode == 2
    assert "bin/leaderboard [EXTRACT OPTIONS] MODEL... -- DATA..." in done.stderr
