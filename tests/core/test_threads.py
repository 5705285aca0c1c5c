"""Work on several threads."""

from __future__ import annotations

import threading

import pytest
import torch

from featprobe.core.threads import awake_torch_threads, on_threads


@pytest.mark.parametrize("threads", [1, 3])
def test_results_come_in_order_and_items_are_made_when_their_turn_comes(threads: int) -> None:
    made: list[int] = []

    def items():
        for n in range(50):
            made.append(n)
            yield n

    for n, found in enumerate(on_threads(lambda x: x * x, items(), threads)):
        assert found == n * n
        assert len(made) <= n + threads + 1
    assert n == 49


def test_it_is_several_at_a_time() -> None:
    together = threading.Barrier(3)
    assert list(on_threads(lambda x: together.wait(60) >= 0, range(6), 3)) == [True] * 6


def test_an_error_is_the_callers_and_nothing_more_begins() -> None:
    begun: list[int] = []

    def run(n: int) -> int:
        begun.append(n)
        return 1 // (n - 2)

    with pytest.raises(ZeroDivisionError):
        list(on_threads(run, range(1000), 2))
    assert max(begun) < 10


@pytest.mark.parametrize(("policy", "alone"), [("PASSIVE", True), ("ACTIVE", False), ("", False)])
def test_small_steps_are_on_one_thread_only_where_the_others_sleep(
    policy: str, alone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", policy)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with awake_torch_threads():
            assert torch.get_num_threads() == (1 if alone else 2)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
