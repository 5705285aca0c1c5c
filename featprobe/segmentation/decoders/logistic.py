"""Logistic regression on patches: a convex problem, solved at once for a whole path of C."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from featprobe.core.errors import InputError
from featprobe.images.grids import VOID
from featprobe.probes.standardizer import Standardizer
from featprobe.segmentation.decoders.base import Network, Shape
from featprobe.segmentation.decoders.linear import LinearNetwork
from featprobe.segmentation.fitted import Networks, Solved
from featprobe.segmentation.items import MaskedItems
from featprobe.segmentation.patches import gather
from featprobe.solvers.logistic import logistic_path

_CUTS = (0.125, 0.375, 0.625, 0.875)  # of shares of a label in a patch
_NEVER = -30.0  # the logit of a class that no training patch has


@dataclass(frozen=True)
class LogisticDecoder(Solved):
    """L2-regularised logistic regression of the classes in each patch, bilinear above it.

    A patch counts for each class by the share of its cells that are of it, to a quarter of
    multi-label masks, each of whose labels has a sigmoid. ``Cs``: val chooses; ``most``: patches
    that are drawn of the training items, half of them with foreground, each weighted by how many it
    stands for. No epochs, no learning rate. ``background``: what the odds of background, or of what
    is not of a label, are multiplied with, of which val chooses too, since the most probable class
    is not the decision with the best Dice.
    """

    name: ClassVar[str] = "logistic"
    Cs: tuple[float, ...] = (1e-4, 1e-2, 1.0)
    background: tuple[float, ...] = (1.0, 0.5, 0.35, 0.25, 0.15, 0.1)
    most: int = 30_000
    blocks: int = 1

    def check(self) -> None:
        values = (*self.Cs, *self.background, self.most, self.blocks)
        if not self.Cs or not self.background or min(values) <= 0:
            raise InputError("Cs, background, most and blocks of decoder logistic must be positive")

    def fit(self, items: MaskedItems, rows: np.ndarray, seed: int) -> Networks:
        found = gather(items, self, rows, self.most, seed)
        scale = Standardizer.of(found.x)
        x, k = scale(found.x), len(items.classes)
        if items.multilabel:
            place, y, part = _steps(found.labels)
            codes, x, weight = np.arange(k), x[place], found.weight[place] * part
        else:
            place, label, share = _shares(found.labels, k)
            codes, y = np.unique(label, return_inverse=True)
            x, weight = x[place], found.weight[place] * share
            if len(codes) < 2:
                raise InputError(
                    f"{items.tokens.dataset}: the training patches are of one class only "
                    f"({items.classes[codes[0]]})"
                )
        path = logistic_path(x, y, list(self.Cs), sample_weight=weight / weight.mean())
        coef, intercept = path.coef / scale.scale, path.intercept
        intercept = intercept - coef @ scale.mean
        if not items.multilabel and len(codes) == 2:
            coef = np.concatenate([-coef, coef], 1) / 2
            intercept = np.concatenate([-intercept, intercept], 1) / 2
        networks: list[Network] = []
        for w, b, factor in ((*pair, f) for pair in zip(coef, intercept) for f in self.background):
            network = _linear(items.shape(self))
            with torch.no_grad():
                network.linear.weight.zero_()
                network.linear.bias.fill_(_NEVER)
                network.linear.weight[codes] = torch.from_numpy(w).float()
                network.linear.bias[codes] = torch.from_numpy(b).float()
                if items.multilabel:
                    network.linear.bias.sub_(math.log(factor))
                else:
                    network.linear.bias[0] += math.log(factor)
            networks.append(network.eval())
        lost = int((~path.converged).sum())
        notes = [f"logistic fits of {lost} values of C did not converge"] if lost else []
        if found.of > len(found.x):
            notes.append(f"fitted to {len(found.x)} of {found.of} patches of the training items")
        candidates = [{"C": c, "background": f} for c in self.Cs for f in self.background]
        return Networks(self, networks, candidates, items.multilabel, notes)

    def restored(
        self, shape: Shape, arrays: dict[str, np.ndarray], candidate: dict[str, Any],
        multilabel: bool,
    ) -> Networks:  # fmt: skip
        network = _linear(shape).eval()
        network.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in arrays.items()})
        return Networks(self, [network], [candidate], multilabel, [])


def _linear(shape: Shape) -> LinearNetwork:
    return LinearNetwork(shape, norm=False)


def _steps(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Patch, labels (R, K) of 0, 1 and NaN, and weight of rows whose weighted mean is the share of
    each label in a patch, rounded to a quarter; NaN where no cell is known."""
    flat = labels.reshape(*labels.shape[:2], -1)
    known = flat != VOID
    some = known.any(2)
    share = np.where(some, (flat == 1).sum(2) / np.maximum(known.sum(2), 1), np.nan)
    mixed = ((share > 0) & (share < 1)).any(1)
    whole, split = np.flatnonzero(~mixed), np.repeat(np.flatnonzero(mixed), len(_CUTS))
    above = share[split] > np.tile(_CUTS, int(mixed.sum()))[:, None]
    above = np.where(np.isnan(share[split]), np.nan, above)
    weight = np.r_[np.ones(len(whole)), np.full(len(split), 1 / len(_CUTS))]
    return np.r_[whole, split], np.concatenate([share[whole], above]), weight


def _shares(labels: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Patch, class and share of the known cells, for each class that is in a patch."""
    flat = labels.reshape(len(labels), -1)
    count = np.stack([(flat == c).sum(1) for c in range(classes)], 1)
    place, label = np.nonzero(count)
    return place, label, count[place, label] / count[place].sum(1)


DECODER = LogisticDecoder
