"""What the fits of a run have in common, and what becomes one Result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from featprobe.core.stopwatch import spent
from featprobe.segmentation.decoders.base import Decoder, Trained
from featprobe.segmentation.fitted import Fitted, Networks, OnVal, Solved, look, segmented
from featprobe.segmentation.items import MaskedItems
from featprobe.segmentation.scores import mask_scores
from featprobe.segmentation.training import Training, train


@dataclass
class Outcome:
    """What becomes one Result: ``scores`` (n, C * 8) of each try and the test ``rows`` of it, all
    ``params``, which of them val ``chosen``, and by what (``val``); ``kept``: what was fitted with
    the first seed, where there is one fit."""

    scores: list[np.ndarray]
    rows: list[np.ndarray]
    chosen: dict[str, Any]
    fitted: int
    val: dict[str, float] = field(default_factory=dict)
    shots: int | None = None
    seconds: float = 0.0
    trainable: int = 0
    spread: list[np.ndarray] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    draws: list[np.ndarray] = field(default_factory=list)
    kept: Fitted | None = None


@dataclass(frozen=True)
class Work:
    """What all fits of a run have in common."""

    decoder: Decoder
    items: MaskedItems
    training: Training
    seeds: tuple[int, ...] = (0,)
    select: str = "dice"
    refit: bool = False
    device: str = "auto"
    progress: Any = False

    def learn(self, rows: np.ndarray, training: Training | None = None) -> list[Fitted]:
        """A Fitted for each seed, with the same candidates."""
        t, kind = training or self.training, self.decoder
        if isinstance(kind, Solved):
            return [kind.fit(self.items, rows, seed) for seed in self.seeds]
        assert isinstance(kind, Trained)
        networks = train(
            kind, self.items, rows, t, self.seeds, device=self.device, progress=self.progress
        )
        candidates = [{"lr": r} for r in t.lr]
        n = len(candidates)
        return [
            Networks(kind, networks[s * n : (s + 1) * n], candidates, self.items.multilabel, [])
            for s in range(len(self.seeds))
        ]

    def choose(self, fitted: Sequence[Fitted], val: np.ndarray) -> tuple[int, dict[str, float]]:
        """The candidate that is best on val, over all seeds, and how it did there."""
        with spent("validation"):
            looked = [look(one, self.items, val) for one in fitted]
        over = OnVal(*(np.mean([getattr(v, n) for v in looked], 0) for n in ("dice", "loss")))
        best = over.best(self.select)
        return best, {"dice": float(over.dice[best]), "log_loss": float(over.loss[best])}

    def scores(self, fitted: Fitted, rows: np.ndarray) -> np.ndarray:
        """(n, C * 8) of the only candidate on test items."""
        found = []
        for i in rows:
            with spent("reading masks"):
                truth = self.items.tokens.mask(int(i))
            with spent("prediction"):
                predicted = segmented(fitted, self.items, int(i))
            with spent("distances"):
                found.append(
                    mask_scores(
                        predicted, truth.values, truth.spacing, len(self.items.classes)
                    ).ravel()
                )
        return np.stack(found)
