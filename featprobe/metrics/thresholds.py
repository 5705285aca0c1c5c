"""Thresholds of decisions, chosen on validation data: of one of two classes, or of each label.

A probability of one half is the right threshold only where both kinds of mistake weigh the same and
probabilities are true. With 5 % positives it leaves most of them undetected; so a threshold is
chosen on val, never on test, and reported with what it gives on test.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from featprobe.core.errors import InputError
from featprobe.metrics.item_scores import ItemScores

YOUDEN, NONE = "youden", "none"


def rule_of(text: str | float) -> str:
    """Normalise the rule by which thresholds are chosen, as a Result records it.

    ``youden``: the largest sensitivity + specificity - 1 (Youden 1950); ``f1``: the largest F1;
    ``sens=0.95``: the highest threshold with at least that sensitivity, ``spec=0.95``: the lowest
    with at least that specificity; a number: that threshold; ``none``: no thresholds.

    Raises :class:`InputError` for anything else.
    """
    rule = str(text)
    name, sign, value = rule.partition("=")
    if rule in (YOUDEN, "f1", NONE):
        return rule
    try:
        number = float(value if sign else rule)
    except ValueError:
        number = np.nan
    if (name in ("sens", "spec") if sign else True) and 0 < number < 1:
        return f"{name}={number:g}" if sign else f"{number:g}"
    raise InputError(
        f"threshold {rule!r}: use youden, f1, sens=0.95, spec=0.95, a number between 0 and 1, or "
        "none"
    )


def has_thresholds(task: str, classes: int) -> bool:
    """Whether a task is decided by thresholds: two classes, or labels."""
    return task == "multilabel" or (task in ("multiclass", "ordinal") and classes == 2)


def idle(rule: str, decides: bool) -> list[str]:
    """Says that a rule that was asked for has no effect, where none is used."""
    if decides or rule in (YOUDEN, NONE):
        return []
    return [
        f"threshold={rule} has no effect: thresholds are of two classes and of labels, where val "
        "is looked at"
    ]


def chosen(rule: str, val: ItemScores) -> list[np.ndarray]:
    """Choose thresholds for each try: (1,) for the second of two classes, (C,) for labels.

    ``val``: the scored validation items, at the level at which decisions are read. NaN for what has
    items of one kind or one score only on val, where nothing can be chosen, unless the rule is a
    number.
    """
    out = []
    for rows, p in val.parts():
        y = val.y[rows]
        pairs = zip(y.T, p.T) if y.ndim == 2 else [((y == 1).astype(float), p[:, 1])]
        out.append(np.array([_threshold(rule, truth, score) for truth, score in pairs]))
    return out


def _threshold(rule: str, truth: np.ndarray, score: np.ndarray) -> float:
    """Halfway between two scores of val; of several equally good ones the middle one."""
    if rule[0].isdigit():
        return float(rule)
    known = ~np.isnan(truth) & np.isfinite(score)
    positive, score = truth[known] == 1, score[known]
    levels = np.unique(score)
    if not positive.any() or positive.all() or len(levels) == 1:
        return float("nan")
    cuts = np.r_[levels[0], (levels[1:] + levels[:-1]) / 2]
    # of values between neighbouring floats the mean may be the lower one, which counts as above
    cuts[1:] = np.where(cuts[1:] > levels[:-1], cuts[1:], levels[1:])
    pos, neg = np.sort(score[positive]), np.sort(score[~positive])
    hits = len(pos) - np.searchsorted(pos, cuts)
    alarms = len(neg) - np.searchsorted(neg, cuts)
    sensitivity, specificity = hits / len(pos), 1 - alarms / len(neg)
    name, _, value = rule.partition("=")
    if name == "sens":
        return float(cuts[sensitivity >= float(value) - 1e-12].max())
    if name == "spec":
        enough = cuts[specificity >= float(value) - 1e-12]
        return float(enough.min()) if len(enough) else float(np.nextafter(levels[-1], np.inf))
    merit = 2 * hits / (len(pos) + hits + alarms) if name == "f1" else sensitivity + specificity
    best = np.flatnonzero(merit >= merit.max() - 1e-12)
    return float(cuts[best[len(best) // 2]])


def named(cuts: Sequence[np.ndarray], classes: Sequence[str]) -> dict[str, float | list[float]]:
    """Thresholds by class: a number, or one for each try; of two classes that of the second."""
    if not len(cuts):
        return {}
    names = classes[1:] if len(cuts[0]) == 1 and len(classes) == 2 else classes
    by_class = np.stack(cuts).T.tolist()
    return {n: v[0] if len(v) == 1 else v for n, v in zip(names, by_class)}
