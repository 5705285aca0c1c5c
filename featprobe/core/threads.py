"""How many threads a matrix product may use."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Found = TypeVar("Found")


def cores() -> int:
    """Processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def on_threads(
    function: Callable[[Item], Found], items: Iterable[Item], threads: int,
    under_way: int | None = None,
) -> Generator[Found]:  # fmt: skip
    """``map`` on so many threads: results in order, and at most so many items ``under_way``, by
    default one more than there are threads. Closed, it waits for those that have begun."""
    if threads < 2:
        yield from map(function, items)
        return
    todo, flying = iter(items), deque[Future[Found]]()
    with ThreadPoolExecutor(threads) as pool:
        try:
            while True:
                for item in islice(todo, (under_way or threads + 1) - len(flying)):
                    flying.append(pool.submit(function, item))
                if not flying:
                    return
                yield flying.popleft().result()
        finally:
            for future in flying:
                future.cancel()


def one_blas_thread() -> AbstractContextManager[object]:
    """BLAS on one thread, for products so small that more threads only wait for each other.

    Measured on two cores: 7 times faster for a few-shot bootstrap, 10 to 40 times for L-BFGS steps.
    """
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, user_api="blas")


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """torch on one thread, for steps on small batches: several wait for each other at every one."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def awake_torch_threads() -> AbstractContextManager[object]:
    """For small steps: torch on one thread where the others sleep between operations, as commands
    that decode beside a network have it (OMP_WAIT_POLICY=PASSIVE), else as it is.

    Measured on two cores: to wake one doubles the time of a linear decoder's step.
    """
    asleep = os.environ.get("OMP_WAIT_POLICY", "").upper() == "PASSIVE"
    return one_torch_thread() if asleep else nullcontext()
