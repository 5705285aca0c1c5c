"""The Result: one JSON line for every cell of a leaderboard, and the file they are kept in."""

from __future__ import annotations

import contextlib
import json
import time
import uuid
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from featprobe.core import records
from featprobe.core.display import Displayable, ends
from featprobe.core.errors import InputError, reason
from featprobe.core.fingerprint import digest
from featprobe.core.jsonvalues import numbers, plain
from featprobe.evaluation.commands import command_of
from featprobe.evaluation.earlier_results import described, renamed
from featprobe.evaluation.protocols import in_digests
from featprobe.evaluation.result_parts import check_parts
from featprobe.metrics.item_scores import ItemScores
from featprobe.metrics.thresholds import YOUDEN
from featprobe.probes.selection import Criterion
from featprobe.store.format import without_pixels

NUMBERS = (
    "metrics", "ci", "chance", "ceiling", "spread", "val", "components", "cost", "thresholds",
    "gap", "gap_ci",
)  # fmt: skip
NOT_KEPT = "not kept: "  # begins the note of a result that could not be written
PACKAGES = ("numpy", "scipy", "faiss-cpu", "faiss-gpu")


@dataclass(repr=False)
class Result(Displayable):
    """What one probe reached on one feature set under one protocol.

    ``metrics``: name -> value on test; ``ci``: name -> 95 % interval under new patients, NaN where
    there is none, ``ci_method``: metric -> how it was made (:mod:`featprobe.stats.intervals`),
    empty in results of earlier versions, whose intervals are of a percentile bootstrap;
    ``chance``: what the most frequent class reaches; ``spread``: standard deviation (squares by
    tries - 1) over the tries of a few-shot run, folds or repeats; ``components``: variances between
    tries and from patients (:class:`~featprobe.stats.components.Components`). A metric of one class
    is called ``auroc:CLASS``. ``class_sizes``: class (label) -> ``items`` and ``patients`` of it in
    test. ``subgroups``: metrics by the values of a column
    (:meth:`~featprobe.evaluation.levels.LevelReading.subgroups`). ``selected``: chosen on
    validation data among settings of the ``searched`` parameters (True also where there was nothing
    to choose); only these enter a leaderboard. ``key``: digest of the feature store's key,
    ``labels``: of targets, patients and split. ``random``: the backbone has random weights.
    ``overlap``: why the backbone is known to have seen this data set in pretraining, empty where it
    is not. ``cost``: of a training, ``trainable`` and all ``parameters``, ``seconds``,
    ``peak_memory`` in bytes, ``images_per_second``; empty where nothing was trained but a probe.
    ``ceiling``: of a segmentation, the Dice of true masks after a way to the grid of tokens
    (``patches``) or of answers (``cells``) and back; empty otherwise.
    ``thresholds``: class -> the threshold of its score that was chosen on val (of two classes that
    of the second one), one for each fold of a cross-validation. ``request``: digest of all that was
    requested, candidates too, by which a later one is known to be done; empty in results of earlier
    versions. ``seeds``: of a mean over seeds (:mod:`featprobe.evaluation.seed_means`), seed -> id.
    ``in_domain``: of a probe of another data set, id of the Result there; ``gap``: metric -> value
    minus that one, ``gap_ci``: its 95 % interval (:mod:`featprobe.evaluation.transfer`).
    """

    dataset: str
    backbone: str
    probe: str
    protocol: str
    metrics: dict[str, float]
    ci: dict[str, tuple[float, float]]
    chance: dict[str, float]
    task: str
    classes: int
    view: str
    pool: str
    params: dict[str, Any]
    settings: dict[str, Any]
    split: dict[str, Any]
    sizes: dict[str, int]
    key: str
    labels: str
    random: bool = False
    overlap: str = ""
    selected: bool = True
    searched: list[str] = field(default_factory=list)
    shots: int | None = None
    spread: dict[str, float] = field(default_factory=dict)
    components: dict[str, dict[str, float]] = field(default_factory=dict)
    subgroups: dict[str, Any] = field(default_factory=dict)
    val: dict[str, float] = field(default_factory=dict)
    left_out: int = 0
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    cost: dict[str, float] = field(default_factory=dict)
    thresholds: dict[str, float | list[float]] = field(default_factory=dict)
    ceiling: dict[str, float] = field(default_factory=dict)
    request: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    ci_method: dict[str, str] = field(default_factory=dict)
    class_sizes: dict[str, dict[str, int]] = field(default_factory=dict)
    seeds: dict[str, str] = field(default_factory=dict)
    in_domain: str = ""
    gap: dict[str, float] = field(default_factory=dict)
    gap_ci: dict[str, tuple[float, float]] = field(default_factory=dict)
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:16])
    time: str = field(default_factory=lambda: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))

    @property
    def variant(self) -> str:
        """Digest of how the features were made: their key but for contents and their readers."""
        return digest(without_pixels(self.provenance.get("key", {})))

    @property
    def cell(self) -> str:
        """Digest of what was asked for: a later result of the same cell replaces an earlier one."""
        fixed = {k: v for k, v in self.params.items() if k not in self.searched}
        left = {"shots", "resamples"}
        if "select" in self.settings and Criterion.of(self.task).by == self.settings["select"]:
            left.add("select")  # results of versions that did not say it are of the same cell
        if self.settings.get("threshold") == YOUDEN:
            left.add("threshold")
        rules = {k: v for k, v in in_digests(self.settings).items() if k not in left}
        view = [] if "views" in self.settings else [self.view, self.pool]
        request = [
            self.dataset, self.backbone, self.variant, self.probe, self.protocol, *view, rules,
            self.shots, fixed,
        ]  # fmt: skip
        return digest(request)

    def by_seed(self) -> list[Result]:
        """One of each seed, by whose ``id`` its scores are found; itself where it is of one."""
        return [replace(self, id=i, seeds={}) for i in self.seeds.values()] or [self]

    def facts(self) -> tuple[Sequence[str], dict[str, Any]]:
        chosen = {n: self.params.get(n) for n in self.searched}
        chosen |= {"shots": self.shots} if self.shots else {}
        value = {n: self.value(n) for n in list(self.metrics)[:1]}  # the one that ranks
        names = (self.dataset, self.backbone, self.probe)
        return names, chosen | value | {"test": self.sizes.get("test", 0)}

    def value(self, metric: str) -> str:
        """``0.812 [0.770, 0.851]``: a metric with its interval."""
        nan = float("nan")
        return f"{self.metrics.get(metric, nan):.3f}{ends(self.ci.get(metric, (nan, nan)))}"

    def to_frame(self) -> Any:
        """A pandas DataFrame, one row a metric: its ``value``, ``low`` and ``high`` of the 95 %
        interval, and ``chance``, beside what the result is of."""
        import pandas as pd

        nan = float("nan")
        of = (self.dataset, self.backbone, self.probe, self.protocol, self.shots)
        rows = [
            (*of, n, v, *self.ci.get(n, (nan, nan)), self.chance.get(n, nan))
            for n, v in self.metrics.items()
        ]
        heads = "dataset backbone probe protocol shots metric value low high chance"
        return pd.DataFrame(rows, columns=heads.split())

    def to_json(self) -> str:
        """One line of JSON; an undefined metric is null."""
        return json.dumps(plain(asdict(self)), allow_nan=False)

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> Result:
        """The inverse of :meth:`to_json`; fields of a later version are left out, names and words
        of earlier ones replaced. ``TypeError`` and others of Python's for what is no result."""
        known = {f.name for f in fields(cls)}
        kept = {k: v for k, v in renamed(d).items() if k in known}
        for name in NUMBERS:
            kept[name] = numbers(kept.get(name, {}))
        for part in kept.get("subgroups", {}).get("values", {}).values():
            part |= {n: numbers(part[n]) for n in ("metrics", "ci")}
        made = cls(**kept)
        check_parts(made)
        return made


def results_file(cache: Path) -> Path:
    """``<cache>/results/results.jsonl``."""
    return cache / "results" / "results.jsonl"


def append(
    cache: Path, result: Result, *, ids: np.ndarray, y: np.ndarray, groups: np.ndarray,
    scores: np.ndarray, fold: np.ndarray | None = None, unit: np.ndarray | None = None,
    tested: np.ndarray | None = None, classes: Sequence[str] = (),
    cuts: Sequence[np.ndarray] = (), val: Mapping[str, np.ndarray] | None = None,
) -> None:  # fmt: skip
    """Append a result to the file of results, and keep the scores of its items for paired tests.

    Scores (tries, N, C) go to ``results/scores/<id>.npz`` first, with ``ids``, ``y`` and ``groups``
    (patients) of the test items and the names of the ``classes``, ``fold`` (N,) of a
    cross-validation, ``tested`` (tries, N) where a try scores some items only, ``unit`` (N,) where
    the metrics are of studies or patients, ``cuts`` (tries or folds, thresholds) where some were
    chosen, and ``val`` (:mod:`~featprobe.evaluation.val_scores`); then the line is appended, see
    :mod:`featprobe.core.records`. Where that fails :class:`InputError` is raised; nothing is left.
    """
    file = results_file(cache)
    try:
        scores_file(cache, result).parent.mkdir(parents=True, exist_ok=True)
        arrays = {"ids": ids, "y": y, "groups": groups, "scores": scores, **(val or {})}
        some = (("fold", fold), ("tested", tested), ("unit", unit))
        arrays |= {n: v for n, v in some if v is not None} | {"classes": np.array(classes, str)}
        arrays |= {"cuts": np.stack(cuts)} if len(cuts) else {}
        with scores_file(cache, result).open("wb") as f:
            np.savez(f, allow_pickle=False, **arrays)
        records.append(file, json.loads(result.to_json()))
    except OSError as error:
        with contextlib.suppress(OSError):
            scores_file(cache, result).unlink(missing_ok=True)
        raise InputError(f"{file}: results cannot be written: {reason(error)}") from error


def amend(cache: Path, result: Result) -> None:
    """Keep a changed Result that is kept already: a line of the same id, which is what counts."""
    file = results_file(cache)
    try:
        records.append(file, json.loads(result.to_json()))
    except OSError as error:
        raise InputError(f"{file}: results cannot be written: {reason(error)}") from error


def scores_file(cache: Path, result: Result) -> Path:
    """``<cache>/results/scores/<id>.npz``."""
    return results_file(cache).parent / "scores" / f"{result.id}.npz"


def scored(cache: Path, result: Result) -> ItemScores:
    """The kept scores of a result, at the level of its metrics; those of all seeds as tries.

    Raises :class:`InputError` where they are not there, damaged, or of a version that kept no
    patients.
    """
    if result.seeds:
        return ItemScores.tried([scored(cache, r) for r in result.by_seed()])
    file = scores_file(cache, result)
    again = f"run '{command_of(result.probe, result.protocol, result.task)}' again to keep them"
    if not file.is_file():
        raise InputError(f"{file}: the scores of this result are not there; {again}")
    try:
        with np.load(file, allow_pickle=False) as f:
            arrays = dict(f)
    except Exception as error:  # of a damaged archive numpy and zipfile raise of many kinds
        raise InputError(f"{file}: cannot be read: {reason(error)}; {again}") from None
    if missing := {"ids", "y", "scores", "groups"} - arrays.keys():
        raise InputError(f"{file}: kept without {', '.join(sorted(missing))}; {again}")
    tries, rows = list(arrays["scores"]), None
    if "fold" in arrays:
        rows = [np.flatnonzero(arrays["fold"] == k) for k in np.unique(arrays["fold"])]
        tries = [tries[0][r] for r in rows]
    if "tested" in arrays:
        rows = [np.flatnonzero(r) for r in arrays["tested"]]
        tries = [p[r] for p, r in zip(tries, rows)]
    out = ItemScores(
        result.task, arrays["ids"], arrays["y"], arrays["groups"], tries, rows,
        tuple(arrays.get("classes", np.array([], dtype=str)).tolist()),
        list(arrays.get("cuts", ())),
    )  # fmt: skip
    if "unit" in arrays:
        return out.by_unit(arrays["unit"], result.settings.get("level_by", "mean"))
    return out


def read(cache: Path, warn: Callable[[str], None] = warnings.warn) -> list[Result]:
    """Read all results of a cache in the order they were made.

    Of several lines with one id the last one counts, in the place of the first. A line that is
    damaged is left out, and ``warn`` is called with a text that names it, as for lines that were
    changed since they were written.
    """
    file = results_file(cache)
    if not file.exists():
        return []
    out: dict[str, Result] = {}
    for line in records.read(file):
        wrong, lost = line.wrong, line.record is None
        if line.record is not None:
            try:
                found = Result.from_dict(line.record)
                out[found.id] = found
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                wrong, lost = f"not a result ({reason(error)})", True
        if wrong:
            text = f"the result{described(line.begin)} is left out, make it again"
            warn(f"{file}, line {line.number}: {wrong}" + (f"; {text}" if lost else ""))
    return list(out.values())


def latest(results: list[Result]) -> list[Result]:
    """The newest selected result of each cell, in order of first appearance."""
    newest: dict[str, Result] = {}
    for r in results:
        if r.selected:
            newest[r.cell] = r
    return list(newest.values())
