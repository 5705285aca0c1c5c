"""What a result is called in tables."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from featprobe.core.errors import FeatprobeError
from featprobe.core.jsonvalues import plain
from featprobe.evaluation.result_list import chosen
from featprobe.evaluation.results import Result
from featprobe.finetuning.settings import Training
from featprobe.probes.registry import PROBES
from featprobe.probes.selection import Criterion

SEEN = "†"
ENSEMBLE = "ensemble"  # as the probe of a Result
WEIGHTED = {"val": ", weights by val", "given": ", weighted"}
SAID = 3  # unusual parameters named in a table


def setting(r: Result) -> str:
    """The setting of a result in a few characters: ``k=20``, ``1 % of train, C=0.01``."""
    level = f"by {r.settings['level']}" if "level" in r.settings else ""
    part = f"{100 * r.settings['subset']:g} % of train" if "subset" in r.settings else ""
    seeds = f"{len(r.seeds)} seeds" if r.seeds else ""
    source = f"trained on {r.settings['source']}" if r.settings.get("source") else ""
    return ", ".join(
        filter(None, (source, part, chosen(r), *unusual(r), *_selected(r), level, seeds))
    )


def _selected(r: Result) -> list[str]:
    """By what val chose, where it is not the default of the task."""
    if "select" not in r.settings:
        return []
    criterion = Criterion(r.task, r.settings["select"], r.settings.get("one_se", True))
    return [] if criterion.usual else [f"select={criterion.by}"]


def unusual(r: Result) -> list[str]:
    """Parameters of the probe that are not its defaults and were not searched, and preparation."""
    if finetuned(r):
        return _shortened(_training(r), 2 * SAID)
    if segmented(r):
        return _shortened(_decoding(r), 2 * SAID)
    parts = [n for n in ("normalize",) if r.settings.get(n)]
    parts += [f"pca={r.settings['pca']}"] if r.settings.get("pca") else []
    parts += [f"views in {r.settings['augmented']}"] if r.settings.get("augmented") else []
    parts += ["no refit"] if r.settings.get("refit") is False else []
    usual = _usual(r.probe)
    for name, value in r.params.items():
        if name in usual and name not in r.searched and plain(value) != usual[name]:
            parts.append(_text(name, value))
    return _shortened(parts)


@cache
def _usual(probe: str) -> dict[str, Any]:
    """Parameters of a probe as they are by default; none of zero-shot, or of a package that is not
    there. Looked up once: a table has hundreds of rows of few probes."""
    try:
        made = PROBES.get(probe)()
    except FeatprobeError:
        return {}
    return {k: plain(v) for k, v in made.get_params(deep=False).items()}


def finetuned(r: Result) -> bool:
    """Whether the backbone was trained."""
    return r.probe == "finetune"


def segmented(r: Result) -> bool:
    """Whether it is of masks, from a decoder on frozen tokens."""
    return r.probe == "segment"


def _decoding(r: Result) -> list[str]:
    """Options of the decoder and of its training that are not the default."""
    from featprobe.segmentation.decoders.named import make_decoder  # both import torch,
    from featprobe.segmentation.training import Training as Decoding  # which others do not need

    usual = Decoding().to_dict()
    with contextlib.suppress(FeatprobeError):  # a decoder of a package that is not there
        usual |= make_decoder(r.params["decoder"]).to_dict()
    options = {n: v for n, v in r.params.items() if n in usual and n not in r.searched}
    parts = [_text(n, v) for n, v in options.items() if plain(v) != plain(usual[n])]
    seeds = len(r.settings.get("seeds", ()))
    parts += [f"{seeds} seeds"] if seeds > 1 else []
    return [*parts, *(["refit"] if r.settings.get("refit") else [])]


def _training(r: Result) -> list[str]:
    """The options of the recipe that are not off, then what is not the default of a training."""
    usual = Training().to_dict()
    options = {n: v for n, v in r.params.items() if n not in ("recipe", "decoder", *r.searched)}
    if r.params.get("recipe") == "frozen":
        options.pop("lr", None)  # of parameters that do not train
    rate = [_text("lr", lr)] if (lr := options.pop("lr", None)) else []
    known = {*usual, *r.settings.get("usual", ())}
    own = [_text(n, v) for n, v in options.items() if n not in known and v and v != "none"]
    changed = [
        _text(n, options[n]) for n in usual if n in options and plain(options[n]) != usual[n]
    ]
    return [*rate, *own, *changed, *(["refit"] if r.settings.get("refit") else [])]


def row(r: Result) -> str:
    """Which row a sentence is of: ``films / resnet50, k=20``."""
    return ", ".join(filter(None, (f"{r.dataset} / {r.backbone}", setting(r))))


def _text(name: str, value: object) -> str:
    parts = f"{value:.3g}" if isinstance(value, float) else str(value)
    parts = "+".join(map(str, value)) if isinstance(value, (list, tuple)) else parts
    return f"{name}={parts[:16]}{'...' * (len(parts) > 16)}"


def _shortened(names: list[str], most: int = SAID) -> list[str]:
    return [*names[:most], "..."] if len(names) > most else names


def probe_name(r: Result) -> str:
    """The verb of a result: ``knn``, ``linear``, ``fewshot logistic``, ``finetune lora``, or what
    the user calls it; other views are said."""
    if "label" in r.settings:
        return str(r.settings["label"])
    name = f"fewshot {r.probe}" if r.protocol == "fewshot" else r.probe
    if r.probe == ENSEMBLE:
        how = WEIGHTED.get(r.params.get("weighted", ""), "")
        return f"{ENSEMBLE} {_counted(r.params.get('probes', ()))}".strip() + how
    if finetuned(r):
        name = f"finetune {r.params.get('recipe', '')}".strip()
        if "decoder" in r.params:  # of masks, from the tokens that it takes
            return f"{name} {r.params['decoder']}"
    if segmented(r):
        few = "fewshot " if r.protocol == "fewshot" else ""
        return f"{few}segment {r.params.get('decoder', '')}".strip()
    # of several views, the one that was chosen is part of the setting
    return named(name, *(("", "") if "views" in r.settings else (_unusual_view(r), r.pool)))


def _counted(probes: Sequence[str]) -> str:
    """``3 linear``, ``knn + linear``."""
    counted = {name: list(probes).count(name) for name in dict.fromkeys(probes)}
    return " + ".join(f"{n} {name}" if n > 1 else name for name, n in counted.items())


def _unusual_view(r: Result) -> str:
    """The view, empty where it is the one that is taken if none is named."""
    stored = r.provenance.get("key", {}).get("outputs", ())
    return "" if r.view == "cls" or (r.view == "mean" and "cls" not in stored) else r.view


def named(probe: str, view: str = "", pool: str = "") -> str:
    """A probe in tables; the usual view and pooling of frames are not said."""
    name = "linear" if probe == "logistic" else probe
    name += "" if view in ("", "cls") else f" {view}"
    return name + ("" if pool in ("", "mean", "bag") else f" pool {pool}")


class Among:
    """Results that stand in one table, looked through once for :func:`backbone_name`."""

    def __init__(self, results: Iterable[Result]) -> None:
        self._variants: dict[tuple[str, str], set[str]] = {}
        for r in results:
            if not finetuned(r):  # a training makes features of its own, which says nothing of them
                self._variants.setdefault((r.dataset, r.backbone), set()).add(r.variant)

    def several(self, r: Result) -> bool:
        """Whether its backbone is there with features that were made in different ways."""
        return len(self._variants.get((r.dataset, r.backbone), ())) > 1 and not finetuned(r)


def backbone_name(r: Result, among: Sequence[Result] | Among) -> str:
    """The backbone; marked where the same one appears with features made otherwise, or was
    pretrained on the data."""
    found = among if isinstance(among, Among) else Among(among)
    name = f"{r.backbone} #{r.variant[:4]}" if found.several(r) else r.backbone
    return f"{name} {SEEN}" if r.overlap else name
