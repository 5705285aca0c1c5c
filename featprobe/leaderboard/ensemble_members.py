"""Which results a user means by the members of an ensemble."""

from __future__ import annotations

from collections.abc import Sequence

from featprobe.core.errors import InputError, UnknownName, nearest
from featprobe.evaluation.results import Result
from featprobe.leaderboard.ensembles import MAY_DIFFER, refuse_unlike
from featprobe.leaderboard.kept_scores import called
from featprobe.leaderboard.leagues import leagues
from featprobe.leaderboard.row_labels import ENSEMBLE, probe_name
from featprobe.store.cache import called as called_so

SHORTEST = 6  # characters of an id
NAMED = 6  # of several that are meant


def ensembles_of(found: Sequence[Result], names: Sequence[str]) -> list[list[Result]]:
    """The members of each ensemble: of every league in which each name is one result.

    A name is the id of a result or its beginning, a backbone, or ``BACKBONE/PROBE``
    (``resnet50/linear``), a probe as tables call it. Of ids alone there is one ensemble, also
    of several data sets (modalities of the same items).

    Raises :class:`UnknownName` for a name of no result, and :class:`InputError` where one is
    several results, or no league has all.
    """
    meant = {name: _meant(found, name) for name in names}
    if all(_by_id(found, name) for name in names):
        return [[_one(meant[name], name) for name in names]]
    out, several = [], []
    every = {r.id: r for of in meant.values() for r in of}
    for members in leagues(list(every.values()), MAY_DIFFER).values():
        there = {r.id for r in members}
        each = [[r for r in meant[name] if r.id in there] for name in names]
        if not all(each):
            continue
        try:
            out.append([_one(of, name) for of, name in zip(each, names)])
        except InputError as error:
            several.append(error)
    if out:
        return out
    if several:
        raise several[0]
    firsts = [meant[name][0] for name in names]
    if len({r.dataset for r in firsts}) > 1:
        raise InputError(
            f"no data set has results of all of {', '.join(names)}; name members of several data "
            "sets by their ids (featprobe leaderboard --json)"
        )
    refuse_unlike(firsts)
    raise InputError(f"no league has results of all of {', '.join(names)}")


def _by_id(found: Sequence[Result], name: str) -> list[Result]:
    if len(name) < SHORTEST:
        return []
    return [r for r in found if r.id.startswith(name)]


def _meant(found: Sequence[Result], name: str) -> list[Result]:
    if of_id := _by_id(found, name):
        return of_id
    single = [r for r in found if r.probe != ENSEMBLE]  # a backbone is not that of an ensemble
    exact = [r for r in single if r.backbone == name]
    whole = exact or [r for r in single if called_so(r.backbone, name)]
    if whole:
        return whole
    backbone, _, probe = name.rpartition("/")
    found_so = [r for r in single if called_so(r.backbone, backbone) and probe_name(r) == probe]
    if found_so:  # a name in full is not the beginning of another's
        return [r for r in found_so if r.backbone == backbone] or found_so
    known = [*{r.backbone for r in single}, *{f"{r.backbone}/{probe_name(r)}" for r in single}]
    raise UnknownName(
        f"no result of {name!r}.{nearest(name, known)} A member is a backbone, BACKBONE/PROBE or "
        f"the id of a result. There: {', '.join(sorted(known)[:12])}"
    )


def _one(results: Sequence[Result], name: str) -> Result:
    if len(results) == 1:
        return results[0]
    said = [f"{r.id} ({called(r).removeprefix(f'{r.dataset} / ')})" for r in results[:NAMED]]
    more = f" and {len(results) - NAMED} more" if len(results) > NAMED else ""
    raise InputError(
        f"{name!r} is {len(results)} results of {results[0].dataset}: {', '.join(said)}{more}; "
        "name one by its id or as BACKBONE/PROBE"
    )
