"""Results from the scores of a cell: metrics, intervals, kept scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from featprobe.backbones.overlap import seen_in_training
from featprobe.core.errors import InputError
from featprobe.core.versions import versions_of
from featprobe.evaluation import levels, results
from featprobe.evaluation.findings.cells import findings, subgroup_findings
from featprobe.evaluation.fitted import Data, View
from featprobe.evaluation.protocols import Protocol
from featprobe.evaluation.results import Result
from featprobe.evaluation.run_protocol import Cell
from featprobe.evaluation.val_scores import val_arrays
from featprobe.features.labeled_items import LabeledItems
from featprobe.metrics import measures as metrics
from featprobe.metrics.item_scores import ItemScores
from featprobe.metrics.thresholds import NONE, chosen, has_thresholds, named
from featprobe.probes.checks import check_scores
from featprobe.splits.shots import digest_of
from featprobe.stats.summary import summarize
from featprobe.stats.support import Support

NAMED_CLASSES = 50  # with more, metrics of single classes are not kept


def keep(
    root: Path, labeled: LabeledItems, result: Result, data: Data, cell: Cell,
    reading: levels.LevelReading,
) -> None:  # fmt: skip
    """Append a result and its scores to the cache; where that fails, a note says so."""
    test = data.split.test
    kept = kept_scores(cell.scores, cell.rows, len(test), data.columns)
    try:
        results.append(
            root, result, ids=data.ids[test], y=data.y[test], groups=data.groups[test],
            unit=reading.unit, classes=labeled.classes, cuts=cell.cuts,
            val=val_arrays(data, cell), **kept,
        )  # fmt: skip
    except InputError as error:  # the numbers are worth more than their file
        result.notes.append(f"{results.NOT_KEPT}{error}")


def kept_scores(
    tries: Sequence[np.ndarray], rows: Sequence[np.ndarray] | None, items: int, classes: int
) -> dict[str, Any]:
    """Scores (n, C) of tries, and the ``rows`` of the test items that each is of, as
    :func:`~featprobe.evaluation.results.append` takes them.

    ``scores`` (tries, N, C), NaN where a try does not test an item; ``fold`` (N,) in which each
    item was tested: the folds of a cross-validation are one try together; ``tested`` (tries, N)
    where tries test several items each but not all.
    """
    if rows is None:
        return {"scores": np.stack(tries), "fold": None, "tested": None}
    folds = sum(map(len, rows)) <= items
    scores = np.full((1 if folds else len(tries), items, classes), np.nan)
    tested = np.zeros((len(tries), items), dtype=bool)
    for t, (at, p) in enumerate(zip(rows, tries)):
        scores[0 if folds else t, at] = p
        tested[t, at] = True
    return {
        "scores": scores,
        "fold": tested.argmax(0) if folds else None,
        "tested": None if folds else tested,
    }


def of_test(
    labeled: LabeledItems, data: Data, tries: list[np.ndarray], rows: Any = None
) -> ItemScores:
    """Collect the test items with the scores (n, C) of each try."""
    test = data.split.test
    named = labeled.classes if len(labeled.classes) <= NAMED_CLASSES else ()
    ids, y, groups = data.ids[test], data.y[test], data.groups[test]
    return ItemScores(data.task, ids, y, groups, tries, rows, tuple(named))


def result_of(
    labeled: LabeledItems, probe: str, searched: Sequence[str], protocol: Protocol, data: Data,
    cell: Cell, resamples: int, reading: levels.LevelReading, threshold: str = NONE,
) -> Result:  # fmt: skip
    """Make the Result of a cell: metrics, intervals, and what is needed to read them.

    ``probe``: its name; ``searched``: the parameters that val chose among; ``threshold``: the rule
    by which those of decisions are, see :func:`~featprobe.metrics.thresholds.rule_of`.
    """
    for p in cell.scores:
        check_scores(p, probe)
    found_on_val = _decide(labeled, data, cell, reading, threshold)
    items = replace(of_test(labeled, data, cell.scores, cell.rows), cuts=cell.cuts)
    scored = reading.reported(items)
    found = summarize(
        scored, resamples=resamples, seed=protocol.seed, draws=cell.shots is not None,
        shared=data.split.shared,
    )  # fmt: skip
    notes = [
        *cell.notes,
        *findings(data, cell, labeled.classes),
        *found.intervals.notes,
        *found_on_val,
    ]
    notes += labeled.findings
    if data.unknown:
        notes.append(f"{data.unknown} items without a known label are not used")
    if data.split.crossing:
        notes.append(f"the official split has {data.split.crossing} patients on both sides")
    sizes = _sizes(data)
    sizes |= {"test_groups": scored.patients, "fit": cell.fitted}
    if reading.unit is not None:
        sizes["test_units"] = len(scored.ids)
    subgroups = reading.subgroups(items, resamples, protocol.seed)
    notes += subgroup_findings(subgroups)
    provenance = labeled.provenance
    return Result(
        dataset=labeled.dataset,
        backbone=labeled.backbone,
        probe=probe,
        protocol=protocol.name,
        metrics=found.values,
        ci=found.intervals.ci,
        ci_method=found.intervals.method,
        class_sizes=_class_sizes(scored),
        chance=metrics.chance(data.task, scored.y, data.classes, scored.classes),
        task=data.task,
        classes=data.classes,
        view=cell.view.name,
        pool=cell.view.pool,
        params=cell.params,
        settings={
            **_settings(protocol, data),
            "resamples": resamples,
            **reading.level.to_dict(),
            **data.prepare.to_dict(),
            **_several(data.views),
            **({"augmented": data.augmented} if data.augmented else {}),
            **cell.select,
            **({"threshold": threshold} if len(cell.cuts) else {}),
        },
        split=_split(data, cell),
        sizes=sizes,
        key=labeled.key.digest,
        labels=labeled.items.labels_digest,
        random=bool(provenance.get("random")),
        overlap=_overlap(provenance, labeled.dataset),
        selected=cell.selected,
        searched=sorted({*cell.chosen, *searched}),
        shots=cell.shots,
        spread=found.spread,
        components=found.components,
        subgroups=subgroups,
        val=cell.val,
        thresholds=named(cell.cuts, labeled.classes),
        left_out=len(labeled.left_out),
        notes=notes,
        versions=versions_of(results.PACKAGES),
        provenance={"key": labeled.key.to_dict(), **provenance},
    )


def _decide(
    labeled: LabeledItems, data: Data, cell: Cell, reading: levels.LevelReading, rule: str
) -> list[str]:
    """Choose the ``cuts`` of a cell on val, read as test is; what there is to say of it."""
    if rule == NONE or not cell.on_val or not has_thresholds(data.task, data.classes):
        return []
    try:
        for rows, p in cell.on_val:
            at = (data.ids[rows], data.y[rows], data.groups[rows])
            val = ItemScores(data.task, *at, [p])
            cell.cuts += chosen(rule, levels.read(reading.level, None, val).reported(val))
    except InputError as error:  # items of one patient of val that differ
        cell.cuts.clear()
        return [f"no thresholds of decisions: on val {error}"]
    lost = sorted({int(c) for cut in cell.cuts for c in np.flatnonzero(np.isnan(cut))})
    if not lost:
        return []
    names = [labeled.classes[c if data.y.ndim == 2 else 1] for c in lost]
    few = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    return [f"no threshold of {few}: val has one kind of items or one score only"]


def _class_sizes(scored: ItemScores) -> dict[str, dict[str, int]]:
    """Items and patients of each named class, positive ones of each label."""
    if scored.task == "regression" or not scored.classes:
        return {}
    support = Support(scored)
    counted = zip(scored.classes, support.items, support.positive)
    return {name: {"items": int(i), "patients": int(p)} for name, i, p in counted}


def _settings(protocol: Protocol, data: Data) -> dict[str, Any]:
    """Those of the protocol; how splits are made matters where one was."""
    requested = protocol.to_dict()
    if data.split.version is None:
        requested.pop("split_version", None)
    return requested


def _sizes(data: Data) -> dict[str, int]:
    """Items of train and val, of repeats on average; those that are tested in all."""
    of = data.split.inner if data.split.shared is not None else (data.split,)
    out = {n: round(float(np.mean([len(getattr(s, n)) for s in of]))) for n in ("train", "val")}
    return {**out, "test": len(data.split.test)}


def _split(data: Data, cell: Cell) -> dict[str, Any]:
    """The split, with a digest of what each few-shot try was fitted to."""
    out = data.split.to_dict(data.ids, data.groups)
    return out if cell.shots is None else {**out, "draws": digest_of(cell.fits, data.ids)}


def _several(views: Sequence[View]) -> dict[str, Any]:
    """The views that val chose among."""
    return {"views": ["/".join(v) for v in views]} if len(views) > 1 else {}


def _overlap(provenance: dict[str, Any], dataset: str) -> str:
    """Why the backbone has seen the data set in training; random weights have seen nothing."""
    if parts := provenance.get("parts"):
        return "; ".join(f"{n}: {text}" for n, p in parts.items() if (text := _overlap(p, dataset)))
    if provenance.get("random"):
        return ""
    return seen_in_training(provenance.get("backbone") or {}, dataset)
