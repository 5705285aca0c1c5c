"""Paired differences between results, from the scores that were kept of the same test items."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

from featprobe.core.errors import InputError, UnknownName, nearest
from featprobe.core.jsonvalues import plain
from featprobe.evaluation.results import Result
from featprobe.leaderboard.kept_scores import KeptScores, called, load
from featprobe.leaderboard.leagues import ACROSS, League, identity, leagues
from featprobe.leaderboard.row_labels import backbone_name, probe_name, setting, unusual
from featprobe.metrics import measures as metrics
from featprobe.stats.paired_tests import differ
from featprobe.stats.power import Spread
from featprobe.stats.resampling import RESAMPLES

BETWEEN = ("backbones", "probes", "all")


@dataclass(frozen=True)
class Comparison:
    """``one`` minus ``other`` in a metric on the same test items.

    ``low``, ``high``: 95 % interval, ``p``: two-sided, both of ``test`` for this pair alone.
    ``adjusted_low``, ``adjusted_high``, ``adjusted``: the same for all ``pairs`` of a family at
    once, the comparisons of what has ``family`` in common (a probe, a backbone) in one league.
    Either interval excludes zero if and only if its p is below 0.05; NaN where there is none.
    ``spread``: what the difference would vary by in another study.
    """

    one: Result
    other: Result
    metric: str
    values: tuple[float, float]
    difference: float
    low: float
    high: float
    p: float
    adjusted_low: float
    adjusted_high: float
    adjusted: float
    test: str
    family: str
    pairs: int
    spread: Spread

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, the two results by what tells them apart and their ids."""
        names = (
            "metric", "difference", "low", "high", "p", "adjusted_low", "adjusted_high",
            "adjusted", "test", "family", "pairs",
        )  # fmt: skip
        out: dict[str, Any] = {n: getattr(self, n) for n in names}
        sides = zip(("one", "other"), (self.one, self.other), self.values)
        for name, r, value in sides:
            out[name] = {
                "id": r.id, "backbone": r.backbone, "probe": probe_name(r), "setting": setting(r),
                "value": value,
            }  # fmt: skip
        first = self.one
        out |= {"dataset": first.dataset, "protocol": first.protocol, "shots": first.shots}
        return plain(out)


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
    across: Collection[str] = (),
) -> tuple[list[Comparison], list[str]]:
    """Compare results of the same test items, and say which could not be compared.

    ``between``: ``backbones`` under one probe, ``probes`` on one backbone, or ``all`` results of a
    league. Each is compared with the best of them by ``metric`` (None: that of the task), with
    the one named by ``against`` (a backbone, between probes a probe, between all either), or
    ``all_pairs``. Between all, against a probe, it is the one on the same backbone, and where that
    has none the only one of the league. Which is best the data say, and it could have been any: a
    comparison with the best, of all or of several that are named, is one of the family of all
    that could have been made.
    ``test``: see :func:`~featprobe.stats.paired_tests.differ`; ``across``: see
    :func:`~featprobe.leaderboard.leagues.league`.

    Raises :class:`UnknownName` for an ``against`` that nothing is called and :class:`InputError`
    where nothing can be compared, or where scores do not reach what their result says.
    """
    families: dict[tuple[League, str], list[Result]] = {}
    for key, members in sorted(leagues(found, across).items()):
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
        notes += kept.left_out.values()
        sign = 1 if metrics.about(by).higher else -1
        there = [r for r in members if r.id in kept.scored]
        ranked = sorted(there, key=lambda r: -sign * kept.value[r.id])
        chosen = [r for r in ranked if against is None or against in _names(r, between)]
        a_probe = between == "all" and any(probe_name(r) == against for r in members)
        rivals = {r.id: _rivals(r, chosen, a_probe) for r in ranked}
        if a_probe and chosen:
            notes += [
                f"{called(r)}: there is no {against} on its backbone, and on several others"
                for r in ranked if not rivals[r.id]
            ]  # fmt: skip
        meet = {(r.id, c.id) for r in ranked for c in rivals[r.id]}
        could = [
            (a, b) for a, b in combinations(ranked, 2) if {(a.id, b.id), (b.id, a.id)} & meet
        ]  # fmt: skip
        pairs = could
        if not all_pairs:
            best = [(r, rivals[r.id][0]) for r in ranked if rivals[r.id]]
            pairs = [(r, first) for r, first in best if first.id != r.id]
        try:
            out += _differences(kept, pairs, could, by, test, resamples, family)
        except InputError as error:  # a test that does not hold here may hold elsewhere
            notes.append(f"{members[0].dataset}, {family or 'all'}: {error}")
    if not out:
        why = f": {notes[0]}" if notes else ""
        add = _instead(found, between)
        raise InputError(
            f"no two results of the same test items to compare between {between}{why}{add}"
        )
    return out, notes


def _instead(found: Sequence[Result], between: str) -> str:
    """What would make pairs of these results, where it is plain."""
    backbones, probes = ({n(r) for r in found} for n in (_backbone_of, probe_name))
    if between == "backbones" and len(backbones) == 1 and len(probes) > 1:
        return (
            f". There is one backbone ({next(iter(backbones))}) and {len(probes)} probes: add "
            "--between probes, or extract and probe with another backbone"
        )
    if between == "probes" and len(probes) == 1 and len(backbones) > 1:
        return (
            f". There is one probe ({next(iter(probes))}) and {len(backbones)} backbones: leave "
            "--between probes out, or run another probe"
        )
    if between == "backbones" and len(backbones) > 1 and len(probes) > 1:
        of = {b: sorted({probe_name(r) for r in found if r.backbone == b}) for b in backbones}
        text = "; ".join(f"{b}: {', '.join(p)}" for b, p in sorted(of.items()))
        return (
            f". Backbones are compared under the same probe and setting; there is {text}. Run one "
            "probe on both, or add --between all"
        )
    for name in ACROSS:
        differ = sorted({identity(r)[name] or "none" for r in found})
        joined = leagues(found, (name,)).values() if len(differ) > 1 else ()
        if any(len({_common(r, between, found) for r in m}) < len(m) for m in joined):
            return f". They differ in {name} ({'; '.join(differ)}): add --across {name}"
    return ""


def _backbone_of(r: Result) -> str:
    return r.backbone


def _rivals(r: Result, chosen: Sequence[Result], by_backbone: bool) -> list[Result]:
    """Those of the ``chosen``, best first, with whose best a result is compared.

    ``by_backbone``: those on the same backbone, whose features were made in the same way if
    possible; of another one only where all chosen ones are on it.
    """
    if not by_backbone:
        return list(chosen)
    near = [c for c in chosen if c.backbone == r.backbone]
    near = [c for c in near if c.variant == r.variant] or near
    lone = len({c.backbone for c in chosen}) == 1
    return near or (list(chosen) if lone else [])


def _differences(
    kept: KeptScores, pairs: Sequence[tuple[Result, Result]],
    could: Sequence[tuple[Result, Result]], metric: str, test: str, resamples: int, family: str,
) -> list[Comparison]:  # fmt: skip
    """The ``pairs``, each one, or its reverse, of the family of those that ``could`` be made."""
    if not pairs:
        return []
    place = {i: k for k, i in enumerate(kept.scored)}
    at = {(a.id, b.id): n for n, (a, b) in enumerate(could)}
    one = could[0][0]
    seed = int(one.split.get("seed") or 0)  # that of the split, which all of a league share
    found = differ(
        list(kept.scored.values()), metric, [(place[a.id], place[b.id]) for a, b in could], test,
        resamples=resamples, seed=seed, shared=float(one.split.get("shared") or 0),
    )  # fmt: skip
    scored = kept.scored[one.id]
    several = len(scored.tries) if scored.rows is None else 1
    out = []
    for a, b in pairs:
        turned = (a.id, b.id) not in at
        n = at[(b.id, a.id) if turned else (a.id, b.id)]
        spread = Spread(
            float(found.patients[n]),
            scored.patients,
            float(found.tries[n]),
            several,
            found.critical,
        )
        made = Comparison(
            a, b, metric, (kept.value[a.id], kept.value[b.id]), float(found.difference[n]),
            float(found.low[n]), float(found.high[n]), float(found.p[n]),
            float(found.joint_low[n]), float(found.joint_high[n]), float(found.joint_p[n]),
            test, family, len(could), spread,
        )  # fmt: skip
        out.append(_turned(made) if turned else made)
    return out


def _turned(c: Comparison) -> Comparison:
    """The numbers of the reverse difference."""
    return replace(
        c, difference=-c.difference, low=-c.high, high=-c.low, adjusted_low=-c.adjusted_high,
        adjusted_high=-c.adjusted_low,
    )  # fmt: skip


def _common(r: Result, between: str, found: Sequence[Result]) -> str:
    """What the results that are compared with each other have in common within a league."""
    if between not in BETWEEN:
        raise InputError(f"compare between {', '.join(BETWEEN)}, not {between!r}")
    described = ", ".join([probe_name(r), *unusual(r)])
    return {"backbones": described, "probes": backbone_name(r, found), "all": ""}[between]


def _names(r: Result, between: str) -> tuple[str, ...]:
    """What ``against`` may call a result."""
    named = {"backbones": (r.backbone,), "probes": (probe_name(r),)}
    return named.get(between, (r.backbone, probe_name(r)))
