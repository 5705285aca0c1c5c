"""The mean of several scores under weights, and weights that validation scores choose.

Chosen weights (at least 0, of sum 1) have the least loss of the weighted mean on val: log loss, of
labels over all that are known, of values the squared error. It is convex in the weights for both
ways of averaging (a logarithm of a mean; a log-sum-exp of a mean), so there is one least value. Of
folds and of few-shot tries each has weights of its own, by its own val: the val of one fold is
tested in another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from featprobe.core.errors import InputError
from featprobe.core.numeric import sigmoid, softmax
from featprobe.evaluation.results import Result
from featprobe.evaluation.val_scores import val_scored
from featprobe.leaderboard.kept_scores import called
from featprobe.metrics.item_scores import ItemScores
from featprobe.probes.selection import log_loss

EQUAL, ON_VAL = "equal", "val"
LEAST = 1e-6  # of a probability before its logarithm is taken
PLACES = 4  # to which chosen weights are kept: more says nothing, and the record is what was used


@dataclass(frozen=True)
class Weights:
    """``each``: (tries, members), or (1, members) of all tries; ``by``: how they came about.

    Of chosen ones ``items`` of val, their ``loss`` there, and that of ``equal`` weights."""

    each: np.ndarray
    by: str
    items: int = 0
    loss: float = np.nan
    equal: float = np.nan

    @property
    def recorded(self) -> list[float] | list[list[float]]:
        """As plain values: one row where all tries have the same."""
        rows: list[list[float]] = self.each.tolist()
        return rows[0] if len(rows) == 1 else rows

    def of(self, t: int) -> np.ndarray:
        """(members,) those of a try."""
        return np.asarray(self.each[t if len(self.each) > 1 else 0])


def read_weights(given: str | Sequence[float | str], members: int) -> str | tuple[float, ...]:
    """``equal``, ``val``, or a number for each member, brought to the sum 1.

    Raises :class:`InputError` for other words, another count, and what is no weight.
    """
    words = [given] if isinstance(given, str) else list(given)
    if len(words) == 1 and words[0] in (EQUAL, ON_VAL):
        return str(words[0])
    try:
        w = np.array([float(v) for v in words])
    except ValueError:
        raise InputError(
            f"weights are {EQUAL}, {ON_VAL} (chosen on validation scores), or a number for each "
            f"member, not {' '.join(map(str, words))}"
        ) from None
    if len(w) != members:
        raise InputError(f"{len(w)} weights for {members} members: give one for each, in order")
    if not np.isfinite(w).all() or (w < 0).any() or not w.any():
        said = " ".join(map(str, words))
        raise InputError(f"weights are numbers of at least 0, not all of them 0: not {said}")
    return tuple((w / w.sum()).tolist())


def combined(task: str, p: np.ndarray, combine: str, w: np.ndarray) -> np.ndarray:
    """(N, C) of scores (members, N, C) under weights (members,) of sum 1."""
    if task == "regression" or combine == "probabilities":
        return np.tensordot(w, p, 1)
    log = np.log(np.clip(p, LEAST, 1))
    if task == "multilabel":
        return np.asarray(sigmoid(np.tensordot(w, log - np.log(np.clip(1 - p, LEAST, 1)), 1)))
    return np.asarray(softmax(np.tensordot(w, log, 1)))


def on_val(cache: Path, members: Sequence[Result], combine: str, tries: int) -> Weights:
    """The weights that the members' kept validation scores choose.

    Raises :class:`InputError` where a member has none, saying what to run again, and where they are
    of other items, labels or folds.
    """
    several = [_read(cache, r) for r in members]
    first = several[0]
    if len(first.tries) not in (1, tries):
        raise InputError(f"{called(members[0])}: {len(first.tries)} parts of val for {tries} tries")
    found, losses, equals = [], [], []
    for t in range(len(first.tries)):
        p, y = _aligned(several, members, t)
        even = np.full(len(members), 1 / len(members))
        w = _least(first.task, p, y, combine, even)
        found.append(w)
        losses.append(log_loss(combined(first.task, p, combine, w), y))
        equals.append(log_loss(combined(first.task, p, combine, even), y))
    return Weights(
        np.stack(found), ON_VAL, len(first.ids), float(np.mean(losses)), float(np.mean(equals))
    )


def _read(cache: Path, r: Result) -> ItemScores:
    try:
        return val_scored(cache, r)
    except InputError as error:
        raise InputError(f"{called(r)}: {error}") from None


def _aligned(
    several: Sequence[ItemScores], members: Sequence[Result], t: int
) -> tuple[np.ndarray, np.ndarray]:
    """Scores (members, n, C) and targets (n,) or (n, C) of one try, in the order of the ids."""
    ids, y, out = None, None, []
    for scored, r in zip(several, members):
        alike = len(scored.tries) == len(several[0].tries)
        if alike:
            rows, p = scored.parts()[t]
            order = np.argsort(scored.ids[rows], kind="stable")
            mine, targets = scored.ids[rows][order], scored.y[rows][order]
            ids, y = (mine, targets) if ids is None else (ids, y)
            alike = np.array_equal(mine, ids) and np.array_equal(
                targets.astype(float), np.asarray(y, float), equal_nan=True
            )
        if not alike:
            raise InputError(
                f"{called(members[0])} and {called(r)} have validation scores of other items or "
                "labels, by which no weight can be chosen; give the weights"
            )
        out.append(p[order])
    return np.stack(out).astype(np.float64), np.asarray(y)


def _least(task: str, p: np.ndarray, y: np.ndarray, combine: str, even: np.ndarray) -> np.ndarray:
    """(members,) the weights of the least loss, rounded."""
    found = minimize(
        lambda w: log_loss(combined(task, p, combine, w / w.sum()), y), even, method="SLSQP",
        bounds=[(0, 1)] * len(p), constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        options={"ftol": 1e-10, "maxiter": 500},
    )  # fmt: skip
    w = np.round(np.clip(found.x, 0, 1), PLACES)
    return np.asarray(w / w.sum())
