"""Confusion matrices of the rows of a leaderboard as CSV, a line a cell."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from featprobe.core.atomic import write_text_atomic
from featprobe.core.errors import InputError, reason
from featprobe.core.spreadsheet import Writer
from featprobe.evaluation import results
from featprobe.leaderboard.board import Row
from featprobe.leaderboard.row_labels import probe_name, setting
from featprobe.stats.confusion import confusion_matrix, has_decisions
from featprobe.stats.resampling import RESAMPLES

HEADS = (
    "data", "league", "backbone", "probe", "setting", "id", "label", "true", "decided", "items",
    "share", "share_low", "share_high",
)  # fmt: skip


def cells(board: Sequence[Row], cache: Path, say: Callable[[str], None]) -> Iterator[list[Any]]:
    """The values under :data:`HEADS`: ``share`` of the items of the true class that are decided so,
    with its interval; of several labels each ``label`` by itself. ``say`` is told which rows have
    no matrix, and why."""
    for row in board:
        r = row.result
        if not has_decisions(r.task):
            continue
        try:
            scored = results.scored(cache, r)
        except InputError as error:
            say(f"no confusion matrix: {error}")
            continue
        resamples = int(r.settings.get("resamples", RESAMPLES))
        found = confusion_matrix(scored, resamples=resamples)
        classes = scored.classes or tuple(map(str, range(len(found.counts))))
        of = [r.dataset, row.apart, r.backbone, probe_name(r), setting(r), r.id]
        several = found.counts.ndim == 3
        for k, name in enumerate(classes if several else ("",)):
            names = ("absent", "present") if several else classes
            arrays = [a[k] if several else a for a in found]
            for i, true in enumerate(names):
                for j, decided in enumerate(names):
                    count, *shares = (float(a[i, j]) for a in arrays)
                    ends = ["" if math.isnan(v) else v for v in shares]
                    yield [*of, name, true, decided, count, *ends]


def write(board: Sequence[Row], cache: Path, path: Path, say: Callable[[str], None]) -> Path:
    """Write :func:`cells`. Raises :class:`InputError` where it cannot be written."""
    out = io.StringIO()
    writer = Writer(out, "\r\n")
    for values in (list(HEADS), *cells(board, cache, say)):
        writer.writerow(values)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomic(path, out.getvalue())
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {reason(error)}") from error
    return path
