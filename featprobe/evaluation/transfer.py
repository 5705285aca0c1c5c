"""A probe of one data set tested on others: what it loses on images from elsewhere."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace

from featprobe.core import paths as settings
from featprobe.core.errors import InputError
from featprobe.core.fingerprint import digest
from featprobe.evaluation import levels
from featprobe.evaluation.across_sets import DataSets, Seen, same_patients, seen
from featprobe.evaluation.class_maps import renames, shared_classes
from featprobe.evaluation.evaluate import (
    criterion_of,
    idle_pool,
    make_probe,
    request,
    requested_views,
)
from featprobe.evaluation.fitted import Data
from featprobe.evaluation.labelled import labelled
from featprobe.evaluation.model_selection import idle
from featprobe.evaluation.protocols import Full
from featprobe.evaluation.reporting import keep, of_test, result_of
from featprobe.evaluation.result_list import Results
from featprobe.evaluation.results import Result
from featprobe.evaluation.run_protocol import Cell, run_protocol
from featprobe.evaluation.transfer_protocol import Transfer, tested_on
from featprobe.features.feature_set import FeatureSet
from featprobe.features.labeled_items import unlabeled
from featprobe.features.leakage import THRESHOLD
from featprobe.features.prepare import Prepare
from featprobe.features.wanted import Wanted
from featprobe.metrics.item_scores import ItemScores
from featprobe.metrics.thresholds import NONE, YOUDEN, has_thresholds, rule_of
from featprobe.probes.base import Probe
from featprobe.probes.selection import AUTO
from featprobe.stats.gap import correlations, gaps
from featprobe.stats.resampling import RESAMPLES
from featprobe.store.format import FeatureKey

_OF_KEY = ("weights", "config", "preprocess")  # without which features are not the same numbers


def transfer(
    source: FeatureSet,
    targets: Sequence[FeatureSet],
    probe: str | Probe = "logistic",
    protocol: Full | None = None,
    *,
    mapped: Sequence[str] = (),
    on: str = "auto",
    patients: str = "auto",
    shared: str = "keep",
    alike: float = THRESHOLD,
    view: str | Sequence[str] | Wanted | None = None,
    pool: str | Sequence[str] = "mean",
    normalize: bool = False,
    pca: int | None = None,
    level: str | levels.Level = "item",
    resamples: int = RESAMPLES,
    cache: str | os.PathLike[str] | None = None,
    save: bool = False,
    select: str = AUTO,
    one_se: bool = True,
    metric: str | None = None,
    threshold: str | float = YOUDEN,
) -> Results:
    """Fit a probe to one data set and test it there and on others, with the gap.

    Candidates, views and thresholds of decisions are chosen on the source's val, nothing is fitted
    to a target. All data sets are brought to the classes that they share, by name or by ``mapped``
    (:func:`~featprobe.evaluation.class_maps.shared_classes`), the source before anything is fitted;
    what is left out is in the notes. Returns the Result on the source's test items, then one on
    each target, whose ``gap`` is its value minus that on the source. The interval of the gap is of
    new patients of both, for this fit (:mod:`featprobe.stats.gap`).

    ``on``: ``test``, the test part of a target as ``evaluate`` has it under the protocol; ``all``
    of its items; ``auto``: test where the data set has an official one. ``patients``: who is the
    same in two data sets (:func:`~featprobe.evaluation.across_sets.same_patients`).
    ``shared="drop"`` leaves out test items of patients, and near-copies of images, that were fitted
    to; they are counted in any case. ``alike``: cosine from which images are near-copies.
    The other arguments are those of :func:`featprobe.evaluate`.

    Raises :class:`InputError` where features were not made alike, no classes are shared, or the
    source cannot be probed.
    """
    _check(source, targets)
    names = [f.dataset for f in (source, *targets)]
    classes = shared_classes([source, *targets], renames(mapped, names))
    first, *others = classes.sets
    full = protocol or Full()
    rule = Transfer.of(full, source.dataset, mapped, classes.classes, shared)
    criterion = criterion_of(first, full, select, one_se, metric)
    made = make_probe(probe).fresh().choosing_by(criterion)
    if made.transductive:
        raise InputError(
            f"{made.name} scores items by those tested with them, which no other hospital sends "
            "along: take another probe"
        )
    views, prepare = requested_views(first, made, view, pool), Prepare(normalize, pca)
    data = labelled(first, full, views, made, prepare)
    data.select = criterion
    cuts = rule_of(threshold)
    cuts = cuts if has_thresholds(data.task, data.classes) else NONE
    ways = [tested_on(f, on, full) for f in others]
    parts = [labelled(f, way, views, None, prepare) for f, (_, way) in zip(others, ways)]
    pairs = [same_patients(first, f, patients) for f in others]
    overlaps = [seen(data, part, same, alike) for part, (same, _) in zip(parts, pairs)]
    if shared == "drop":
        parts = [o.without(p, f.dataset) for f, p, o in zip(others, parts, overlaps)]
    sets = DataSets.joined([data, *parts], names)
    sets.data.decides = cuts != NONE
    start = time.perf_counter()
    cell = next(c for c in run_protocol(made, sets.data, full) if c.selected)
    cell.notes += [*made.idle(), *idle_pool(first, views), *idle(made, data)]
    seconds = (time.perf_counter() - start) / len(names)
    requested = request(
        first, made, full, view=view, pool=pool, normalize=normalize, pca=pca, level=level,
        resamples=resamples, select=select, one_se=one_se, metric=metric, threshold=threshold,
    )  # fmt: skip
    out, at_home = Results(), None
    for k, f in enumerate(classes.sets):
        same, note = pairs[k - 1] if k else (set[str](), "")
        own, mine = sets.of(k, same), _part(cell, sets, k)
        way = replace(rule, on=ways[k - 1][0]) if k else rule
        reading = levels.read(level, None, of_test(f, own, []))
        result = result_of(
            f, made.name, sorted(made.candidates()[0]), way, own, mine, resamples, reading, cuts
        )
        result.notes += [f"{n}: {t}" for n, texts in zip(names, classes.notes) for t in texts]
        result.request = digest([requested, f.key.digest, f.items.labels_digest, way.to_dict()])
        result.seconds = round(seconds, 3)
        scored = _scored(f, own, mine, reading)
        at_home = at_home or scored
        if k:
            _compare(result, out[0], scored if same else None, at_home)
            _say(result, note, overlaps[k - 1], source.dataset, shared)
        if save:
            keep(settings.cache_root(cache), f, result, own, mine, reading)
        out.append(result)
    return out


def _check(source: FeatureSet, targets: Sequence[FeatureSet]) -> None:
    """Raise :class:`InputError` where there is nothing to fit or test, or features differ."""
    if not targets:
        raise InputError(f"{source.dataset}: name a data set to test on")
    for f in (source, *targets):
        if problem := unlabeled(f):
            raise InputError(problem)
    for f in targets:
        if f.dataset == source.dataset:
            raise InputError(f"{f.dataset}: train and test are one data set; use 'linear'")
        if differ := _differences(source.key, f.key):
            raise InputError(
                f"{f.dataset} / {f.backbone}: its features were not made as those of "
                f"{source.dataset} / {source.backbone} (different: {', '.join(differ)})"
            )


def _differences(one: FeatureKey, other: FeatureKey) -> list[str]:
    """In what two backbones differ, of joined ones part by part."""
    if not one.parts or one.parts.keys() != other.parts.keys():
        return sorted({*one.differences(other.to_dict())} & {*_OF_KEY})
    return [
        f"{what} of {name}"
        for name, part in one.parts.items()
        for what in _differences(FeatureKey(**part), FeatureKey(**other.parts[name]))
    ]


def _part(cell: Cell, sets: DataSets, k: int) -> Cell:
    """The cell with the scores of one data set; its thresholds are found anew, on the same val."""
    scores = [p[sets.tested[k]] for p in cell.scores]
    return replace(cell, scores=scores, cuts=[], notes=list(cell.notes))


def _scored(f: FeatureSet, own: Data, cell: Cell, reading: levels.LevelReading) -> ItemScores:
    return reading.reported(replace(of_test(f, own, cell.scores), cuts=cell.cuts))


def _compare(result: Result, home: Result, scored: ItemScores | None, at_home: ItemScores) -> None:
    """Put the gap to the Result on the source into that on a target.

    ``scored``: of the target where it has patients of the source; None otherwise.
    """
    together = None
    if scored is not None:
        resamples, seed = result.settings["resamples"], result.settings["seed"]
        together = correlations(scored, at_home, resamples=resamples, seed=seed)
    result.in_domain = home.id
    result.gap, result.gap_ci = gaps(result.metrics, home.metrics, result.ci, home.ci, together)


def _say(result: Result, note: str, overlap: Seen, source: str, shared: str) -> None:
    """Note and count what the target has in common with the source."""
    result.notes += [note] * bool(note) + overlap.notes(source, shared == "drop")
    result.sizes |= {"shared_patients": overlap.patients, "near_duplicates": len(overlap.pairs)}
