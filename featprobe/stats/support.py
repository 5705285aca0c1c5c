"""How many patients a metric depends on: the sample size of its interval where no error is seen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from featprobe.metrics.curve import operating
from featprobe.metrics.item_scores import ItemScores
from featprobe.metrics.operating_point import OperatingPoint
from featprobe.stats.score import area_variance

AREAS = ("auroc", "auroc_ovo", "auroc_weighted")
OF_ITEMS = ("top5", "subset_accuracy", "precision_weighted", "recall_weighted", "f1_weighted")


class Support:
    """Number of patients in each class of a set of scored items.

    ``positive`` (C,): patients with an item of each class (label), ``negative`` (C,): with one
    that is known not to be of it, ``items`` (C,): positive items. A macro metric is over the
    classes that are there; of a class without patients nothing is known.
    """

    def __init__(self, scored: ItemScores) -> None:
        self.patients = scored.patients
        self.several = scored.y.ndim == 2  # labels that are independent of each other
        self._classes = scored.tries[0].shape[1] if len(scored.tries) else 0
        self._y = y = scored.y
        code, n = scored.code, self._classes
        if self.several:
            counted = [[_patients(code, column == side) for column in y.T] for side in (1, 0)]
            self.positive, self.negative = np.array(counted).reshape(2, n)
            self.items = (y == 1).sum(0)
            return
        pairs = np.unique(code.astype(np.int64) * n + y)  # which patient has which class
        owner, of = pairs // max(n, 1), pairs % max(n, 1)
        self.positive = np.bincount(of, minlength=n)
        alone = np.bincount(owner, minlength=self.patients)[owner] == 1  # has no other class
        self.negative = self.patients - np.bincount(of[alone], minlength=n)
        self.items = np.bincount(y, minlength=n)

    @classmethod
    def of(cls, scored: ItemScores) -> Support | None:
        """Count the patients of scored items; None for regression and segmentation."""
        return None if scored.task in ("regression", "segmentation") else cls(scored)

    def both(self, column: int | None) -> int:
        """Patients of the rarer side: of one class, or of the class with the fewest of those there.

        A class that all items are of, or none, has no curve and does not count; 0 without any.
        """
        fewer = np.minimum(self.positive, self.negative)
        if column is not None:
            return int(fewer[column])
        return int(fewer[fewer > 0].min(initial=self.patients)) if (fewer > 0).any() else 0

    def lacks(self, column: int | None) -> bool:
        """Whether nobody is of a class (label), or everybody; None: all items are of one class.

        A mean over more classes is over those that are there.
        """
        return (column is not None or not self.several) and self.both(column) == 0

    def bearing(self, base: str, column: int | None) -> float:
        """The number of independent trials that the metric would have if each patient were one.

        That is 1 / d, where d is how much the metric falls by one patient's error: of a recall the
        patients of the class; of F1 twice as many, because an error is one of two in the
        denominator. Of a mean over classes it is the error that costs most, which is in the
        rarest class; errors in several labels are taken to fall on the same patients.
        """
        if operating(base):
            return self.both(column) / 2
        if base in OF_ITEMS:  # right or wrong of whole items, each patient as often as it is there
            rare = self.several and base.endswith("_weighted")  # of positives, which may be few
            return float(min(self.patients, self.positive.sum()) if rare else self.patients)
        each = self._each(base)
        if base in OperatingPoint.NAMES and not self.several:  # of the second of two classes
            column = 1
        if column is not None:
            return float(max(each[column], 1.0))
        there = each[each > 0]
        if base == "accuracy" and not self.several:
            return float(self.patients)
        if not len(there):
            return 1.0
        if self.several:
            return float(len(there) / (1 / there).sum())
        rarest = np.sort(there)[:2]
        if base == "f1":  # an error is one of two classes
            return float(2 * len(there) / (2 / rarest).sum()) if len(rarest) > 1 else rarest[0]
        return float(len(there) * rarest[0])

    def seen(self, base: str, column: int | None) -> float:
        """Trials in which an error could have been seen: of labels, those of all together."""
        if base in AREAS and (column is not None or not self.several):
            return float(self.both(column))
        if column is None and self.several and not operating(base) and base not in OF_ITEMS:
            return float(self._each(base).sum())
        return self.bearing(base, column)

    def _each(self, base: str) -> np.ndarray:
        """(C,) trials of each class."""
        a, b = self.positive.astype(float), self.negative.astype(float)
        rarer = np.minimum(a, b)
        known = np.minimum(a + b, self.patients)
        return {
            **dict.fromkeys(AREAS, rarer),
            **dict.fromkeys(("precision", "recall"), a),
            "accuracy": known if self.several else np.full(len(a), float(self.patients)),
            "balanced_accuracy": 2 * rarer if self.several else a,
            "f1": 2 * a,
            "ap": a,
            # of errors among all who are (not) said to be positive there are at most so many
            **dict.fromkeys(("sensitivity", "ppv"), a),
            **dict.fromkeys(("specificity", "npv"), b),
            "f1_at_threshold": 2 * a,
        }[base]

    def disagreement(self, square: bool) -> float:
        """Expected distance of two items drawn apart: of classes 0 or 1, ``square``: of indices.

        The denominator of (quadratic) kappa where decisions are as frequent as classes.
        """
        share = np.bincount(self._y, minlength=self._classes) / len(self._y)
        if not square:
            return float(1 - (share**2).sum())
        at = np.arange(len(share))
        return float(2 * ((at**2 * share).sum() - (at * share).sum() ** 2))

    def area(self, column: int | None) -> Callable[[float], float]:
        """Variance of an AUROC if each patient were one item (:func:`area_variance`).

        Of a mean over classes: as if all their areas moved together, which two classes do.
        """
        there = (self.positive > 0) & (self.negative > 0)
        if column is not None:
            there &= np.arange(len(there)) == column
        a, b = self.positive[there].astype(float), self.negative[there].astype(float)

        def variance(area: float) -> float:
            return float(np.sqrt(area_variance(area, a, b)).mean() ** 2)

        return variance


def _patients(code: np.ndarray, which: np.ndarray) -> int:
    return len(np.unique(code[which]))
