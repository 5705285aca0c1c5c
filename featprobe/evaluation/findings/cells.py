"""Notes on results whose data or scores are degenerate.

Nothing here changes a number. Every Result is looked at, whichever verb made it: classes that a
part lacks, decisions and scores that are all alike, items that training has seen, features that say
nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from featprobe.evaluation.findings.features import feature_findings
from featprobe.evaluation.fitted import Data
from featprobe.evaluation.run_protocol import Cell
from featprobe.metrics import measures as metrics
from featprobe.probes.single_class import constants

NAMED = 4  # classes that a sentence names


def findings(data: Data, cell: Cell, classes: Sequence[str]) -> list[str]:
    """Notes on a cell and on the items that it was fitted to and tested on.

    ``classes``: names of the C classes or labels, none for values.
    """
    return [
        *_repeated_ids(data),
        *(
            _on_values(data, cell)
            if data.task == "regression"
            else _on_classes(data, cell, classes)
        ),
        *_on_scores(data, cell, classes),
        *feature_findings(data, cell),
    ]


def subgroup_findings(subgroups: dict[str, Any]) -> list[str]:
    """Notes on subgroups in which the ranking metric is not defined."""
    if not subgroups:
        return []
    by = subgroups["metric"]
    lost = [v for v, part in subgroups["values"].items() if np.isnan(part["metrics"][by])]
    if not lost:
        return []
    label = metrics.about(by).label
    return [f"{label} is not defined for {subgroups['column']} {listed(lost)}: one class only"]


def _repeated_ids(data: Data) -> list[str]:
    more = len(data.ids) - len(np.unique(data.ids))
    return [f"{more} items have the id of another one"] if more else []


def _parts(data: Data, cell: Cell) -> dict[str, list[np.ndarray]]:
    """Rows of the parts by name, for each try or fold that has rows of its own."""
    test = data.split.test
    parts = {
        "training": cell.fits,
        "val": [data.split.val] if cell.val and len(data.split.val) else [],
        "test": [test] if cell.rows is None else [test[r] for r in cell.rows],
    }
    return {name: rows for name, rows in parts.items() if rows}


def _on_values(data: Data, cell: Cell) -> list[str]:
    then = {
        "training": "nothing can be learnt",
        "val": "it could not choose",
        "test": "R2 and correlations are not defined",
    }
    out = []
    for part, tries in _parts(data, cell).items():
        alike = np.array([len(np.unique(data.y[rows])) < 2 for rows in tries])
        if alike.any():
            where = _in(int(alike.sum()), len(alike))
            out.append(f"every {part} target{where} is the same: {then[part]}")
    return out


def _on_classes(data: Data, cell: Cell, classes: Sequence[str]) -> list[str]:
    out = []
    for part, tries in _parts(data, cell).items():
        if data.y.ndim == 2:
            out += _labels_of(part, [data.y[rows] for rows in tries], classes)
        else:
            have = np.stack([np.bincount(data.y[r], minlength=data.classes) > 0 for r in tries])
            then = {
                "training": "it is never predicted",
                "val": "it had no part in choosing",
                "test": "metrics are of the other classes",
            }[part]
            out += _text(~have, classes, f"no {part} item of class {{}}{{}}", then)
        if part != "val" and (cell.shots is None or part == "test"):
            out += _lone_patients(data, np.unique(np.concatenate(tries)), classes, part)
    return out


def _labels_of(part: str, tries: list[np.ndarray], classes: Sequence[str]) -> list[str]:
    positive, negative = (np.stack([(y == v).any(0) for y in tries]) for v in (1, 0))
    then = {
        "training": ("it is scored 0, absent", "it is scored 1, present"),
        "val": ("it had no part in choosing",) * 2,
        "test": ("its AUROC and sensitivity are not defined, means leave it out",
                 "its AUROC and specificity are not defined, means leave it out"),
    }[part]  # fmt: skip
    known = positive | negative
    return [
        *_text(~known, classes, f"no known {part} value of label {{}}{{}}", then[0]),
        *_text(known & ~positive, classes, f"no {part} positive of label {{}}{{}}", then[0]),
        *_text(known & ~negative, classes, f"no {part} negative of label {{}}{{}}", then[1]),
    ]


def _lone_patients(
    data: Data, rows: np.ndarray, classes: Sequence[str], part: str
) -> list[str]:  # fmt: skip
    """Classes of which a part has several items, all of one patient."""
    y, code = data.y[rows], np.unique(data.groups[rows], return_inverse=True)[1]
    has = y == 1 if y.ndim == 2 else y[:, None] == np.arange(data.classes)
    patients = np.array([len(np.unique(code[column])) for column in has.T])
    lone = (patients == 1) & (len(np.unique(code)) > 1)
    what = "positives of label {}" if y.ndim == 2 else "items of class {}"
    return _text(lone[None], classes, f"all {part} {what}{{}} are of one patient")


def _on_scores(data: Data, cell: Cell, classes: Sequence[str]) -> list[str]:
    test = data.split.test
    rows = [test] * len(cell.scores) if cell.rows is None else [test[r] for r in cell.rows]
    if data.task == "regression":
        alike = np.array([len(p) > 1 and np.ptp(p) == 0 for p in cell.scores])
        where = _in(int(alike.sum()), len(alike))
        return [f"every predicted value{where} is the same"] if alike.any() else []
    if data.y.ndim == 2:
        return _on_labels(data, cell, rows, classes)
    out, level = [], sum(int((np.ptp(p, axis=1) == 0).sum()) for p in cell.scores)
    if level and data.classes > 1:
        out.append(
            f"{level} of {sum(map(len, cell.scores))} test items score all classes alike and count "
            f"as {classes[0]!r}, the first"
        )
    predicted = [np.unique(p.argmax(1)) for p in cell.scores]
    one = np.array([
        len(s) == 1 and len(np.unique(data.y[r])) > 1 for s, r in zip(predicted, rows)
    ])  # fmt: skip
    if one.any():
        names = listed([classes[int(s[0])] for s, o in zip(predicted, one) if o])
        out.append(f"every test item{_in(int(one.sum()), len(one))} is decided to be {names}")
    return out


def _on_labels(data: Data, cell: Cell, rows: list[np.ndarray], classes: Sequence[str]) -> list[str]:
    absent, present, level = [], [], []
    for t, (p, r) in enumerate(zip(cell.scores, rows)):
        y = data.y[r]
        constant = constants(data.y[cell.fits[t]]) if cell.fits else None
        open_ = np.ones(p.shape[1], bool) if constant is None else np.isnan(constant)
        open_ &= (y == 1).any(0) & (y == 0).any(0)
        level.append(open_ & (np.ptp(p, axis=0) == 0))
        absent.append(open_ & (p < 0.5).all(0) & ~level[-1])
        present.append(open_ & (p >= 0.5).all(0) & ~level[-1])
    found = {
        "label {} has one score for all test items{}": (level, "its AUROC is 0.5"),
        "label {} is decided absent in every test item{}": (absent, ""),
        "label {} is decided present in every test item{}": (present, ""),
    }
    return [t for s, (f, then) in found.items() for t in _text(np.stack(f), classes, s, then)]


def _text(found: np.ndarray, classes: Sequence[str], sentence: str, then: str = "") -> list[str]:
    """The sentence for the classes of ``found`` (tries, C), those of equally many tries together.

    ``sentence`` has a place for their names, and one for in how many tries, where not in all.
    """
    count = found.sum(0)
    return [
        sentence.format(listed([classes[int(c)] for c in np.flatnonzero(count == many)]),
                        _in(many, len(found))) + (f": {then}" if then else "")
        for many in sorted(set(count[count > 0].tolist()), reverse=True)
    ]  # fmt: skip


def _in(many: int, of: int) -> str:
    """Nothing where all tries (folds, draws) are meant, else how many are."""
    return "" if many == of else f" in {many} of {of} tries"


def listed(names: Sequence[str]) -> str:
    """``'a', 'b' and 3 more``."""
    names = list(dict.fromkeys(names))
    shown = ", ".join(repr(str(n)) for n in names[:NAMED])
    return shown + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
