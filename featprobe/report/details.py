"""What the details of a row say: its metrics, where its features, its split and itself come from.

Only what is named here goes into the page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from featprobe.evaluation.results import Result
from featprobe.leaderboard import cost
from featprobe.report.privacy import Hide

Pairs = list[tuple[str, str]]
DIGEST = 16  # characters of a sha256 that are shown


def blocks(r: Result, known: Mapping[str, float], hide: Hide) -> list[tuple[str, Pairs]]:
    """Headed pairs of a name and a value; ``known``: costs as of
    :func:`~featprobe.figures.points.costs`."""
    found = [
        ("Features", _features(r)),
        ("Data and split", _data(r)),
        ("Probe", _probe(r)),
        ("Run", _run(r, known)),
        ("Notes", [("", n) for n in [*r.notes, r.overlap] if n]),
    ]
    return [
        (title, [(k, hide(v)) for k, v in pairs if v != ""]) for title, pairs in found if pairs
    ]  # fmt: skip


def _features(r: Result) -> Pairs:
    p = r.provenance
    key, backbone = p.get("key") or {}, p.get("backbone") or {}
    shown = key.get("preprocess") or {}
    frames = {k: v for k, v in (key.get("recipe") or {}).items() if v not in (None, [], "auto")}
    return [
        ("backbone", r.backbone),
        ("weights (sha256)", _digest(key.get("weights"))),
        ("revision", _text(backbone.get("revision"))),
        ("weights", "random" if r.random else ""),
        ("view", f"{r.view}, {r.pool} over frames"),
        ("preprocessing", _joined(shown)),
        ("frames", _joined(frames)),
        ("precision", "/".join(_text(key.get(n)) for n in ("precision", "dtype") if key.get(n))),
        ("features (digest)", _digest(r.key)),
    ]


def _data(r: Result) -> Pairs:
    s, sizes = r.split, r.sizes
    parts = [f"{n} {sizes[n]}" for n in ("train", "val", "test") if n in sizes]
    return [
        ("data set", r.dataset),
        ("task", f"{r.task}, {r.classes} classes" if r.classes else r.task),
        ("split", _text(s.get("origin"))),
        ("patients", _text(s.get("grouping"))),
        ("seed", _text(r.settings.get("seed"))),
        ("items", ", ".join(parts)),
        ("test patients", _text(sizes.get("test_groups"))),
        ("left out, unreadable", _text(r.left_out or "")),
        ("split (digest)", _digest(s.get("digest"))),
        ("labels (digest)", _digest(r.labels)),
    ]


def _probe(r: Result) -> Pairs:
    settings = {
        k: v for k, v in r.settings.items()
        if k not in ("seed", "usual", "name") and v not in (None, [], "")
    }  # fmt: skip
    return [
        ("probe", r.probe),
        ("protocol", r.protocol if r.shots is None else f"{r.protocol}, {r.shots} shots"),
        ("parameters", _joined({k: v for k, v in r.params.items() if v is not None})),
        ("chosen on val", ", ".join(r.searched)),
        ("settings", _joined(settings)),
    ]


def _run(r: Result, known: Mapping[str, float]) -> Pairs:
    form: dict[str, tuple[str, Callable[[float], str]]] = {
        "parameters": ("parameters", lambda v: f"{v / 1e6:.1f} M"),
        "images_per_second": ("frames/s", lambda v: f"{v:.1f}"),
        "store": ("size of the store", lambda v: f"{v / 1e6:.1f} MB"),
    }
    spent = list(zip(cost.HEADS, cost.cells(r))) if r.cost else []
    versions = {**(r.provenance.get("versions") or {}), **r.versions}
    return [
        ("result", r.id),
        ("time", r.time),
        ("seconds", f"{r.seconds:.2f}"),
        *((name, say(known[k])) for k, (name, say) in form.items() if k in known),
        *((k, v) for k, v in spent if v != "-"),
        ("device", _text(r.provenance.get("device"))),
        ("versions", _joined(versions)),
    ]


def _digest(value: Any) -> str:
    return str(value or "")[:DIGEST]


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _joined(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{k} {_plain(v)}" for k, v in values.items() if v is not None)


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (list, tuple)):
        return "x".join(_plain(v) for v in value) if value else "-"
    if isinstance(value, Mapping):
        return "+".join(f"{k}:{_plain(v)}" for k, v in value.items())
    return str(value)
