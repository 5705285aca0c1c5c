"""A protocol as a leaderboard's file asks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, get_type_hints

from featprobe.core.errors import InputError, look_up
from featprobe.core.yaml_file import at, checked
from featprobe.evaluation.protocols import CrossVal, FewShot, Full, LeaveOneOut, Protocol
from featprobe.leaderboard.probe_request import ProbeRequest
from featprobe.leaderboard.yaml_schema import listed
from featprobe.splits.partition import check_subset, subset_text
from featprobe.splits.shots import DRAWN

KINDS: Mapping[str, type[Protocol]] = {
    "full": Full, "fewshot": FewShot, "cv": CrossVal, "loo": LeaveOneOut,
}  # fmt: skip
ABOVE = ("name", "seed", "split_version", "refit")  # which a file says for all, or of a probe
SHOTS = {"shots": int | Sequence[int], "subset": float | Sequence[float]}


def schema(name: str) -> dict[str, Any]:
    """Key -> kind of an entry: the options of the protocol of that name."""
    kind = look_up("protocol", name, KINDS)
    own = {n: k for n, k in get_type_hints(kind).items() if n not in ABOVE}
    return {"protocol": str} | {n: SHOTS.get(n, k) for n, k in own.items()}


@dataclass(frozen=True)
class ProtocolRequest:
    """A protocol but for its seed; ``options`` are pairs."""

    kind: str
    options: tuple[tuple[str, Any], ...] = ()

    def make(self, seed: int = 0, refit: bool = True, split_version: int | None = None) -> Protocol:
        """The protocol of a seed; of what it has no use for nothing is taken."""
        kind = KINDS[self.kind]
        own = {f.name for f in fields(kind)}
        common: dict[str, Any] = {"seed": seed, "refit": refit, "split_version": split_version}
        given = {k: v for k, v in common.items() if k in own and v is not None}
        return kind(**given, **dict(self.options))

    @property
    def subset(self) -> float:
        """The fraction of train and val that there is, or above 1 the number of training items."""
        return float(dict(self.options).get("subset", 1))

    @property
    def name(self) -> str:
        """What is unusual of it, empty for train, val and test as they are."""
        o = dict(self.options)
        if self.kind == "fewshot":
            made = self.make()
            assert isinstance(made, FewShot)
            by = " patients" if made.by == "patient" else ""
            way = "" if made.draw == DRAWN else f" {made.draw}"
            way += " chosen on val" if made.choose else ""
            return f"fewshot {','.join(map(str, made.shots))}{by} x {made.tries}{way}"
        if self.kind != "full":
            return self.kind
        said = [subset_text(o["subset"])] if "subset" in o else []
        said += [f"{o['repeats']} splits"] if "repeats" in o else []
        return ", ".join(said)

    @property
    def trains(self) -> bool:
        """Whether a fine-tuning can be under it: one split, with all of train or a part of it."""
        return self.kind == "full" and "repeats" not in dict(self.options)

    @property
    def seeded(self) -> bool:
        """Whether a seed changes anything."""
        return self.kind != "loo"

    @property
    def choosing(self) -> bool:
        """Whether val chooses."""
        return self.kind in ("full", "cv") or bool(dict(self.options).get("choose"))

    def refuses(self, probe: ProbeRequest, seeds: int) -> str:
        """Why a probe cannot be under it, or not with so many seeds; empty where it can."""
        if not self.choosing and probe.choices > 1:
            return f"{self.kind} has no val to choose among views: use 'views' for one row each"
        if self.kind == "loo" and not hasattr(probe.probe, "leave_one_out"):
            return "loo is for knn, which need not be fitted anew"
        if self.kind == "loo" and len(probe.probe.candidates()) > 1:
            return "loo has no val to choose among settings: give one k"
        if seeds > 1 and "repeats" in dict(self.options):
            return "'repeats' and several seeds are both new splits: use one of them"
        return ""


def make_protocol_requests(entry: Mapping[str, Any], place: str) -> list[ProtocolRequest]:
    """The protocols of an entry, one for each of its subsets; errors name the place."""
    if "protocol" not in entry:
        raise InputError(f"{place}: 'protocol' is needed: {', '.join(KINDS)}")
    with at(place):
        kinds = schema(str(entry["protocol"]))
    given = checked(entry, kinds, place)
    kind = given.pop("protocol")
    if "shots" in given:
        given["shots"] = tuple(listed(given["shots"]))
    subsets = listed(given.pop("subset", None)) or [1.0]
    return [made(kind, given, float(part), place) for part in dict.fromkeys(subsets)]


def made(kind: str, options: Mapping[str, Any], subset: float, place: str) -> ProtocolRequest:
    """A protocol whose options have been looked at; errors name the place."""
    with at(place):
        check_subset(subset)
    given = {k: v for k, v in options.items() if v is not None}
    given |= {"subset": subset} if subset != 1 else {}
    out = ProtocolRequest(kind, tuple(sorted(given.items())))
    with at(place):
        out.make()
    return out
