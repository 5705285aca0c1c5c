"""A folder of small volumes with masks."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np


def boxes(root: Path, shape: tuple[int, int, int], affine: np.ndarray, below: int) -> None:
    """``images`` and ``labels`` of twelve volumes, in each a bright box of nine voxels a side that
    begins at ``below`` at most."""
    rng = np.random.default_rng(0)
    for part in ("images", "labels"):
        (root / part).mkdir(parents=True)
    for i in range(12):
        image, mask = rng.normal(100, 5, shape), np.zeros(shape, np.uint8)
        x, y = rng.integers(2, below, 2)
        mask[x : x + 9, y : y + 9] = 1
        image[mask == 1] += 100
        for part, values in (("images", image.astype(np.float32)), ("labels", mask)):
            made = nibabel.Nifti1Image(values, affine)
            nibabel.save(made, root / part / f"case_{i:02d}.nii.gz")
