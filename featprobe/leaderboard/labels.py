"""What a result is called in tables."""

from __future__ import annotations

from collections.abc import Sequence

from featprobe.errors import FeatprobeError
from featprobe.probes.named import PROBES
from featprobe.results import Result, plain

SEEN = "†"
SAID = 3  # unusual parameters named in a table


def setting(r: Result) -> str:
    """The setting of a result in a few characters: ``k=20``, ``1 % of train, C=0.01``."""
    level = f"by {r.settings['level']}" if "level" in r.settings else ""
    part = f"{100 * r.settings['subset']:g} % of train" if "subset" in r.settings else ""
    return ", ".join(filter(None, (part, _chosen(r), *unusual(r), level)))


def unusual(r: Result) -> list[str]:
    """Parameters of the probe that are not its defaults and were not searched, and preparation."""
    said = [n for n in ("normalize",) if r.settings.get(n)]
    said += [f"pca={r.settings['pca']}"] if r.settings.get("pca") else []
    try:
        made = PROBES.get(r.probe)()
    except FeatprobeError:  # zero-shot, or a probe of a package that is not there
        return said
    usual = {k: plain(v) for k, v in made.get_params(deep=False).items()}
    for name, value in r.params.items():
        if name in usual and name not in r.searched and plain(value) != usual[name]:
            told = f"{value:.3g}" if isinstance(value, float) else str(value)
            said.append(f"{name}={told[:16]}{'...' * (len(told) > 16)}")
    return [*said[:SAID], "..."] if len(said) > SAID else said


def _chosen(r: Result) -> str:
    """What val chose, a view among several too, or the number of shots or folds."""
    if r.shots is not None:
        unit = "patients" if r.settings.get("by") == "patient" else "shots"
        return f"{r.shots} {unit} x {r.settings['tries']}"
    if r.protocol == "cv":
        return f"{r.settings['folds']} folds"
    said = [f"{r.view} {r.pool}" if r.pool != "mean" else r.view] if "views" in r.settings else []
    for key in r.searched or [k for k in ("k", "Cs") if k in r.params]:
        name, value = key.split("__")[-1], r.params.get(key)
        if value is not None:
            told = f"{value:.3g}" if isinstance(value, float) else str(value)
            said.append(f"{name.removesuffix('s')}={told}")
    return ", ".join(said)


def probe_name(r: Result) -> str:
    """The verb of a result: ``knn``, ``linear``, ``fewshot logistic``; other views are said."""
    name = f"fewshot {r.probe}" if r.protocol == "fewshot" else r.probe
    name = "linear" if name == "logistic" else name
    if "views" in r.settings:  # the one that was chosen is part of the setting
        return name
    view = "" if r.view in ("cls", "mean") else f" {r.view}"
    return name + view + ("" if r.pool in ("mean", "bag") else f" pool {r.pool}")


def backbone_name(r: Result, among: Sequence[Result]) -> str:
    """The backbone; marked where the same one appears with features made otherwise, or was
    pretrained on the data."""
    same = {o.variant for o in among if (o.dataset, o.backbone) == (r.dataset, r.backbone)}
    name = r.backbone if len(same) == 1 else f"{r.backbone} #{r.variant[:4]}"
    return f"{name} {SEEN}" if r.overlap else name
