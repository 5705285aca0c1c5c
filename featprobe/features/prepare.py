"""What is done to features before a probe sees them: unit length, principal components."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from featprobe.core.errors import InputError
from featprobe.core.numeric import unit_rows
from featprobe.solvers.eigenbasis import covariance_basis


@dataclass(frozen=True)
class Prepare:
    """``normalize``: rows (N, D) are scaled to unit length. ``pca``: then projected to that many
    principal components of the rows that are fitted, which are not whitened.
    """

    normalize: bool = False
    pca: int | None = None

    def __post_init__(self) -> None:
        if self.pca is not None and self.pca < 1:
            raise InputError(f"--pca {self.pca}: a probe needs at least one component")

    def to_dict(self) -> dict[str, Any]:
        """What is not the default, as JSON values."""
        return {k: v for k, v in asdict(self).items() if v}

    def fitted(self, x: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """The function that prepares rows, learnt from ``x`` (N, D).

        Raises :class:`InputError` for more components than features or rows.
        """
        if not self.to_dict():
            return lambda rows: rows
        if not isinstance(x, np.ndarray):
            raise InputError("--normalize and --pca prepare rows, not the frames of a bag")
        if self.pca is None:
            return unit_rows
        if self.pca > min(x.shape):
            raise InputError(
                f"--pca {self.pca}: {len(x)} items of {x.shape[1]} features have at most "
                f"{min(x.shape)} components"
            )
        first = unit_rows if self.normalize else np.asarray
        mean, _, vectors = covariance_basis(first(x))
        axes = vectors[:, : self.pca].astype(np.float32)
        if not axes.shape[1]:
            raise InputError(
                f"--pca {self.pca}: the {len(x)} items to be fitted have the same features, so "
                "there is no component; look at them with 'featprobe data check'"
            )
        return lambda rows: (first(rows) - mean.astype(np.float32)) @ axes
