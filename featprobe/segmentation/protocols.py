"""Protocols carried out: learn, choose on val, test."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from featprobe.core.errors import InputError
from featprobe.segmentation.fitted import Fitted, Networks
from featprobe.segmentation.partition import Protocol, Shots
from featprobe.segmentation.rates import choose
from featprobe.segmentation.work import Outcome, Work


def run_protocol(work: Work, protocol: Protocol, split: Any) -> list[Outcome]:
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
            kept=None,
            notes=list(dict.fromkeys(n for p in parts for n in p.notes)),
        )
    ]


def _full(work: Work, split: Any) -> Outcome:
    start = time.perf_counter()
    fit, notes = split.train, list[str]()
    val: dict[str, float] = {}
    fitted = work.learn(fit)
    best, several = 0, len(fitted[0].candidates)
    if several > 1:
        if not len(split.val):
            raise InputError(
                f"the split has no val items, by which one of {several} candidates would be "
                "chosen; give one"
            )
        found = choose(work, fitted, fit, split.val)
        fitted, best, val = found.fitted, found.best, found.val
        notes += [*_diverged(fitted), *found.notes]
    if work.refit:
        fit = np.r_[split.train, split.val]
        again = work.training
        if work.decoder.trained:
            again = replace(again, lr=(fitted[0].candidates[best]["lr"],))
        fitted = work.learn(fit, again)
        best = 0 if work.decoder.trained else best
    chosen = fitted[0].candidates[best]
    kept = [one.only(best) for one in fitted]
    seconds = time.perf_counter() - start
    scores, spread = _tested(work, kept, split.test)
    return Outcome(
        [scores], [split.test], chosen, len(fit), val, seconds=seconds, spread=spread,
        trainable=_trainable(kept[0]), notes=[*notes, *kept[0].notes], kept=kept[0],
    )  # fmt: skip


def _shots(work: Work, protocol: Shots, split: Any, shots: int) -> Outcome:
    start = time.perf_counter()
    scores, draws, chosen, notes = [], [], [], []
    if not protocol.choose:
        work = replace(work, training=work.training.middle())
    kept: list[Fitted] = []
    for attempt in range(protocol.tries):
        rows = protocol.of(work.items, split.train, shots, attempt)
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
        notes.append(f"val ({len(split.val)} items) chose, which knows more than the shots")
    if len(draws[0]) < shots:
        notes.append(f"train has only {len(draws[0])} items; all of them stand for {shots} shots")
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
    """The mean over seeds of what test items reached, and each seed's."""
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
