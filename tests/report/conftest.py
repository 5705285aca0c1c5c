"""Pages of whole studies, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from featprobe.leaderboard.board import build
from featprobe.leaderboard.rank_ranges import RankRanges
from featprobe.report.page import page
from featprobe.report.shell import write
from tests.figures.made import studies

BOARDS = 3


@pytest.fixture(scope="package")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[list, Path, Path]:
    """A leaderboard, the cache with its scores, and its page."""
    cache = tmp_path_factory.mktemp("study")
    found = studies(cache, sets=BOARDS)
    board = build(found, stand=RankRanges(cache, resamples=200))
    return board, cache, write(cache / "page.html", page(board, cache))
