"""The card that is measured, and how: in turn, for a given time, failures said in words."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from tests.benchmarks.rows import Row, in_turn, median_of

Cells = dict[str, Any]  # a row of a table: column -> number or text
ROUNDS = 3  # in which all sides of a comparison are measured, one after the other
NO_LESS = 60.0  # seconds that there are in any case, however long installing took


def first_line(error: BaseException) -> str:
    """Of what an error says, without what would end a cell."""
    return next(iter(str(error).splitlines()), "").replace("|", "/")[:120]


@dataclass
class Machine:
    """Where and how small it runs, and until when. ``seconds``: of one measurement, about.

    ``held``: all ratios with a goal, in the order in which they were found.
    """

    device: str
    dry: bool = False
    end: float = float("inf")
    seconds: float = 1.5
    held: list[Row] = field(default_factory=list)

    @classmethod
    def here(cls, dry: bool, minutes: float) -> Machine:
        if not dry and not torch.cuda.is_available():
            raise SystemExit(
                f"bench gpu: torch {torch.__version__} (CUDA {torch.version.cuda}) sees no GPU; "
                "--dry tries every table on the CPU"
            )
        spent = max(0.0, time.time() - float(os.environ.get("BENCH_BEGAN") or time.time()))
        end = time.monotonic() + max(NO_LESS, 60 * minutes - spent)
        return cls("cpu", True, end, 0.0) if dry else cls("cuda", False, end)

    @property
    def name(self) -> str:
        return "a CPU, dry run" if self.dry else torch.cuda.get_device_name()

    def left(self) -> float:
        return self.end - time.monotonic()

    def wait(self) -> None:
        """Until the device has done what it was given."""
        if self.device == "cuda":
            torch.cuda.synchronize()

    def rate(self, run: Callable[[], Any], units: float, seconds: float | None = None) -> float:
        """Units a second of what a call does ``units`` of, over some seconds after a first."""
        run()
        self.wait()
        begin, calls = time.perf_counter(), 0
        limit = self.seconds if seconds is None else seconds
        while not calls or time.perf_counter() - begin < limit:
            run()
            self.wait()
            calls += 1
        return calls * units / (time.perf_counter() - begin)

    def rates(self, sides: Mapping[str, tuple[Callable[[], Any], float]]) -> Cells:
        """Units a second of each side, medians of :data:`ROUNDS` in turn, or why there are none.

        ``sides``: name -> a call and of how many units it is. A side that fails leaves the others.
        """
        found: Cells = {}

        def once(name: str) -> Any:
            run, units = sides[name]
            return self.attempt(lambda: self.rate(run, units, self.seconds / ROUNDS))

        for name, values in zip(
            sides, in_turn(1 if self.dry else ROUNDS, *[lambda n=n: once(n) for n in sides])
        ):
            said = next((v for v in values if isinstance(v, str)), None)
            found[name] = median_of(values) if said is None else said
        return found

    def attempt(self, run: Callable[[], Any]) -> Any:
        """What a call returns, or in words why it failed; a dry run raises."""
        try:
            return run()
        except Exception as error:
            if self.dry:
                raise
            traceback.print_exc()
            if self.device == "cuda":
                torch.cuda.empty_cache()
            return f"failed: {type(error).__name__}: {first_line(error)}"

    def hold(self, cells: Cells, column: str, row: Row) -> None:
        """Put a ratio into its column and, where it has one, its goal into that of goals."""
        cells[column] = row.ratio
        if row.must is not None:
            said = f"{column} {row.goal.text(row.ratio)}"
            cells["goal"] = "; ".join(filter(None, (cells.get("goal"), said)))
            self.held.append(row)

    def peak(self) -> float:
        """GB at most since the last call; 0 on a CPU."""
        if self.device != "cuda":
            return 0.0
        most = torch.cuda.max_memory_allocated() / 1e9
        torch.cuda.reset_peak_memory_stats()
        return most
