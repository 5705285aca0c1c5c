"""Benchmarks one after the other: each row as it comes, and all missed goals at the end."""

from __future__ import annotations

import json
import os
import platform
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TextIO

from featprobe.core.versions import versions_of
from tests.benchmarks.others import Others
from tests.benchmarks.rows import Measured

Bench = Callable[[], Iterable[Measured]]


@dataclass
class Summary:
    """All rows by benchmark, and why some of these have no more of them."""

    rows: list[tuple[str, Measured]] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def missed(self) -> list[tuple[str, Measured]]:
        """The rows whose goal was missed, the worst first."""
        found = [(name, row) for name, row in self.rows if row.reached is False]
        return sorted(found, key=lambda one: -one[1].missed_by)

    def text(self) -> str:
        """How many rows there were, and each that was missed, with how far off it is."""
        goals = sum(row.reached is not None for _, row in self.rows)
        lines = [f"{len(self.rows)} rows, {goals} with a goal, {len(self.missed)} MISSED"]
        lines[0] += ", the worst first:" if self.missed else ""
        lines += [f"{row.missed_by:7.2f} times off  {b}: {row.line()}" for b, row in self.missed]
        lines += [f"FAILED  {name}: {why}" for name, why in self.failed.items()]
        return "\n".join(lines)


def machine() -> dict[str, Any]:
    """Where it runs, as plain values."""
    return {
        "machine": platform.processor() or platform.machine(), "cores": os.cpu_count(),
        "python": platform.python_version(), **versions_of(("torch", "numpy", "scikit-learn")),
    }  # fmt: skip


def run_all(
    benches: Mapping[str, Bench], say: Callable[[str], None], kept: Path | None = None
) -> Summary:
    """Run benchmarks, ``say`` each line; one that fails leaves the others.

    ``kept``: a file that gets a JSON object a row as it comes (the fields of the row and ``bench``)
    and at last one of the machine, with ``busy``, ``missed`` and ``failed``.
    """
    summary, whole = Summary(), Others()
    say(", ".join(f"{k} {v}" for k, v in machine().items()))
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
    with kept.open("w") if kept else open(os.devnull, "w") as file:
        for name, bench in benches.items():
            say(f"\n== {name}")
            others = Others()
            try:
                for row in bench():
                    row = replace(row, others=others.since())  # type: ignore[type-var]
                    summary.rows.append((name, row))
                    _write(file, {"bench": name, **row.to_dict()})
                    say(row.line())
            except KeyboardInterrupt:
                summary.failed[name] = "stopped"
                break
            except Exception as error:
                traceback.print_exc()
                summary.failed[name] = f"{type(error).__name__}: {error}".splitlines()[0]
            say(others.text())
        busy = whole.text()
        _write(file, {
            **machine(), "busy": busy, "missed": len(summary.missed), "failed": summary.failed,
        })  # fmt: skip
    say(f"\n== all\n{summary.text()}\n{busy}")
    return summary


def _write(file: TextIO, values: dict[str, Any]) -> None:
    print(json.dumps(values, default=float), file=file, flush=True)
