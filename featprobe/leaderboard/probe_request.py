"""A probe as a leaderboard's file asks for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_type_hints

from featprobe.backbones.offer import Offer
from featprobe.backbones.spec import known_outputs
from featprobe.core.errors import InputError
from featprobe.core.fingerprint import digest
from featprobe.core.jsonvalues import plain
from featprobe.core.yaml_file import at, checked
from featprobe.evaluation.evaluate import requested_views
from featprobe.extraction.options import BLOCKS
from featprobe.features.feature_set import POOLS, FeatureSet
from featprobe.features.prepare import Prepare
from featprobe.features.view_names import view_part
from featprobe.features.wanted import Wanted
from featprobe.leaderboard.row_labels import named
from featprobe.leaderboard.yaml_schema import listed
from featprobe.metrics.thresholds import YOUDEN, rule_of
from featprobe.probes.base import Probe
from featprobe.probes.presets import Preset, preset
from featprobe.probes.registry import PROBES
from featprobe.probes.selection import AUTO, selectable

NAMES = str | Sequence[str]
PROBE = {
    "probe": str, "preset": str, "features": NAMES, "pool": NAMES, "normalize": bool, "pca": int,
    "refit": bool, "select": str, "one_se": bool, "threshold": str | float,
    "augmented": str,
}  # fmt: skip
# given on to ``evaluate`` as they are
OWN = ("normalize", "pca", "select", "one_se", "threshold", "augmented")


@dataclass(frozen=True)
class ProbeRequest:
    """A probe on frozen features.

    ``how``: view, pooling, preparation and choosing, as of ``evaluate``. ``names``: what an
    exclusion may call it. ``fixed``: parameters that the file gives. ``study``: its preset.
    """

    name: str
    probe: Probe
    refit: bool
    how: Mapping[str, Any]
    names: tuple[str, ...] = ()
    fixed: frozenset[str] = frozenset()
    study: Preset | None = None

    def seeded(self, seed: int) -> ProbeRequest:
        """The same with its own draws under a seed, where it has any and the file says none."""
        drawn = [
            n for n in self.probe.get_params()
            if n.split("__")[-1] == "seed" and n not in self.fixed
        ]  # fmt: skip
        return replace(self, probe=self.probe.fresh(**dict.fromkeys(drawn, seed)))

    def views_of(self, offer: Offer | None) -> tuple[str, ...]:
        """The views that it names, or that its preset has of a backbone; of one that is not known
        all that the preset may come to."""
        view = self.how["view"]
        if not isinstance(view, Wanted):
            return tuple(view or ())
        return view.every if offer is None else view.served(offer)

    def of_joined(self) -> ProbeRequest:
        """The same for joined backbones, whose view is their own."""
        pools = self.how["pool"]
        name = named(self.probe.name, "", pools[0] if len(pools) == 1 else "")
        return replace(self, name=name, how={**self.how, "view": None})

    @property
    def choices(self) -> int:
        """Among how many views and poolings val may have to choose."""
        view = self.how["view"]
        most = view.most if isinstance(view, Wanted) else len(view or (None,))
        return most * len(self.how["pool"])

    def read_of(self, offer: Offer) -> tuple[str, ...]:
        """The views that it reads of a backbone, none where it has no view of it."""
        view = self.how["view"]
        if not isinstance(view, Wanted):
            return tuple(view or ())
        every = [view, *(v.views for v in self.study.variants)] if self.study else [view]
        return tuple(dict.fromkeys(v for wanted in every for v in wanted.served(offer)))

    def name_of(self, features: FeatureSet) -> str:
        """What it is called on some features, with the view that its preset has of them."""
        if not isinstance(self.how["view"], Wanted):
            return self.name
        probe = self.on(features)
        views = requested_views(features, probe, self.how["view"], self.how["pool"])
        view, pool = views[0] if len(views) == 1 else ("", "")
        return named(probe.name, view, pool)

    def on(self, features: FeatureSet) -> Probe:
        """The probe for a backbone and a task, which a preset may have variants for."""
        if self.study is None or (variant := self.study.on(features)) is self.study:
            return self.probe
        made = PROBES.get(variant.probe)()
        kept = {*self.fixed, "seed"} & made.get_params().keys() & self.probe.get_params().keys()
        own = {n: self.probe.get_params()[n] for n in kept}
        return made.set_params(**{**variant.params, **own})


def make_probe_requests(
    entry: Mapping[str, Any], place: str, views: Sequence[str] = ()
) -> list[ProbeRequest]:
    """The probe of an entry, once for each view, unless it names its own or those of a study."""
    own = "features" in entry or "preset" in entry
    each = [entry] if own else [dict(entry) | {"features": v} for v in dict.fromkeys(views)]
    return [make_probe_request(e, place) for e in each or [entry]]


def without_views(probes: Sequence[ProbeRequest]) -> list[ProbeRequest]:
    """Of probes that differ in their views alone the first."""
    out: dict[str, ProbeRequest] = {}
    for p in probes:
        rest = {k: v for k, v in p.how.items() if k != "view"}
        study = p.study and p.study.name
        same = [p.probe.name, p.probe.recorded(), p.refit, rest, study]
        out.setdefault(digest(plain(same)), p)
    return list(out.values())


def deepest(
    probes: Sequence[ProbeRequest], extract: Mapping[str, Any], own_views: Iterable[str] = ()
) -> None:
    """Raise :class:`InputError` for a view of more blocks than the file lets be stored.

    ``own_views``: those that joined backbones name."""
    usual = extract.get("blocks", BLOCKS)
    parts = (text.partition(":") for text in extract.get("features", ()))
    own = {name: int(deep) for name, _, deep in parts if deep.isdecimal()}
    fixed = [p for p in probes if "preset" not in p.fixed]  # presets: of networks of all sizes
    of_probes = (v for probe in fixed for v in probe.how["view"] or ())
    for view in dict.fromkeys([*of_probes, *own_views]):
        for output, blocks in (view_part(part, view) for part in view.split("+")):
            stored = own.get(output, usual)
            if blocks > stored:
                raise InputError(
                    f"{view!r} is of {blocks} blocks and {stored} are stored: write 'extract: "
                    f"{{blocks: {blocks}}}'"
                )


def make_probe_request(entry: Mapping[str, Any], place: str) -> ProbeRequest:
    """The probe of an entry; errors name the place. Other keys are parameters of the probe."""
    if ("probe" in entry) == ("preset" in entry):
        raise InputError(f"{place}: either 'probe' or 'preset' is needed")
    study = None
    with at(place):
        if "preset" in entry:
            study = preset(str(entry["preset"]))
        name = study.probe if study else str(entry["probe"])
        name = "logistic" if name == "linear" else name
        made = PROBES.get(name)()
    own = {n: k for n, k in get_type_hints(type(made).__init__).items() if n not in PROBE}
    own.pop("return", None)
    options = checked(entry, PROBE | own, place)
    params = (study.params if study else {}) | {k: v for k, v in options.items() if k in own}
    views = listed(options.get("features"))
    pools = listed(options.get("pool", "mean"))
    with at(place):
        made.set_params(**params)
        made.check_params()
        for view in views:
            known_outputs(view.split("+"))
        for pool in pools:
            if pool not in POOLS:
                raise InputError(f"unknown pooling {pool!r}: use one of {', '.join(POOLS)}")
        Prepare(options.get("normalize", False), options.get("pca"))
    pools = ["bag"] if made.bags else pools
    wanted = study.views if study and not views else None
    lone = len(views) <= 1 and len(pools) == 1  # a preset's view depends on the backbone
    shown = named(name, views[0] if views else "", pools[0]) if lone else named(name)
    how: dict[str, Any] = {"view": wanted or views or None, "pool": pools}
    with at(place):
        selectable(options.get("select", AUTO))
        rule_of(options.get("threshold", YOUDEN))
    how |= study.how if study and "select" not in options else {}
    how |= {k: options[k] for k in OWN if k in options}
    refit = options.get("refit", study.refit if study else True)
    first = wanted.options[0] if wanted else ()  # what it was called before backbones were asked
    once = [named(name, first[0], pools[0])] if len(first) == 1 and len(pools) == 1 else []
    names = dict.fromkeys([shown, named(name), name, *([study.name] if study else []), *once])
    return ProbeRequest(shown, made, refit, how, tuple(names), frozenset(options), study)
