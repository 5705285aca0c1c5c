"""Images a second of fine-tuning, full and LoRA, against Trainer (and PEFT) on the same files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.benchmarks.finetuning import Case, featprobe, pictures, trainer
from tests.benchmarks.gpu.machine import Cells, Machine
from tests.benchmarks.rows import Row

NOTE = (
    "Images/s from files (ours decodes once, Trainer in every epoch) and of the loop alone, and "
    "the largest memory, in bf16 on a GPU."
)


def rows(machine: Machine) -> Iterator[Cells]:
    """A row for each network and recipe; Trainer where it is installed."""
    if machine.dry:
        cases = [Case("dinov2_vits14", 28, 4, 2, 1)]
    else:
        cases = [Case(n, 224, 256, 64, 3) for n in ("dinov2_vits14", "dinov2_vitl14")]
    for case in cases:
        with tempfile.TemporaryDirectory() as folder:
            data = pictures(Path(folder) / "pictures", case.images)
            for recipe in ("full", "lora"):
                yield one(machine, case, recipe, data)


def one(machine: Machine, case: Case, recipe: str, data: Any) -> Cells:
    """One row; what fails on a side is said in it."""
    row: Cells = {"network": case.model, "recipe": recipe}
    ours = machine.attempt(lambda: featprobe(case, recipe, data))
    names = ("from files", "loop alone", "GB")
    row |= sides(ours, names)
    if find_spec("accelerate") and (recipe == "full" or find_spec("peft")):
        theirs = machine.attempt(lambda: trainer(case, recipe, data))
        row |= sides(theirs, [f"Trainer, {n}" for n in names])
        if not isinstance(ours, str) and not isinstance(theirs, str):
            for i, what in ((1, "loop"), (0, "files")):
                machine.hold(row, f"{what} / Trainer", Row(
                    f"{case.model} {recipe}, {names[i]}: of Trainer's rate", ours[i], theirs[i],
                    "images/s", 1.0,
                ))  # fmt: skip
    return row


def sides(found: Any, names: Sequence[str]) -> Cells:
    """Images/s from files and of the loop, and GB, or why there are none."""
    if isinstance(found, str):
        return {names[0]: found}
    return dict(zip(names, (found[0], found[1], found[2] / 1e9)))
