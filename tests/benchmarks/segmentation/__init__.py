"""Segmentation from cached tokens: what it costs, and what it reaches on real volumes.

``--part costs`` measures costs alone, ``compression`` what smaller stores lose; the others are rows
of the table of decoders. All but costs need ``FEATPROBE_TEST_DATA`` (hippocampus). With
``--cache`` tokens and finished rows are kept, so that parts may be run one after another.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.benchmarks.rows import Row
from tests.benchmarks.segmentation.compression import compression
from tests.benchmarks.segmentation.costs import costs
from tests.benchmarks.segmentation.table import PARTS, Table

KNOWN = ("costs", "compression", *PARTS)


def rows(runs: int = 3, parts: Sequence[str] = (), cache: str | None = None) -> Iterator[Row]:
    """Costs, then the table where the volumes are at hand; or some ``parts`` of :data:`KNOWN`."""
    if unknown := set(parts) - set(KNOWN):
        raise SystemExit(f"unknown part {', '.join(sorted(unknown))}; there are {', '.join(KNOWN)}")
    if not parts or "costs" in parts:
        yield from costs(min(runs, 3))
    root = os.environ.get("FEATPROBE_TEST_DATA")
    if root is None:
        return
    with tempfile.TemporaryDirectory() as made:
        table = Table(Path(root) / "hippocampus", Path(cache or made))
        for part in parts or KNOWN[1:]:
            if part == "compression":
                yield from compression(table.data, table.cache)
            elif part != "costs":
                yield from table.part(part)
