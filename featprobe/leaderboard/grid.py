"""The YAML of a leaderboard, read and checked before anything runs.

    include: common.yaml
    data: [digits, {data: ./films, name: films, group: folder, transform: "mean=0.5,std=0.3"}]
    models: [tiny_vit14, {model: tiny_vit14, init: random}, "tiny_vit14:cls + resnet50:mean"]
    image_size: [28, 56]
    extract: {blocks: 4, batch_size: 16}
    probes: [knn, {probe: logistic, refit: false, features: [cls]}, {preset: dinov2-linear}]
    views: [cls, mean, "cls:4"]
    finetune: [frozen, {recipe: lora, rank: 8, epochs: 10, lr: [1e-4, 1e-3]}, {preset: rad-lora}]
    protocols: [full, {protocol: fewshot, shots: [1, 5]}, {protocol: cv, folds: 5}]
    subset: [0.1, 1]
    seeds: [0, 1, 2]
    exclude: [{model: tiny_vit14, protocol: cv}]
    against: linear
    metric: auroc
    select: auto
    resamples: 1000
    out: table

Every combination is a cell: data x models x image_size x (probes x views x protocols, and finetune
under the whole split) x seeds. ``subset`` is of ``full``. What an entry says itself (``image_size``
of a model, ``features`` of a probe, ``subset`` of a protocol) counts instead of the file's. Paths
are relative to the file. Of several values of ``lr`` val chooses, by ``select``, which an entry may
have of its own; ``auto`` follows ``metric``. What ``include`` means is in
:mod:`featprobe.leaderboard.includes`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from featprobe.core.errors import InputError, UnknownName, nearest
from featprobe.core.paths import expanded
from featprobe.core.yaml_file import at
from featprobe.leaderboard.cells import Cell, cells_of
from featprobe.leaderboard.exclusions import kept, make_exclusion
from featprobe.leaderboard.finetune_request import FinetuneRequest, make_finetune_request
from featprobe.leaderboard.includes import Part, gathered, joined, last
from featprobe.leaderboard.model_request import Model
from featprobe.leaderboard.probe_request import ProbeRequest, deepest, make_probe_requests
from featprobe.leaderboard.protocol_request import ProtocolRequest, made, make_protocol_requests
from featprobe.leaderboard.row_labels import named
from featprobe.leaderboard.yaml_entries import Data, make_data, make_extract
from featprobe.leaderboard.yaml_models import make_models, one_backbone
from featprobe.leaderboard.yaml_schema import entries, listed
from featprobe.metrics import measures as metrics
from featprobe.probes.selection import AUTO, selectable
from featprobe.splits.partition import VERSION, check_version
from featprobe.stats.resampling import RESAMPLES

T = TypeVar("T")
TOP = {
    "include": Any, "data": Any, "models": Any, "extract": Mapping[str, Any], "probes": Any,
    "finetune": Any, "protocols": Any, "exclude": Any, "subset": float | Sequence[float],
    "image_size": int | Sequence[int | None], "views": str | Sequence[str], "against": str,
    "metric": str, "select": str, "resamples": int, "seed": int, "seeds": int | Sequence[int],
    "split_version": int, "out": str,
}  # fmt: skip
LISTS = ("data", "models", "probes", "finetune", "protocols", "exclude")  # of these, files add up


@dataclass(frozen=True)
class Grid:
    """All that a leaderboard is to hold.

    ``extract``: options of :func:`~featprobe.extraction.local.extract`. ``protocols``: the whole
    split, parts of it, few shots, folds. ``against``: the name in tables of what all others are
    compared with. ``out``: the files are called so, with endings.
    """

    file: Path
    data: tuple[Data, ...]
    models: tuple[Model, ...]
    extract: Mapping[str, Any]
    probes: tuple[ProbeRequest, ...]
    finetune: tuple[tuple[Model | None, FinetuneRequest], ...]
    protocols: tuple[ProtocolRequest, ...]
    against: str | None
    metric: str | None
    select: str
    resamples: int
    seeds: tuple[int, ...]
    split_version: int
    out: Path | None
    cells: tuple[Cell, ...]

    @property
    def seed(self) -> int:
        """The first one: of what is drawn once for all."""
        return self.seeds[0]

    def only(self, data: Sequence[str], models: Sequence[str]) -> Grid:
        """The part of it with these data sets and backbones, by default all.

        Raises :class:`UnknownName` for one that no cell has.
        """
        cells = list(self.cells)
        for key, wanted in (("data", data), ("model", models)):
            there = dict.fromkeys(n for c in self.cells for n in c.called[key])
            for name in wanted:
                if name not in there:
                    raise UnknownName(
                        f"{self.file}: no cell has {key} {name!r}.{nearest(name, there)} There: "
                        f"{', '.join(there)}"
                    )
            cells = [c for c in cells if not wanted or {*wanted} & {*c.called[key]}]
        return replace(self, cells=tuple(cells))


def read(file: Path) -> Grid:
    """Read and check the file; nothing is downloaded, and no image or weight is read.

    Raises :class:`InputError`, :class:`UnknownName` with the nearest name, or :class:`MissingPath`,
    in one line with the file and the place in it.
    """
    parts = gathered(file, TOP)
    seeds, resamples = _seeds(parts), _checked_resamples(parts)
    extract, where = joined(parts, "extract")
    sizes = listed(last(parts, "image_size")[0]) or [None]
    views = listed(last(parts, "views")[0])
    data = [make_data(e, f, p) for p, f, e in _entries(parts, "data", "data")]
    models = [
        m for p, f, e in _entries(parts, "models", "model") for m in make_models(e, f, p, sizes)
    ]
    probes = [
        r
        for p, _, e in _entries(parts, "probes", "probe")
        for r in make_probe_requests(e, p, views)
    ]
    trained = [_tunings(e, f, sizes, seeds, p) for p, f, e in _entries(parts, "finetune", "recipe")]
    tunings = [pair for pairs in trained for pair in pairs]
    if not data:
        raise InputError(f"{file}: 'data' is needed, such as 'data: [digits]'")
    if not probes and not tunings:
        raise InputError(f"{file}: 'probes' or 'finetune' is needed, such as 'probes: [knn]'")
    if not models and (probes or any(own is None for own, _ in tunings)):
        raise InputError(f"{file}: 'models' is needed, such as 'models: [tiny_vit14]'")
    metric = _of(parts, "metric", metrics.about)
    select = _of(parts, "select", selectable, AUTO)
    version = _of(parts, "split_version", check_version, VERSION)
    _unlike([p.name for p in probes], [pairs[0][1].label for pairs in trained], file)
    shown = [n for p in probes for n in (p.name, named(p.probe.name), *p.names)]
    _known(shown + [t.name for _, t in tunings], *last(parts, "against"))
    options = make_extract(extract, f"{where}: extract")
    with at(f"{file}: probes"):
        deepest(probes, options, [p.view for m in models for p in m.parts if p.view])
    protocols = _protocols(parts)
    cells = cells_of(data, models, probes, tunings, protocols, seeds)
    cells = kept(cells, [make_exclusion(e, p) for p, _, e in _entries(parts, "exclude", "data")])
    _able(cells, file)
    out, beside = last(parts, "out")
    return Grid(
        file, tuple(data), tuple(models), options, tuple(probes), tuple(tunings),
        tuple(protocols), last(parts, "against")[0], metric, select, resamples, seeds, version,
        None if out is None else beside.parent / expanded(out), tuple(cells),
    )  # fmt: skip


def _entries(
    parts: Sequence[Part], section: str, key: str
) -> list[tuple[str, Path, dict[str, Any]]]:
    """The entries of all files with place and folder; what an earlier file has, counts once."""
    out: list[tuple[str, Path, dict[str, Any]]] = []
    for part in parts:
        value, before = part.top.get(section), [e for _, _, e in out]
        if value not in (None, []):
            found = entries(value, key, f"{part.file}: {section}")
            out += [(p, part.file.parent, e) for p, e in found if e not in before]
    return out


def _of(
    parts: Sequence[Part], key: str, check: Callable[[T], Any], default: T | None = None
) -> Any:
    """The value of a key, looked at where it is given."""
    value, file = last(parts, key, default)
    if value is not None:
        with at(f"{file}: {key}"):
            check(value)
    return value


def _seeds(parts: Sequence[Part]) -> tuple[int, ...]:
    (one, file), (several, there) = last(parts, "seed"), last(parts, "seeds")
    if one is not None and several is not None and file == there:
        raise InputError(f"{file}: 'seed' is one and 'seeds' are several: give one of them")
    place = {p.file: i for i, p in enumerate(parts)}
    if several is None or (one is not None and place[file] > place[there]):
        found, file, key = [0 if one is None else one], file, "seed"
    else:
        found, file, key = listed(several), there, "seeds"
    if min(found, default=-1) < 0:
        raise InputError(f"{file}: {key} must be at least 0")
    if len(set(found)) < len(found):
        raise InputError(f"{file}: {key} {found}: one is there twice")
    return tuple(found)


def _checked_resamples(parts: Sequence[Part]) -> int:
    value, file = last(parts, "resamples", RESAMPLES)
    if value < 10:
        raise InputError(f"{file}: resamples must be at least 10")
    return int(value)


def _protocols(parts: Sequence[Part]) -> list[ProtocolRequest]:
    """Those of the file, by default the whole split; ``subset`` is of a full one that says none."""
    subset, file = last(parts, "subset", 1.0)
    found = _entries(parts, "protocols", "protocol") or [("", Path(), {"protocol": "full"})]
    out = []
    for place, _, entry in found:
        own = entry.get("protocol") != "full" or "subset" in entry
        if own:
            out += make_protocol_requests(entry, place)
        else:
            one = make_protocol_requests(entry, place)[0]
            out += [made(one.kind, dict(one.options), s, f"{file}: subset") for s in listed(subset)]
    return list(dict.fromkeys(out))


def _tunings(
    entry: dict[str, Any], folder: Path, sizes: Sequence[int | None], seeds: Sequence[int],
    place: str,
) -> list[tuple[Model | None, FinetuneRequest]]:  # fmt: skip
    """The fine-tuning of an entry, with a model of its own once for each image size."""
    own: list[Model] = []
    if "seed" in entry and len(seeds) > 1:
        raise InputError(f"{place}: 'seeds' says the seeds of this file: leave 'seed' out")
    if "model" in entry:
        entry = dict(entry)
        model = entries(entry.pop("model"), "model", f"{place}, model")
        if len(model) != 1:
            raise InputError(f"{place}: model is one, not {len(model)}")
        own = make_models(model[0][1], folder, f"{place}, model", sizes)
        one_backbone(own, place, "a training is of one")
    made = make_finetune_request(entry, folder, seeds[0], place)
    return [(model, made) for model in own] or [(None, made)]


def _able(cells: Sequence[Cell], file: Path) -> None:
    """Raise for a probe that cannot be under a protocol."""
    if not cells:
        raise InputError(f"{file}: exclude: nothing is left")
    for cell in cells:
        if isinstance(cell.work, ProbeRequest):
            why = cell.protocol.refuses(cell.work, cell.among)
            if why:
                raise InputError(
                    f"{file}: {cell.work.name} x {cell.protocol.kind}: {why}, or leave these cells "
                    f"out: 'exclude: {{probe: {cell.work.name}, protocol: {cell.protocol.kind}}}'"
                )


def _known(names: Sequence[str], against: str | None, file: Path) -> None:
    if against is not None and against not in names:
        raise UnknownName(
            f"{file}: against: nothing here is called {against!r}.{nearest(against, names)} "
            f"There: {', '.join(dict.fromkeys(names))}"
        )


def _unlike(probes: Sequence[str], labels: Sequence[str], file: Path) -> None:
    """A name that a user gives must tell a fine-tuning from probes and other named ones."""
    named = [label for label in labels if label]
    for name in named:
        if name in probes or named.count(name) > 1:
            raise InputError(f"{file}: finetune: two entries are called {name!r}; name one else")
