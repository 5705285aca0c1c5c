"""loop.py: when a checkpoint is due."""

from __future__ import annotations

import pytest

from featprobe.finetuning.loop import QUICK, SECONDS, SHARE, _due


@pytest.mark.parametrize(
    ("since", "wrote", "ends", "looks", "due"),
    [
        (0.1, 0.0, True, True, True),  # quick ones at the end of every epoch
        (0.1, QUICK, True, True, True),
        (SHARE, QUICK + 2, True, True, False),  # a slow one not
        (2 * SHARE, QUICK + 2, True, True, False),
        (2 * SHARE + 0.1, QUICK + 2, True, True, True),
        (0.1, 0.0, False, True, False),  # within an epoch once a long time has passed
        (SECONDS, 0.0, False, True, False),
        (SECONDS + 1, 0.0, False, True, True),
        (SECONDS + 1, 0.0, False, False, False),  # where anybody looks
        (SECONDS + 1, SECONDS, True, True, True),
        (SECONDS + 1, SECONDS, True, False, False),
        (SECONDS + 1, SECONDS, False, True, True),
    ],
)
def test_a_checkpoint_is_due(
    since: float, wrote: float, ends: bool, looks: bool, due: bool
) -> None:
    assert _due(since, wrote, ends, looks) is due
