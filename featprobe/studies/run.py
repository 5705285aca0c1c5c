"""A study carried out: what is here runs as a leaderboard, the rest is listed."""

from __future__ import annotations

from dataclasses import dataclass

from featprobe.core import paths as settings
from featprobe.core.errors import FeatprobeError, reason
from featprobe.leaderboard.cells import Cell
from featprobe.leaderboard.ledger import Outcome, Report
from featprobe.leaderboard.running import run as run_cells
from featprobe.studies.beside import Beside, beside, decoded
from featprobe.studies.decoding import Decoding
from featprobe.studies.here import Cache, Part
from featprobe.studies.study import Study


@dataclass(frozen=True)
class StudyRun:
    """What became of a study: what is not here, the cells that ran, ours beside theirs."""

    study: Study
    part: Part
    outcome: Outcome
    beside: Beside


def run(
    study: Study, part: Part, cache: Cache = None, *, report: Report = lambda text: None,
    progress: bool = False, jobs: int = 1,
) -> StudyRun:  # fmt: skip
    """Run the cells that can run (:func:`~featprobe.leaderboard.running.run`), and put published
    numbers beside them. Cells that fail are in the outcome, and the rest goes on."""
    grid, outcome = part.grid, Outcome()
    if grid.cells:
        outcome = run_cells(grid, cache, report=report, progress=progress, jobs=jobs)
    done = {id(cell) for cell, _ in outcome.cells}
    lacking = [(cell, _why(cell, part)) for cell in part.without]
    lacking += [(cell, "it failed, see below") for cell in grid.cells if id(cell) not in done]
    found = beside(settings.cache_root(cache), outcome.cells, study.published, grid.metric, lacking)
    for d in part.decodings:
        report(d.name)
        try:
            made, ran = d.run(cache, progress)
        except FeatprobeError as error:
            outcome.failures.append(f"{d.name}: {reason(error)}")
            found.rows += decoded(d, [], study.published, "it failed, see below")
            continue
        outcome.ran, outcome.there = outcome.ran + ran, outcome.there + (not ran)
        found.rows += decoded(d, made, study.published)
    for d in part.undecoded:
        found.rows += decoded(d, [], study.published, _why(d, part))
    return StudyRun(study, part, outcome, found)


def _why(cell: Cell | Decoding, part: Part) -> str:
    lost = ["data"] if f"data {cell.data.name}" in part.missing else []
    gone = [m.name for m in cell.model.sources if f"weights {m.text}" in part.missing]
    of = f" of {' and '.join(gone)}" if cell.model.parts else ""
    return f"no {' and no '.join(lost + [f'weights{of}'] * bool(gone))} here"
