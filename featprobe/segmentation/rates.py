"""Learning rates beyond the end of a grid, where the best is at its end."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from featprobe.segmentation.decoders.base import Trained
from featprobe.segmentation.fitted import Fitted, Networks
from featprobe.segmentation.work import Work

MOST = 2  # rates that are added


@dataclass(frozen=True)
class Chosen:
    """What val chose: the ``best`` candidate of ``fitted`` (one a seed), what it reached there, and
    ``notes`` on the end of the grid."""

    fitted: list[Fitted]
    best: int
    val: dict[str, float]
    notes: list[str]


def choose(work: Work, fitted: list[Fitted], train: np.ndarray, val: np.ndarray) -> Chosen:
    """Let ``val`` choose among the candidates that were fitted to ``train``, one a seed.

    Where the best learning rate is the first or last of the decoder's own grid, at most
    :data:`MOST` more are trained beyond that end, as long as each is better; of a grid that was
    given a note says so instead.
    """
    best, reached = work.choose(fitted, val)
    out = Chosen(fitted, best, reached, [])
    if not isinstance(work.decoder, Trained) or len(work.training.lr) < 2:
        return out
    rates = work.training.lr
    if rates[best] not in (min(rates), max(rates)):
        return out
    if rates != work.decoder.rates:
        end = "smallest" if rates[best] == min(rates) else "largest"
        told = f"the best lr {rates[best]:g} is the {end} that was tried: others may be better"
        return replace(out, notes=[told])
    way = 1 if rates[best] == max(rates) else -1
    rate, added = rates[best], list[str]()
    for _ in range(MOST):
        rate = beyond(rate, way)
        more = work.learn(train, replace(work.training, lr=(rate,)))
        _, val_of = work.choose(more, val)
        added.append(f"{rate:g}")
        if not _better(val_of, out.val, work.select):
            break
        out = Chosen([_joined(a, b) for a, b in zip(out.fitted, more)], 0, val_of, [])
        out = replace(out, best=len(out.fitted[0].candidates) - 1)
    told = f"the best lr was at the end of the grid, and {', '.join(added)} were tried too"
    return replace(out, notes=[told])


def beyond(rate: float, way: int) -> float:
    """The next of 1, 3, 10, 30, ... above (``way`` 1) or below (-1)."""
    return float(f"{10 ** ((round(2 * math.log10(rate)) + way) / 2):.1g}")


def _better(new: dict[str, float], old: dict[str, float], select: str) -> bool:
    if select == "dice":
        return new["dice"] > old["dice"]
    return new["log_loss"] < old["log_loss"]


def _joined(a: Fitted, b: Fitted) -> Networks:
    assert isinstance(a, Networks)
    assert isinstance(b, Networks)
    return replace(a, networks=a.networks + b.networks, candidates=a.candidates + b.candidates)
