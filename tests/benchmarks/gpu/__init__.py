"""Every table of a card in a given time, the most important first: ``bin/bench gpu --minutes 9``.

Each table is printed as soon as it is done and written after each row (``gpu.json`` and
``gpu.md``), so that a cut leaves results. Rows are dictionaries, whose keys are the columns; what a
machine lacks (timm, PEFT, FAISS, a compiler) or cannot do is said in its cell, and the rest goes
on. Sides are measured in turn; what misses its goal is said again at the end. Nothing is
downloaded. ``--dry`` runs the code of every table on a CPU in small.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from featprobe.core.versions import versions_of
from featprobe.extraction.numa import affinity
from tests.benchmarks.gpu.machine import Cells, Machine
from tests.benchmarks.gpu.table import Table
from tests.benchmarks.others import Others
from tests.benchmarks.rows import Row
from tests.benchmarks.running import Summary

FILE = "gpu.json"
PACKAGES = ("torch", "transformers", "timm", "peft", "faiss-gpu", "faiss-cpu")


def tables() -> list[Table]:
    """In the order in which a cut would hurt."""
    from tests.benchmarks.gpu import forward, graphs, parity, probing, training, whole

    return [
        Table("Forward passes", forward.rows, 0.42, forward.NOTE),
        Table("From files to features", whole.rows, 0.20, whole.NOTE),
        Table("Small networks as graphs", graphs.rows, 0.06, graphs.NOTE),
        Table("Features of lower precision against float32", parity.rows, 0.12, parity.NOTE),
        Table("Probes", probing.rows, 0.10, probing.NOTE),
        Table("Fine-tuning", training.rows, 0.10, training.NOTE),
    ]


def run(
    minutes: float, dry: bool, out: Path | None, names: list[str] | None = None,
    kept: Path | None = None, resume: bool = False,
) -> list[Table]:  # fmt: skip
    """Make, print and write all tables, or those whose title holds one of ``names``.

    Time that a table leaves over goes to those behind it. ``kept``: a further place for what
    ``gpu.json`` holds. ``resume``: go on behind the table in which an earlier process died.
    """
    own_folders()
    machine, others = Machine.here(dry, minutes), Others()
    chosen = [t for t in tables() if not names or any(n.lower() in t.title.lower() for n in names)]
    if resume and out is not None and (out / FILE).exists():
        before = json.loads((out / FILE).read_text())
        made = {t["title"]: t for t in before["tables"]}
        for table in chosen:
            if table.title in made:
                table.take(made[table.title])
        known = {f.name for f in fields(Row)}
        machine.held += [Row(**{k: v for k, v in r.items() if k in known}) for r in before["held"]]
    about = facts(machine)
    print(f"## {machine.name}\n\n{json.dumps(about)}\n", flush=True)

    def save() -> None:
        ready = [t for t in chosen if t.found or t.done]
        write(out, kept, {**about, "busy": others.text()}, ready, machine.held)

    def seen(row: Cells) -> None:
        print(json.dumps(row), file=sys.stderr, flush=True)
        save()

    for i, table in enumerate(chosen):
        if not table.done:
            ahead = sum(t.share for t in chosen[i:])
            table.make(machine, time.monotonic() + machine.left() * table.share / ahead, seen)
        print(table.markdown(), flush=True)
        save()
    print(f"{summed_up(machine.held)}\n{others.text()}", flush=True)
    return chosen


def own_folders() -> None:
    """Places for what torch and triton compile where they may be written: a user without a name or
    a home has none."""
    for name in ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"):
        os.environ.setdefault(name, tempfile.mkdtemp(prefix="bench-"))


def facts(machine: Machine) -> dict[str, Any]:
    """The machine, as plain values; memory of the card that others have is not ours to use."""
    known: dict[str, Any] = {
        "device": machine.name, "dry": machine.dry, "cores": os.cpu_count(),
        "near": len(affinity(torch.device(machine.device))) or "all",
        "cuda": torch.version.cuda, "python": sys.version.split()[0],
        "versions": versions_of(PACKAGES),
    }  # fmt: skip
    if machine.device == "cuda":
        free, whole = torch.cuda.mem_get_info()
        known |= {"GB": round(whole / 1e9, 1), "GB free": round(free / 1e9, 1)}
    return known


def summed_up(held: list[Row]) -> str:
    """How many goals were missed, and which, the worst first."""
    return Summary([("gpu", row) for row in held]).text()


def write(
    out: Path | None, kept: Path | None, about: dict[str, Any], done: list[Table], held: list[Row]
) -> None:
    """``gpu.json`` and ``gpu.md`` of the tables so far, each whole or as it was; a disk that takes
    none of it ends nothing."""
    found = {**about, "tables": [t.to_dict() for t in done], "held": [r.to_dict() for r in held]}
    text = json.dumps(found, indent=1, default=float)
    pages = [f"## {about['device']}", "", *[t.markdown() for t in done], summed_up(held), ""]
    files = {out / FILE: text, out / "gpu.md": "\n".join(pages)} if out else {}
    for place, content in (files | ({kept: text} if kept else {})).items():
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            aside = place.with_name(f".{place.name}.new")
            aside.write_text(content)
            aside.replace(place)
        except OSError as error:
            print(f"bench gpu: not written: {error}", file=sys.stderr, flush=True)
