"""A decoder under a protocol on stored tokens: Results beside those of other verbs."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from featprobe.core import paths as settings
from featprobe.core.errors import InputError
from featprobe.evaluation.protocols import Full
from featprobe.evaluation.results import Result
from featprobe.segmentation.cases import Cases
from featprobe.segmentation.decoders.base import Decoder, Solved, Trained
from featprobe.segmentation.fitted import Fitted, Networks, OnVal, look, segmented
from featprobe.segmentation.partition import Protocol, Shots, checked, split_cases
from featprobe.segmentation.reporting import keep, result_of
from featprobe.segmentation.scores import case_scores
from featprobe.segmentation.training import Training, train
from featprobe.stats.resampling import RESAMPLES

SELECT = ("dice", "log_loss")


@dataclass
class Outcome:
    """What becomes one Result: ``scores`` (n, C * 8) of each try and the test ``rows`` of it, all
    ``params``, which of them val ``chosen``, and by what (``val``)."""

    scores: list[np.ndarray]
    rows: list[np.ndarray]
    chosen: dict[str, Any]
    fitted: int
    val: dict[str, float] = field(default_factory=dict)
    shots: int | None = None
    seconds: float = 0.0
    trainable: int = 0
    spread: list[np.ndarray] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    draws: list[np.ndarray] = field(default_factory=list)


@dataclass(frozen=True)
class Work:
    """What all fits of a run have in common."""

    decoder: Decoder
    cases: Cases
    training: Training
    seeds: tuple[int, ...] = (0,)
    select: str = "dice"
    refit: bool = False
    device: str = "auto"
    progress: Any = False

    def learn(self, rows: np.ndarray, training: Training | None = None) -> list[Fitted]:
        """A Fitted for each seed, with the same candidates."""
        t, kind = training or self.training, self.decoder
        if isinstance(kind, Solved):
            return [kind.fit(self.cases, rows, seed) for seed in self.seeds]
        assert isinstance(kind, Trained)
        networks = train(
            kind, self.cases, rows, t, self.seeds, device=self.device, progress=self.progress
        )
        candidates = [{"lr": r} for r in t.lr]
        n = len(candidates)
        return [
            Networks(kind, networks[s * n : (s + 1) * n], candidates, self.cases.multilabel, [])
            for s in range(len(self.seeds))
        ]

    def choose(self, fitted: Sequence[Fitted], val: np.ndarray) -> tuple[int, dict[str, float]]:
        """The candidate that is best on val, over all seeds, and how it did there."""
        looked = [look(one, self.cases, val) for one in fitted]
        over = OnVal(*(np.mean([getattr(v, n) for v in looked], 0) for n in ("dice", "loss")))
        best = over.best(self.select)
        return best, {"dice": float(over.dice[best]), "log_loss": float(over.loss[best])}

    def scores(self, fitted: Fitted, rows: np.ndarray) -> np.ndarray:
        """(n, C * 8) of the only candidate on test cases."""
        found = []
        for i in rows:
            truth = self.cases.tokens.mask(int(i))
            said = segmented(fitted, self.cases, int(i))
            found.append(
                case_scores(said, truth.values, truth.spacing, len(self.cases.classes)).ravel()
            )
        return np.stack(found)


def segment(
    cases: Cases, decoder: Decoder, protocol: str | Protocol = "full",
    training: Training | None = None, *, seeds: Sequence[int] = (0,), select: str = "dice",
    refit: bool = False, resamples: int = RESAMPLES, cache: str | os.PathLike[str] | None = None,
    save: bool = False, device: str = "auto", progress: Any = False, label: str = "",
) -> list[Result]:  # fmt: skip
    """Train a decoder and score it on test cases in the voxels of their images.

    ``full``: every candidate (learning rate, k, C) learns from train, val chooses by ``select``
    (mean Dice of cases, or cross-entropy), and test is scored once; with ``refit`` the chosen one
    learns again from train and val. ``cv``: every fold is test once, the next one val. ``fewshot``
    (:class:`~featprobe.segmentation.partition.Shots`): a Result for each number of shots, the mean
    over tries. ``seeds``: of first weights, or of which patches are taken; a score of a case is the
    mean over them. ``save`` appends Results to the cache; ``label``: a name in tables.

    Raises :class:`InputError` for masks or tokens that a decoder cannot learn from.
    """
    chosen = checked(protocol)
    if select not in SELECT:
        raise InputError(f"select {select!r}: decoders are chosen by {' or '.join(SELECT)}")
    if not seeds:
        raise InputError("no seeds: give at least one")
    t = training or Training()
    refit = refit or (isinstance(chosen, Full) and chosen.refit and refit)
    work = Work(
        decoder, cases, t, tuple(dict.fromkeys(seeds)), select, refit, device, progress
    )
    split = split_cases(cases, chosen)
    out = []
    root = settings.cache_root(cache)
    for outcome in carry_out(work, chosen, split):
        result, scored, folds = result_of(work, chosen, split, outcome, resamples, label)
        if save:
            keep(root, result, scored, folds)
        out.append(result)
    return out


def carry_out(work: Work, protocol: Protocol, split: Any) -> list[Outcome]:
    """The Outcomes of a protocol."""
    if isinstance(protocol, Shots):
        return [_shots(work, protocol, split, n) for n in protocol.shots]
    parts = [_full(work, inner) for inner in split.inner or (split,)]
    if not split.inner:
        return parts
    first = parts[0]
    return [
        replace(
            first,
            scores=[s for p in parts for s in p.scores],
            rows=[r for p in parts for r in p.rows],
            chosen={k: [p.chosen[k] for p in parts] for k in first.chosen},
            fitted=round(float(np.mean([p.fitted for p in parts]))),
            val={k: float(np.mean([p.val[k] for p in parts])) for k in first.val},
            seconds=sum(p.seconds for p in parts),
            spread=[],
            notes=list(dict.fromkeys(n for p in parts for n in p.notes)),
        )
    ]


def _full(work: Work, split: Any) -> Outcome:
    start = time.perf_counter()
    fit, notes, val = split.train, [], {}
    fitted = work.learn(fit)
    best, several = 0, len(fitted[0].candidates)
    if several > 1:
        if not len(split.val):
            raise InputError(
                f"the split has no val cases, by which one of {several} candidates would be "
                "chosen; give one"
            )
        best, val = work.choose(fitted, split.val)
        notes += _diverged(fitted)
    if work.refit:
        fit = np.r_[split.train, split.val]
        again = work.training
        if work.decoder.trained:
            again = replace(again, lr=(again.lr[best],))
        fitted = work.learn(fit, again)
        best = 0 if work.decoder.trained else best
    chosen = fitted[0].candidates[best]
    kept = [one.only(best) for one in fitted]
    seconds = time.perf_counter() - start
    scores, spread = _tested(work, kept, split.test)
    return Outcome(
        [scores], [split.test], chosen, len(fit), val, seconds=seconds, spread=spread,
        trainable=_trainable(kept[0]), notes=[*notes, *kept[0].notes],
    )  # fmt: skip


def _shots(work: Work, protocol: Shots, split: Any, shots: int) -> Outcome:
    start = time.perf_counter()
    scores, draws, chosen, notes = [], [], [], []
    if not protocol.choose:
        work = replace(work, training=work.training.middle())
    kept: list[Fitted] = []
    for attempt in range(protocol.tries):
        rows = protocol.of(work.cases, split.train, shots, attempt)
        fitted = work.learn(rows)
        best = len(fitted[0].candidates) // 2
        if protocol.choose and len(fitted[0].candidates) > 1:
            best, _ = work.choose(fitted, split.val)
        kept = [one.only(best) for one in fitted]
        scores.append(_tested(work, kept, split.test)[0])
        draws.append(rows)
        chosen.append(fitted[0].candidates[best])
        notes += kept[0].notes
    if protocol.choose:
        notes.append(f"val ({len(split.val)} cases) chose, which knows more than the shots")
    if len(draws[0]) < shots:
        notes.append(f"train has only {len(draws[0])} cases; all of them stand for {shots} shots")
    same = {k: [c[k] for c in chosen] for k in chosen[0]}
    settled = {k: v[0] if len(set(v)) == 1 else v for k, v in same.items()}
    return Outcome(
        scores, [split.test] * len(scores), settled, len(draws[0]), shots=shots, draws=draws,
        seconds=time.perf_counter() - start, trainable=_trainable(kept[0]),
        notes=list(dict.fromkeys(notes)),
    )  # fmt: skip


def _tested(
    work: Work, kept: Sequence[Fitted], rows: np.ndarray
) -> tuple[np.ndarray, list[np.ndarray]]:
    """The mean over seeds of what test cases reached, and each seed's."""
    every = [work.scores(one, rows) for one in kept]
    if len(every) == 1:
        return every[0], []
    stacked = np.stack(every)
    known = ~np.isnan(stacked)
    mean = np.where(known, stacked, 0).sum(0) / np.maximum(known.sum(0), 1)
    return np.where(known.any(0), mean, np.nan), every


def _trainable(fitted: Fitted) -> int:
    if not isinstance(fitted, Networks):
        return 0
    return sum(p.numel() for p in fitted.networks[0].parameters())


def _diverged(fitted: Sequence[Fitted]) -> list[str]:
    lost = {
        f"{c['lr']:g}"
        for one in fitted if isinstance(one, Networks)
        for c, gone in zip(one.candidates, one.diverged) if gone
    }  # fmt: skip
    return [f"training diverged at lr {', '.join(sorted(lost))}"] if lost else []
