"""Metrics of class scores, computed for many weightings of the samples at once.

Every function takes ``weights`` (B, N) of counts or ones and returns (B,): one bootstrap of B
resamples is one call. With a row of ones the values equal scikit-learn's. A class that is absent
under a weighting is left out of its mean; where nothing is left the value is NaN.
"""

from __future__ import annotations

import warnings

import numpy as np

from featprobe.errors import InputError

NAMES = ("auroc", "accuracy", "balanced_accuracy", "f1")
PAIRS = 4_000_000  # of a positive and a negative: beyond, ranks cost less memory


def auroc(positive: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Area under the ROC curve of one binary problem, ties counted half (Mann-Whitney).

    ``positive`` (N,) bool, ``score`` (N,), or (T, N) for the mean over T tries. NaN where one of
    the classes has no weight.
    """
    scores = np.atleast_2d(score)
    w = np.asarray(weights, dtype=np.float64)
    n_pairs = int(positive.sum()) * int((~positive).sum())
    if len(scores) > 1 and n_pairs <= PAIRS:
        return _auroc_by_pairs(positive, scores, w)
    return np.mean([_auroc_by_rank(positive, s, w) for s in scores], axis=0)


def macro_auroc(y: np.ndarray, p: np.ndarray) -> float:
    """Mean AUROC of classes (one-vs-rest) or of labels, over those where it is defined.

    ``y``, ``p``: as in :func:`compute`. NaN where none is.
    """
    truth = y if y.ndim == 2 else (y[:, None] == np.arange(p.shape[1])).astype(float)
    areas = []
    for t, s in zip(truth.T, p.T):
        known = ~np.isnan(t)
        positive = t[known] == 1
        if positive.any() and not positive.all():
            areas.append(float(auroc(positive, s[known], np.ones((1, len(positive))))[0]))
    return float(np.mean(areas)) if areas else float("nan")


def _auroc_by_rank(positive: np.ndarray, score: np.ndarray, w: np.ndarray) -> np.ndarray:
    order = np.argsort(score, kind="stable")
    ordered = score[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    w = w[:, order]
    is_positive = positive[order]
    pos = np.add.reduceat(w * is_positive, starts, axis=1)
    neg = np.add.reduceat(w * ~is_positive, starts, axis=1)
    below = np.cumsum(neg, axis=1) - neg
    with np.errstate(invalid="ignore", divide="ignore"):
        return (pos * (below + neg / 2)).sum(1) / (pos.sum(1) * neg.sum(1))


def _auroc_by_pairs(positive: np.ndarray, scores: np.ndarray, w: np.ndarray) -> np.ndarray:
    """The mean over tries is one bilinear form in the weights: who wins each pair, how often."""
    wins = np.zeros((int(positive.sum()), int((~positive).sum())))
    for s in scores:
        high, low = s[positive][:, None], s[~positive]
        wins += (high > low) + 0.5 * (high == low)
    pos, neg = w[:, positive], w[:, ~positive]
    with np.errstate(invalid="ignore", divide="ignore"):
        return ((pos @ wins) * neg).sum(1) / (len(scores) * pos.sum(1) * neg.sum(1))


def _mean(columns: list[np.ndarray]) -> np.ndarray:
    """Mean over classes, the undefined left out; of (B,) or (T, B) columns, then over tries."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # all NaN: the mean is NaN
        over_classes = np.nanmean(np.stack(columns), axis=0)
    return over_classes if over_classes.ndim == 1 else over_classes.mean(0)


def _ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(bottom > 0, top / bottom, np.nan)


def _multiclass(y: np.ndarray, p: np.ndarray, w: np.ndarray) -> dict[str, np.ndarray]:
    guess = p.argmax(2)  # (T, N)
    recall, f1, area = [], [], []
    for c in range(p.shape[2]):
        truth, said = y == c, guess == c
        n_true, n_said, both = w @ truth, said @ w.T, (truth & said) @ w.T
        recall.append(_ratio(both, np.broadcast_to(n_true, both.shape)))
        f1.append(_ratio(2 * both, n_true + n_said))
        if truth.any() and not truth.all():
            area.append(auroc(truth, p[:, :, c], w))
    return {
        "auroc": _mean(area) if area else np.full(len(w), np.nan),
        "accuracy": _ratio((guess == y) @ w.T, w.sum(1)[None]).mean(0),
        "balanced_accuracy": _mean(recall),
        "f1": _mean(f1),
    }


def _multilabel(y: np.ndarray, p: np.ndarray, w: np.ndarray) -> dict[str, np.ndarray]:
    columns: dict[str, list[np.ndarray]] = {n: [] for n in NAMES}
    for c in range(p.shape[2]):
        known = ~np.isnan(y[:, c])
        truth, score, v = y[known, c] == 1, p[:, known, c], w[:, known]
        if not len(truth):
            continue
        said = score >= 0.5
        hit, n_true, n_said = (truth & said) @ v.T, v @ truth, said @ v.T
        miss = (~truth & ~said) @ v.T
        columns["auroc"].append(
            auroc(truth, score, v) if truth.any() and not truth.all() else np.full(len(w), np.nan)
        )
        columns["accuracy"].append(_ratio((truth == said) @ v.T, v.sum(1)[None]))
        recalls = [_ratio(hit, n_true[None]), _ratio(miss, (v @ ~truth)[None])]
        columns["balanced_accuracy"].append(_label_mean(recalls))
        columns["f1"].append(_ratio(2 * hit, n_true + n_said))
    return {n: _mean(v) if v else np.full(len(w), np.nan) for n, v in columns.items()}


def _label_mean(recalls: list[np.ndarray]) -> np.ndarray:
    """Mean of sensitivity and specificity (T, B), of the one that is defined where one is not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.nanmean(np.stack(recalls), axis=0)


def compute(
    task: str, y: np.ndarray, p: np.ndarray, weights: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """All metrics of a task: name -> (B,).

    ``p`` is (N, C), or (T, N, C) for the mean over T tries.
    multiclass, ordinal: ``y`` (N,) class indices, ``p`` (N, C) scores; AUROC is one-vs-rest, its
    mean and those of recall and F1 unweighted over the classes present (F1: true or predicted).
    multilabel: ``y`` (N, C) of 0, 1, NaN, ``p`` (N, C); each label over its known samples, labels
    averaged, decisions at 0.5.
    """
    w = np.ones((1, len(y))) if weights is None else np.asarray(weights, dtype=np.float64)
    p = p[None] if p.ndim == 2 else p
    if task in ("multiclass", "ordinal"):
        return _multiclass(y, p, w)
    if task == "multilabel":
        return _multilabel(y, p, w)
    raise InputError(f"no metrics for task {task!r}")


def chance(task: str, y: np.ndarray, classes: int) -> dict[str, float]:
    """What a predictor reaches that always says the most frequent class (label value) of ``y``."""
    if task in ("multiclass", "ordinal"):
        share = np.bincount(y, minlength=classes)[:classes] / len(y)
        present = int((share > 0).sum())
        top = float(share.max())
        return {
            "auroc": 0.5, "accuracy": top, "balanced_accuracy": 1 / present,
            "f1": 2 * top / (1 + top) / present,
        }  # fmt: skip
    rate = np.array([np.nanmean(c) for c in y.T if not np.isnan(c).all()])
    f1 = np.where(rate > 0.5, 2 * rate / (1 + rate), 0.0)
    return {
        "auroc": 0.5, "accuracy": float(np.maximum(rate, 1 - rate).mean()),
        "balanced_accuracy": 0.5, "f1": float(f1.mean()),
    }  # fmt: skip
