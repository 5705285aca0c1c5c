"""Images a second of fine-tuning, full and LoRA, against Trainer (and PEFT) on the same files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from tests.benchmarks.finetuning import Case, featprobe, pictures, trainer
from tests.benchmarks.gpu import Machine, Row

NOTE = (
    "Images/s from files (ours decodes once, Trainer in every epoch) and of the loop alone, and "
    "the largest memory, in bf16 on a GPU."
)


def rows(machine: Machine) -> Iterator[Row]:
    """A row for each network and recipe; Trainer where it is installed."""
    if machine.dry:
        cases = [Case("dinov2_vits14", 28, 4, 2, 1)]
    else:
        cases = [Case(n, 224, 256, 64, 3) for n in ("dinov2_vits14", "dinov2_vitl14")]
    for case in cases:
        with tempfile.TemporaryDirectory() as folder:
            data = pictures(Path(folder) / "pictures", case.images)
            for recipe in ("full", "lora"):
                ours = featprobe(case, recipe, data)
                row: Row = {
                    "network": case.model, "recipe": recipe, "from files": ours[0],
                    "loop alone": ours[1], "GB": ours[2] / 1e9,
                }  # fmt: skip
                if find_spec("accelerate") and (recipe == "full" or find_spec("peft")):
                    theirs = trainer(case, recipe, data)
                    row |= {
                        "Trainer, from files": theirs[0], "Trainer, loop": theirs[1],
                        "Trainer, GB": theirs[2] / 1e9, "loop / Trainer": ours[1] / theirs[1],
                    }  # fmt: skip
                yield row
