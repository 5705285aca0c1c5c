"""Some of the classes of a data set, and several classes as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from featprobe.core.errors import InputError, nearest
from featprobe.datasets.targets import Labelled


def choose_labels(
    data: Labelled, labels: Sequence[str] = (), merged: Mapping[str, str] | None = None
) -> list[str]:
    """Merge classes by name, then keep those of ``labels``, in that order; returns notes.

    ``merged``: class -> the class that it becomes, new or of the data set. Of several labels
    (multilabel, (N, C)) a merged one is present where one of its parts is, absent where all are,
    and unknown else. Items of a class that is not kept have no label (-1) and stay in the data set,
    so that features are the same whatever is chosen. Grades keep their order, may be merged with
    neighbours only, and two of them are two classes. Raises :class:`InputError` for a class that
    there is not, for one that is given twice, and for targets that are no classes.
    """
    if not labels and not merged:
        return []
    if data.targets is None or data.task == "regression":
        what = "is a regression" if data.task else "has no labels"
        raise InputError(f"--labels and --map choose among classes; this data set {what}")
    notes: list[str] = []
    if merged:
        _merge(data, dict(merged))
        notes.append("classes are merged: " + ", ".join(f"{a} is {b}" for a, b in merged.items()))
    if labels:
        notes += _keep(data, list(labels))
    if data.task == "ordinal" and len(data.classes) == 2:
        data.task = "multiclass"
    return notes


def _known(names: Sequence[str], classes: Sequence[str], option: str) -> None:
    for name in names:
        if name not in classes:
            raise InputError(
                f"{option} {name!r}: there is no such class.{nearest(name, classes)} There: "
                f"{', '.join(classes)}"
            )


def _merge(data: Labelled, merged: dict[str, str]) -> None:
    _known(list(merged), data.classes, "--map")
    named = [merged.get(c, c) for c in data.classes]
    classes = tuple(dict.fromkeys(named))
    code = np.array([classes.index(n) for n in named])
    if data.task == "ordinal" and (np.diff(code) < 0).any():
        raise InputError("--map: grades are merged with their neighbours, so that order remains")
    y = data.targets
    assert y is not None
    if y.ndim == 2:
        parts = [y[:, code == k] for k in range(len(classes))]
        data.targets = np.stack([any_present(p) for p in parts], axis=1)
    else:
        data.targets = np.where(y < 0, -1, code[np.maximum(y, 0)])
    data.classes = classes


def any_present(parts: np.ndarray) -> np.ndarray:
    """Of labels (N, P) whether any is present: 1, 0, or NaN where that is not known."""
    present, unknown = (parts == 1).any(1), np.isnan(parts).any(1)
    return np.where(present, 1.0, np.where(unknown, np.nan, 0.0))


def _keep(data: Labelled, labels: list[str]) -> list[str]:
    _known(labels, data.classes, "--labels")
    twice = sorted({n for n in labels if labels.count(n) > 1})
    if twice:
        raise InputError(f"--labels {twice[0]!r} is given twice")
    y = data.targets
    assert y is not None
    places = [data.classes.index(n) for n in labels]
    if y.ndim == 2:
        data.targets, data.classes = y[:, places], tuple(labels)
        return []
    if len(labels) < 2:
        raise InputError(f"--labels {labels[0]!r}: one class is nothing to tell apart; give two")
    if data.task == "ordinal":
        places.sort()
    code = np.full(len(data.classes), -1)
    code[places] = np.arange(len(places))
    left = int(((y >= 0) & (code[np.maximum(y, 0)] < 0)).sum())
    data.targets = np.where(y < 0, -1, code[np.maximum(y, 0)])
    data.classes = tuple(data.classes[p] for p in places)
    return [f"{left} items are of classes that --labels leaves out: no label"] if left else []
