"""Which tests of the contract suites are slow; the suites are run by other packages, too."""

from __future__ import annotations

import pytest

SLOW = {
    "test_kill_9_at_any_moment_loses_nothing_committed",
    "test_status_and_reasons_are_kept",
    "test_what_is_written_is_read",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.parent is not None and getattr(item, "originalname", "") in SLOW:
            item.add_marker(pytest.mark.slow)
