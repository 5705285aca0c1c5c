"""Metrics of decisions and of probabilities: ratios of sums over items."""

from __future__ import annotations

import numpy as np

from featprobe.metrics.sums import Sums, nan_mean, ratio, weighted_mean

BINS = 15  # of the expected calibration error
TOP = 5  # classes that top-5 looks at


class Multiclass:
    """Decisions (highest score) and probabilities of classes.

    ``y`` (N,) class indices, ``p`` (N, C). Called with counts (G, B) it gives (B,) values, and
    (C, B) for what is averaged over classes (precision, recall, F1).

    ``precision``, ``recall`` and ``f1`` of a class are 0 where it is only true or only predicted
    (scikit-learn's default), and left out where it is neither; ``_weighted`` is their mean by how
    often each class is true. ``top5``: how often the true class is among the five highest scores,
    of equal ones the later class as in scikit-learn's ``top_k_accuracy_score``.

    ``kappa``: Cohen 1960; ``quadratic_kappa``: Cohen 1968 with squared distances of class indices.
    ``ece``: Guo et al. 2017, the highest probability against how often it is right, in 15 bins of
    equal width. ``brier``: mean over samples of the squared distance of the probabilities to the
    truth, summed over classes (0 .. 2); of two classes half of it, which is the binary score.
    """

    def __init__(self, y: np.ndarray, p: np.ndarray, code: np.ndarray, groups: int) -> None:
        n, classes = p.shape
        guess = p.argmax(1)
        hit = np.flatnonzero(guess == y)
        self._at = np.arange(classes, dtype=np.float64)
        self._sums = sums = Sums(code, groups)
        sums.add("true", row=y, rows=classes)
        sums.add("said", row=guess, rows=classes)
        sums.add("both", row=y[hit], rows=classes, sample=hit)
        sums.add("square", (guess - y).astype(np.float64) ** 2)
        first = np.argsort(p, axis=1, kind="stable")[:, ::-1][:, :TOP]
        sums.add("top", (first == y[:, None]).any(1))
        error = ((p - np.eye(classes)[y]) ** 2).sum(1)
        sums.add("brier", error / 2 if classes == 2 else error)
        sure = p[np.arange(n), guess]
        sums.add("gap", (guess == y) - sure, row=bin_of(sure), rows=BINS)

    def __call__(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        s = self._sums(counts)
        true, predicted, both, square = s["true"], s["said"], s["both"], s["square"][0]
        n = true.sum(0)
        at = self._at[:, None]
        agreed = ratio((true * predicted).sum(0), n**2)
        # the mean square distance of a truth and a decision drawn apart from each other
        product = (at * true).sum(0) * (at * predicted).sum(0)
        apart = (at**2 * (true + predicted)).sum(0) - 2 * ratio(product, n)
        return {
            "accuracy": ratio(both.sum(0), n),
            "balanced_accuracy": ratio(both, true),
            "f1": ratio(2 * both, true + predicted),
            "kappa": ratio(ratio(both.sum(0), n) - agreed, 1 - agreed),
            "quadratic_kappa": 1 - ratio(square, apart),
            "ece": ratio(np.abs(s["gap"]).sum(0), n),
            "brier": ratio(s["brier"][0], n),
            "top5": ratio(s["top"][0], n),
            **averaged(true, predicted, both),
        }


def averaged(true: np.ndarray, predicted: np.ndarray, both: np.ndarray) -> dict[str, np.ndarray]:
    """Precision and recall (C, B) of classes, and means by how often each is true (B,).

    ``true``, ``predicted``, ``both``: (C, B) how often it is so.
    """
    there = true + predicted > 0
    precision = np.where(there, both / np.maximum(predicted, _LEAST), np.nan)
    recall = np.where(there, both / np.maximum(true, _LEAST), np.nan)
    of = {"precision": precision, "recall": recall, "f1": ratio(2 * both, true + predicted)}
    means = {f"{n}_weighted": weighted_mean(v, true) for n, v in of.items()}
    return {"precision": precision, "recall": recall, **means}


class Multilabel:
    """Decisions (at 0.5) and probabilities of independent labels, each over its known items.

    ``y`` (N, C) of 0, 1, NaN, ``p`` (N, C). Called with counts (G, B) it gives (C, B) values.
    Balanced accuracy is the mean of sensitivity and specificity, or the one that is defined.
    ``ece``: in 15 bins of equal width of the probability, against the share of positives in it.
    ``precision``, ``recall``: as of :class:`Multiclass`, a label that is neither true nor predicted
    is left out. ``subset_accuracy`` (B,): how often all known labels of an item are right.
    """

    def __init__(self, y: np.ndarray, p: np.ndarray, code: np.ndarray, groups: int) -> None:
        self._labels = labels = y.shape[1]
        sample, label = np.nonzero(~np.isnan(y))
        truth, score = y[sample, label] == 1, p[sample, label]
        predicted = score >= 0.5
        self._sums = Sums(code, groups)
        for name, value in (
            ("known", np.ones(len(truth))), ("true", truth), ("said", predicted), ("both", truth &
            predicted), ("brier", (score - truth) ** 2),
        ):  # fmt: skip
            self._sums.add(name, value, row=label, rows=labels, sample=sample)
        known = np.flatnonzero((~np.isnan(y)).any(1))
        wrong = ~np.isnan(y[known]) & ((p[known] >= 0.5) != (y[known] == 1))
        self._sums.add("items", sample=known)
        self._sums.add("whole", ~wrong.any(1), sample=known)
        cell = label * BINS + bin_of(score)
        self._sums.add("gap", truth - score, row=cell, rows=labels * BINS, sample=sample)

    def __call__(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        s = self._sums(counts)
        known, true, predicted, both = s["known"], s["true"], s["said"], s["both"]
        rejected = known - true - predicted + both
        recalls = np.stack([ratio(both, true), ratio(rejected, known - true)])
        gap = np.abs(s["gap"]).reshape(self._labels, BINS, -1).sum(1)
        return {
            "accuracy": ratio(both + rejected, known),
            "balanced_accuracy": nan_mean(recalls),
            "f1": ratio(2 * both, true + predicted),
            "ece": ratio(gap, known),
            "brier": ratio(s["brier"], known),
            "subset_accuracy": ratio(s["whole"][0], s["items"][0]),
            **averaged(true, predicted, both),
        }


_LEAST = 1e-300  # in place of 0 below a fraction whose top is 0, too
_EDGES = np.arange(BINS + 1) / BINS


def bin_of(p: np.ndarray) -> np.ndarray:
    """The bin of each probability: (low, high] of equal width, the first with its lower edge.

    By comparison with the edges: a product would put 0.6 above 9/15.
    """
    return np.clip(np.searchsorted(_EDGES, p, side="left") - 1, 0, BINS - 1)
