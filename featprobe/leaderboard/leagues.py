"""Leagues: results that may be ranked and compared with each other."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from featprobe.core.errors import UnknownName, nearest
from featprobe.evaluation.results import Result
from featprobe.metrics import measures as metrics
from featprobe.probes.selection import Criterion
from featprobe.splits.partition import subset_text

League = tuple[str, str, int]
# what tells leagues of one data set apart, and may be overlooked where that is asked for
ACROSS = ("image-size", "selection", "seed")


def leagues(results: Sequence[Result], across: Collection[str] = ()) -> dict[League, list[Result]]:
    """Results by their :func:`league`, each id once: the last of several lines counts."""
    for name in across:
        if name not in ACROSS:
            raise UnknownName(
                f"leagues are not joined across {name!r}.{nearest(name, ACROSS)} "
                f"There: {', '.join(ACROSS)}"
            )
    out: dict[League, list[Result]] = {}
    for r in {r.id: r for r in results}.values():
        out.setdefault(league(r, across), []).append(r)
    return out


def league(r: Result, across: Collection[str] = ()) -> League:
    """What is ranked together: results of one data set, with the same :func:`identity` and shots.

    ``across``: names of the identity, of :data:`ACROSS`, that may differ.
    """
    full = f"{r.settings.get('subset', 0):.6f}"  # all of train first, then growing parts of it
    order = {"full": full, "cv": "1"}.get(r.protocol, f"2 {r.settings.get('by')}")
    same = [order, *(v for k, v in identity(r).items() if k not in across)]
    return r.dataset, " ".join(same), r.shots or 0


def identity(r: Result) -> dict[str, str]:
    """In what results must agree to be compared, as words; empty where it is not so or not known.

    How train and test were made (protocol, folds, repeats, tries, seed, subset, split and labels),
    what is scored (task, level), how large the images are that the network sees, and how it was
    selected: a view among several, or a setting by something else than is usual for the task. A
    result of an earlier version lacks some of it, and is compared with those that lack it too.
    """
    s = r.settings
    size = r.provenance.get("key", {}).get("preprocess", {}).get("size") or ()
    views = "view chosen on val" if "views" in s else ""
    select = s.get("select")
    usual = r.task not in metrics.TASKS or select == Criterion.of(r.task).by
    return {
        "task": r.task,
        "protocol": r.protocol,
        "source": f"trained on {s['source']}" if s.get("source") else "",
        "folds": _counted(s.get("folds"), "folds"),
        "repeats": _counted(s.get("repeats"), "repeats"),
        "tries": _counted(s.get("tries"), "tries"),
        "shots by": f"by {s['by']}" if s.get("by") else "",
        "draws": _text("draws", s.get("draws") or r.split.get("draws")),
        "subset": subset_text(s["subset"]) if "subset" in s else "",
        "seed": f"seeds {', '.join(r.seeds)}" if r.seeds else _text("seed", s.get("seed", 0)),
        # results of before versions were recorded are of the first, or of an official split
        "split version": _text("split version", v) if (v := r.split.get("version")) != 1 else "",
        "split": _text("split", r.split.get("digest")),
        "labels": _text("labels", r.labels),
        "level": " ".join(str(s[k]) for k in ("level", "level_by", "study") if s.get(k)),
        "image-size": f"{' x '.join(map(str, size))} pixels" if size else "",
        "selection": ", ".join(
            filter(
                None,
                (
                    views,
                    "" if usual else _text("selected by", select),
                    "each try chosen on val" if s.get("choose") else "",
                ),
            )
        ),
    }


def _counted(value: object, what: str) -> str:
    return "" if value is None else f"{value} {what}"


def _text(name: str, value: object) -> str:
    return "" if value is None or value == "" else f"{name} {value}"


def distinctions(results: Sequence[Result], across: Collection[str] = ()) -> dict[League, str]:
    """What tells the leagues of one data set apart, in words; nothing for one that is alone."""
    by_data: dict[str, dict[League, Result]] = {}
    for r in results:
        by_data.setdefault(r.dataset, {}).setdefault(league(r, across), r)
    out = {}
    for members in by_data.values():
        found = {key: identity(r) for key, r in members.items()}
        differ = [
            name for name in identity(next(iter(members.values())))
            if name not in across and len({i[name] for i in found.values()}) > 1
        ]  # fmt: skip
        shots = len({r.shots for r in members.values()}) > 1
        for key, r in members.items():
            words = [short(found[key][n]) for n in differ]
            words += [f"{r.shots} shots"] if shots and r.shots is not None else []
            out[key] = ", ".join(filter(None, words))
    return out


def short(words: str) -> str:
    """Words of an :func:`identity`, digests by their first characters."""
    return " ".join(w[:8] if len(w) >= 16 and w.isalnum() else w for w in words.split(" "))
