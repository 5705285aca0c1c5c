"""core/devices.py: how many frames go through a network together."""

import pytest
import torch

from featprobe.core.devices import frames_at_once

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("size", "threads", "frames"),
    [
        ((224, 224), 1, 4),
        ((224, 224), 2, 8),
        ((112, 112), 1, 16),
        ((448, 448), 1, 2),
        ((1024, 1024), 1, 2),
        ((28, 28), 1, 64),
        ((224, 112), 1, 8),
    ],
)
def test_a_cpu_takes_as_many_as_stay_in_its_cache(size, threads, frames) -> None:
    assert frames_at_once(CPU, 64, threads, size) == frames
    assert frames_at_once(CPU, 3, threads, size) == min(3, frames)


def test_another_device_takes_the_whole_batch() -> None:
    assert frames_at_once(torch.device("cuda"), 128, 1, (224, 224)) == 128
