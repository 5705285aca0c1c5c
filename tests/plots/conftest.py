"""Results of whole studies, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from featprobe.evaluation.results import Result
from tests.figures.made import studies


@pytest.fixture(scope="package")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Result], Path]:
    """Results, and the cache with their scores."""
    cache = tmp_path_factory.mktemp("study")
    return studies(cache), cache
