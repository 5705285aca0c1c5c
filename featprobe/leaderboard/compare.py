"""Paired differences between results, from the scores that were kept of the same test items."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from featprobe import metrics, results
from featprobe.errors import InputError, UnknownName, nearest
from featprobe.leaderboard.board import League, leagues, sortable
from featprobe.leaderboard.labels import backbone_name, probe_name, setting, unusual
from featprobe.results import Result
from featprobe.scored import Scored
from featprobe.stats.named import differ
from featprobe.stats.paired import holm, paired, permutation
from featprobe.stats.resampling import RESAMPLES, bootstrap

ALPHA = 0.05
AFFORDABLE = 1_000_000  # scores of a model: of as many, a test takes seconds
ENOUGH = 20  # swaps that differ as much: p is then far from small
BETWEEN = ("backbones", "probes", "all")


@dataclass(frozen=True)
class Comparison:
    """``one`` minus ``other`` in a metric on the same test items.

    ``low``, ``high``: 95 % interval of a bootstrap over patients; ``p``: two-sided, of ``test``;
    ``adjusted``: p after Holm over the family, the comparisons that were made together of what has
    ``family`` in common (a probe, a backbone) in one league.
    """

    one: Result
    other: Result
    metric: str
    values: tuple[float, float]
    difference: float
    low: float
    high: float
    p: float
    test: str
    family: str
    adjusted: float = math.nan

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, the two results by what tells them apart and their ids."""
        names = ("metric", "difference", "low", "high", "p", "test", "family", "adjusted")
        out: dict[str, Any] = {n: getattr(self, n) for n in names}
        sides = zip(("one", "other"), (self.one, self.other), self.values)
        for name, r, value in sides:
            out[name] = {
                "id": r.id, "backbone": r.backbone, "probe": probe_name(r), "setting": setting(r),
                "value": value,
            }  # fmt: skip
        first = self.one
        out |= {"dataset": first.dataset, "protocol": first.protocol, "shots": first.shots}
        return results.plain(out)


@dataclass
class Kept:
    """The scores of the results of one league, by id, all of the same items in the same order, and
    what they reach in the metric; ``left_out``: why some results are not among them."""

    scored: dict[str, Scored]
    value: dict[str, float]
    left_out: list[str]


def load(cache: Path, members: Sequence[Result], metric: str) -> Kept:
    """Read the scores of results of one league; the first that can be read says which items."""
    kept = Kept({}, {}, [])
    for r in members:
        where = f"{r.dataset} / {r.backbone} / {probe_name(r)}"
        try:
            scored = results.scored(cache, r)
            value = scored.mean([metric])[metric]
            if math.isnan(value):
                raise InputError(f"{metric} is not defined")
            if kept.scored:
                scored = _aligned(scored, next(iter(kept.scored.values())))
        except InputError as error:
            kept.left_out.append(f"{where}: {error}")
            continue
        kept.scored[r.id], kept.value[r.id] = scored, value
    return kept


def _aligned(scored: Scored, first: Scored) -> Scored:
    if not np.array_equal(np.sort(scored.ids), np.sort(first.ids)):
        raise InputError("its test items are others than those of the first result")
    scored = scored.in_order(first.ids)
    same = np.array_equal(scored.y, first.y, equal_nan=True)
    if not same or not np.array_equal(scored.groups, first.groups):
        raise InputError("labels or patients of its test items differ from the first result's")
    if len(scored.tries) != len(first.tries):
        raise InputError(f"{len(scored.tries)} tries where the first result has {len(first.tries)}")
    if scored.rows and not all(map(np.array_equal, scored.rows, first.rows or ())):
        raise InputError("its folds are others than those of the first result")
    return scored


def compare(
    cache: Path,
    found: Sequence[Result],
    metric: str | None = None,
    *,
    between: str = "backbones",
    against: str | None = None,
    all_pairs: bool = False,
    test: str = "permutation",
    resamples: int = RESAMPLES,
) -> tuple[list[Comparison], list[str]]:
    """Compare results of the same test items, and say which could not be compared.

    ``between``: ``backbones`` under one probe, ``probes`` on one backbone, or ``all`` results of a
    league. Each is compared with the best of them by ``metric`` (None: that of the task), with
    the one named by ``against`` (a backbone, between probes a probe, between all either), or
    ``all_pairs``. Between all, against a probe, it is the one on the same backbone, and where that
    has none the only one of the league. Holm's correction is over the comparisons among these.
    ``test``: see :func:`~featprobe.stats.named.differ`.

    Raises :class:`UnknownName` for an ``against`` that nothing is called and :class:`InputError`
    where nothing can be compared.
    """
    families: dict[tuple[League, str], list[Result]] = {}
    for key, members in sorted(leagues(found).items()):
        for r in members:
            families.setdefault((key, _common(r, between, found)), []).append(r)
    names = {name for r in found for name in _names(r, between)}
    if against is not None and against not in names:
        raise UnknownName(
            f"no result of {against!r}.{nearest(against, names)} There: {', '.join(sorted(names))}"
        )
    out: list[Comparison] = []
    notes: list[str] = []
    for (_, family), members in families.items():
        by = metric or metrics.ranking(members[0].task)
        if len(members) < 2:
            continue
        kept = load(cache, members, by)
        notes += kept.left_out
        sign = 1 if metrics.about(by).higher else -1
        there = [r for r in members if r.id in kept.scored]
        ranked = sorted(there, key=lambda r: -sign * kept.value[r.id])
        if all_pairs:
            pairs = list(combinations(ranked, 2))
        else:
            chosen = [r for r in ranked if against is None or against in _names(r, between)]
            a_probe = any(probe_name(r) == against for r in members)
            pairs, alone = _against(chosen, ranked, between == "all" and a_probe)
            notes += [
                f"{r.dataset} / {r.backbone} / {probe_name(r)}: there is no {against} on its "
                "backbone, and on several others"
                for r in alone
            ]
        boot = {
            r.id: bootstrap(kept.scored[r.id], wanted=[by], resamples=resamples, seed=_seed(r))[by]
            for r in {r.id: r for pair in pairs for r in pair}.values()
        }
        swaps = _swaps(resamples, len(pairs))
        try:
            made = [_difference(kept, boot, pair, by, test, swaps, family) for pair in pairs]
        except InputError as error:  # a test that does not hold here may hold elsewhere
            notes.append(f"{members[0].dataset}, {family or 'all'}: {error}")
            continue
        out += adjust(made)
    if not out:
        why = f": {notes[0]}" if notes else ""
        raise InputError(f"no two results of the same test items to compare between {between}{why}")
    return out, notes


def _against(
    chosen: Sequence[Result], ranked: Sequence[Result], by_backbone: bool
) -> tuple[list[tuple[Result, Result]], list[Result]]:
    """Each result with the first of the ``chosen``, and those that have none to be compared with.

    ``by_backbone``: with the first of those on the same backbone, whose features were made in the
    same way if possible; of another one only where all chosen ones are on it.
    """
    pairs, alone = [], []
    lone = len({c.backbone for c in chosen}) == 1
    for r in ranked:
        near = [c for c in chosen if c.backbone == r.backbone] if by_backbone else []
        near = [c for c in near if c.variant == r.variant] or near
        if by_backbone and not near and not lone:
            alone += [r] if chosen else []
        elif (first := (near or chosen)[:1]) and first[0] is not r:
            pairs.append((r, first[0]))
    return pairs, alone


def _common(r: Result, between: str, found: Sequence[Result]) -> str:
    """What the results that are compared with each other have in common within a league."""
    if between not in BETWEEN:
        raise InputError(f"compare between {', '.join(BETWEEN)}, not {between!r}")
    asked = ", ".join([probe_name(r), *unusual(r)])
    return {"backbones": asked, "probes": backbone_name(r, found), "all": ""}[between]


def _names(r: Result, between: str) -> tuple[str, ...]:
    """What ``against`` may call a result."""
    named = {"backbones": (r.backbone,), "probes": (probe_name(r),)}
    return named.get(between, (r.backbone, probe_name(r)))


def _seed(r: Result) -> int:
    """Of a league's resamples: that of its split, which its results have in common."""
    return int(r.split.get("seed") or 0)


def _difference(
    kept: Kept, boot: dict[str, np.ndarray], pair: tuple[Result, Result], metric: str,
    test: str, swaps: int, family: str,
) -> Comparison:  # fmt: skip
    one, other = (kept.scored[r.id] for r in pair)
    of = paired(boot[pair[0].id], boot[pair[1].id], one.patients)
    found = differ(one, other, metric, test, resamples=swaps, seed=_seed(pair[0]))
    values = (kept.value[pair[0].id], kept.value[pair[1].id])
    return Comparison(
        *pair, metric, values, found.difference, of.low, of.high, found.p, test, family
    )


def adjust(family: Sequence[Comparison]) -> list[Comparison]:
    """The comparisons of one family with Holm's correction."""
    values = holm(np.array([c.p for c in family]))
    return [replace(c, adjusted=float(p)) for c, p in zip(family, values)]


class Ties:
    """Which results of a league are tied with its best: after Holm over the league, the permutation
    test against it is not significant at 0.05.

    A result without kept scores is not tested, nor is a league with more scores than
    :data:`AFFORDABLE` a model; ``notes`` says so.
    """

    def __init__(self, cache: Path, resamples: int = RESAMPLES) -> None:
        self._cache, self._resamples = cache, resamples
        self.notes: list[str] = []

    def __call__(self, members: Sequence[Result], metric: str) -> set[str]:
        """The ids of those tied, the best among them; ``members`` are best first."""
        if len(members) < 2 or not math.isfinite(sortable(members[0], metric)):
            return set()
        kept = load(self._cache, members, metric)
        if kept.left_out:
            self.notes.append(f"not tested for a tie: {'; '.join(kept.left_out)}")
        best = kept.scored.pop(members[0].id, None)
        if best is None or not kept.scored:
            return set()
        if sum(p.size for p in best.tries) > AFFORDABLE:
            self.notes.append(
                f"{members[0].dataset}, {setting(members[0])}: ties are not tested among so many "
                "scores; 'featprobe compare' does"
            )
            return set()
        tests = [
            permutation(
                best, other, metric, resamples=_swaps(self._resamples, len(kept.scored)),
                seed=_seed(members[0]), enough=ENOUGH,
            )
            for other in kept.scored.values()
        ]  # fmt: skip
        adjusted = holm(np.array([t.p for t in tests]))
        same = {i for i, p in zip(kept.scored, adjusted) if p >= ALPHA}
        return same | {members[0].id} if same else set()


def _swaps(resamples: int, comparisons: int) -> int:
    """How many swaps are drawn: the smallest p that they can give must survive Holm."""
    return max(resamples, 50 * comparisons)
