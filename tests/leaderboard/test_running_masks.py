"""Fine-tunings to masks among the cells of a leaderboard's file."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from featprobe.leaderboard.grid import read
from featprobe.leaderboard.running import run

CELLS = """
data: volumes
models: {model: tiny_vit14, image_size: 28}
extract: {workers: 0, device: cpu}
finetune:
  - {recipe: last-n, blocks: 1, task: segmentation, decoder: conv, decoder.width: 4, epochs: 1}
  - {recipe: frozen, task: segmentation, loss: ce, epochs: 1}
resamples: 20
"""


@pytest.mark.slow
def test_cells_of_masks_are_trained_once(cache: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for part in ("images", "labels"):
        (tmp_path / "volumes" / part).mkdir(parents=True)
    for i in range(10):
        mask = np.zeros((16, 16, 2), np.uint8)
        mask[2:9, 3:12] = 1
        image = (rng.normal(100, 5, mask.shape) + 90 * mask).astype(np.float32)
        for part, values in (("images", image), ("labels", mask)):
            made = nibabel.Nifti1Image(values, np.eye(4))
            nibabel.save(made, tmp_path / "volumes" / part / f"v{i}.nii.gz")
    (tmp_path / "cells.yaml").write_text(CELLS)
    grid = read(tmp_path / "cells.yaml")
    assert [t.name for _, t in grid.finetune] == ["finetune last-n conv", "finetune frozen linear"]
    first = run(grid, cache)
    assert not first.failures
    assert [r.task for r in first.results] == ["segmentation"] * 2
    assert first.results[0].params["decoder.width"] == 4
    assert first.results[1].params["loss"] == "ce"
    again = run(grid, cache)
    assert (again.ran, again.there) == (0, 2)
    assert [r.id for r in again.results] == [r.id for r in first.results]
