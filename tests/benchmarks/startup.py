"""How long commands take that read no data, beside Python with click alone.

``--against FOLDER`` names another checkout, whose commands are then timed in turn with these.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.benchmarks.rows import Row, side_by_side

HERE = Path(__file__).parents[2]
COMMANDS = (["--help"], ["knn", "--help"], ["models"], ["--version"])
TIMES = 5  # more runs than of long benchmarks


def rows(runs: int = 3, against: str | None = None) -> Iterator[Row]:
    """A row a command: median seconds of both."""
    for command in COMMANDS:
        ours, theirs = side_by_side(
            partial(_run, HERE, command),
            partial(_run, Path(against), command) if against else _bare,
            TIMES * runs,
        )
        yield Row(
            f"featprobe {' '.join(command)} / {'that of ' + against if against else 'click'}",
            ours, theirs, "s", more=False, runs=TIMES * runs,
        )  # fmt: skip


def _run(checkout: Path, command: list[str]) -> None:
    code = f"import sys; sys.path[0] = {str(checkout)!r}; from featprobe.cli.main import main"
    code += "; sys.argv[0] = 'featprobe'; main()"
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    subprocess.run(
        [sys.executable, "-c", code, *command], env=environment, check=True, capture_output=True
    )


def _bare() -> None:
    subprocess.run([sys.executable, "-c", "import click"], check=True, capture_output=True)
