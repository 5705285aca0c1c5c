"""``bin/bench gpu``: every table of a card in a given time, the most important first.

Each table is printed as soon as it is done and written after each row (``gpu.json`` and
``gpu.md``), so that a cut leaves results. Rows are dictionaries, whose keys are the columns; what a
machine lacks (timm, PEFT, FAISS, a compiler) or cannot do is said in its cell, and the rest goes
on. Nothing is downloaded. ``--dry`` runs the code of every table on a CPU in small.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from featprobe.core.versions import versions_of
from featprobe.extraction.numa import affinity

Row = dict[str, Any]
LATE = 30.0  # seconds that one row may go on after the time of its table


class TimeUp(BaseException):
    """The time of a table is over; no Exception, so that nothing on the way takes it for one."""


@dataclass
class Machine:
    """Where and how small it runs, and until when. ``seconds``: of one measurement, about."""

    device: str
    dry: bool = False
    end: float = float("inf")
    seconds: float = 1.5

    @classmethod
    def here(cls, dry: bool, minutes: float) -> Machine:
        if not dry and not torch.cuda.is_available():
            raise SystemExit(
                f"bench gpu: torch {torch.__version__} (CUDA {torch.version.cuda}) sees no GPU; "
                "--dry tries every table on the CPU"
            )
        spent = max(0.0, time.time() - float(os.environ.get("BENCH_BEGAN") or time.time()))
        end = time.monotonic() + max(60.0, 60 * minutes - spent)
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

    def rate(self, run: Callable[[], Any], units: float) -> float:
        """Units a second of what a call does ``units`` of, over :attr:`seconds` after a first."""
        run()
        self.wait()
        begin, calls = time.perf_counter(), 0
        while not calls or time.perf_counter() - begin < self.seconds:
            run()
            self.wait()
            calls += 1
        return calls * units / (time.perf_counter() - begin)

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
            return f"failed: {type(error).__name__}: {_first(error)}"

    def peak(self) -> float:
        """GB at most since the last call; 0 on a CPU."""
        if self.device != "cuda":
            return 0.0
        most = torch.cuda.max_memory_allocated() / 1e9
        torch.cuda.reset_peak_memory_stats()
        return most


@dataclass
class Table:
    """A table, made row by row; ``share`` is its part of the time."""

    title: str
    rows: Callable[[Machine], Iterator[Row]]
    share: float
    note: str = ""
    found: list[Row] = field(default_factory=list)
    cut: str = ""

    def make(
        self, machine: Machine, until: float, seen: Callable[[Row], None] = lambda row: None
    ) -> None:
        """Fill it, and stop between two rows when its time is over, or amid one that takes long
        after that. ``seen`` is called with each row."""
        try:
            with alarm(until + LATE - time.monotonic()):
                for row in self.rows(machine):
                    self.found.append(row)
                    seen(row)
                    if time.monotonic() > until:
                        self.cut = "cut here: its share of the time was over"
                        break
        except TimeUp:
            self.cut = "cut here: a row took too long"
        except Exception as error:
            if machine.dry:
                raise
            traceback.print_exc()
            self.cut = f"stopped: {type(error).__name__}: {_first(error)}"

    def markdown(self) -> str:
        """The table under its title, all columns of all rows."""
        columns = list(dict.fromkeys(name for row in self.found for name in row))
        lines = [f"### {self.title}", ""]
        lines += [self.note, ""] if self.note else []
        if columns:
            lines += [_line(columns), _line(["---"] * len(columns))]
            lines += [_line([_text(row.get(name)) for name in columns]) for row in self.found]
        lines += ["", self.cut] if self.cut else []
        return "\n".join(lines) + "\n"


@contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """Raise :class:`TimeUp` within it after so many seconds."""

    def ring(*_: Any) -> None:
        raise TimeUp

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, min(max(seconds, 0.01), 1e8))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def tables() -> list[Table]:
    """In the order in which a cut would hurt."""
    from tests.benchmarks.gpu import forward, parity, probing, training, whole

    return [
        Table("Forward passes", forward.rows, 0.44, forward.NOTE),
        Table("From files to features", whole.rows, 0.20, whole.NOTE),
        Table("Features of lower precision against float32", parity.rows, 0.12, parity.NOTE),
        Table("Probes", probing.rows, 0.12, probing.NOTE),
        Table("Fine-tuning", training.rows, 0.12, training.NOTE),
    ]


def run(minutes: float, dry: bool, out: Path | None, names: list[str] | None = None) -> list[Table]:
    """Make, print and write all tables, or those whose title holds one of ``names``.

    Time that a table leaves over goes to those behind it.
    """
    machine = Machine.here(dry, minutes)
    chosen = [t for t in tables() if not names or any(n.lower() in t.title.lower() for n in names)]
    about = {
        "device": machine.name, "dry": dry, "cores": os.cpu_count(),
        "near": len(affinity(torch.device(machine.device))) or "all",
        "cuda": torch.version.cuda,
        "versions": versions_of(("torch", "transformers", "timm", "peft")),
    }  # fmt: skip
    print(f"## {machine.name}\n\n{json.dumps(about)}\n", flush=True)
    for i, table in enumerate(chosen):
        ahead = sum(t.share for t in chosen[i:])

        def seen(row: Row, done: list[Table] = chosen[: i + 1]) -> None:
            print(json.dumps(row), file=sys.stderr, flush=True)
            if out is not None:
                write(out, about, done)

        table.make(machine, time.monotonic() + machine.left() * table.share / ahead, seen)
        print(table.markdown(), flush=True)
        if out is not None:
            write(out, about, chosen[: i + 1])
    return chosen


def write(out: Path, about: dict[str, Any], done: list[Table]) -> None:
    """``gpu.json`` and ``gpu.md`` of the tables so far."""
    out.mkdir(parents=True, exist_ok=True)
    found = [{"title": t.title, "rows": t.found, "cut": t.cut} for t in done]
    (out / "gpu.json").write_text(json.dumps({**about, "tables": found}, indent=1))
    text = "\n".join(t.markdown() for t in done)
    (out / "gpu.md").write_text(f"## {about['device']}\n\n{text}")


def _first(error: BaseException) -> str:
    """The first line of what an error says, without what would end a cell."""
    return next(iter(str(error).splitlines()), "").replace("|", "/")[:120]


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else str(value)
