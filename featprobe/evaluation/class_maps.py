"""Classes of several data sets by common names, so that a probe of one can be tested on another."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from featprobe.core.errors import InputError, UnknownName, nearest
from featprobe.datasets.chosen_labels import any_present
from featprobe.evaluation.findings.cells import listed
from featprobe.features.feature_set import FeatureSet
from featprobe.store.format import Items


@dataclass(frozen=True)
class Rename:
    """A class ``old`` is called ``new``, in one ``dataset`` or (None) in all that have it."""

    old: str
    new: str
    dataset: str | None = None


def renames(texts: Sequence[str], datasets: Sequence[str]) -> list[Rename]:
    """Read ``OLD=NEW`` and ``DATASET:OLD=NEW``, as of ``--map``.

    Raises :class:`InputError` for other texts.
    """
    out = []
    for text in texts:
        old, sign, new = (part.strip() for part in text.partition("="))
        name, colon, rest = old.partition(":")
        within = name.strip() if colon and name.strip() in datasets else None
        old = rest.strip() if within else old
        if not sign or not old or not new:
            raise InputError(
                f"--map {text!r} is written CLASS=NAME, or DATASET:CLASS=NAME for one data set"
            )
        out.append(Rename(old, new, within))
    return out


def plain_name(name: str) -> str:
    """What two names of one class have in common: letters of either case, blanks for ``_ -``."""
    return re.sub(r"[\s_-]+", " ", name).strip().casefold()


@dataclass(frozen=True)
class SharedClasses:
    """``sets``: the data sets with the classes that all of them have, in the order of the first;
    ``notes``: what became of the others, by data set."""

    sets: list[FeatureSet]
    classes: tuple[str, ...]
    notes: list[list[str]]


def shared_classes(sets: Sequence[FeatureSet], mapped: Sequence[Rename] = ()) -> SharedClasses:
    """Give several data sets the classes that all of them have, by name.

    Names are equal but for case, blanks, ``_`` and ``-`` (:func:`plain_name`), after ``mapped``;
    classes of a data set that are called alike then are one: an item is of it where it is of any,
    a label unknown where none is positive and any is unknown. Items of other classes are left
    out, other labels are not looked at. Where one data set has labels, classes of the others become
    labels, too. Grades stay ordered where all data sets have grades in the same order.

    Raises :class:`InputError` where nothing is shared, or tasks do not go together, and
    :class:`UnknownName` for a class to be renamed that is not there.
    """
    tasks = {f.task for f in sets}
    if "regression" in tasks:
        if len(tasks) > 1 or mapped:
            raise InputError(
                "values have no classes: leave --map out"
                if len(tasks) == 1
                else f"values and classes do not go together: {_tasks(sets)}"
            )
        return SharedClasses(list(sets), (), [[] for _ in sets])
    names = [_renamed(f, mapped) for f in sets]
    _used(mapped, sets)
    plain = [[plain_name(n) for n in own] for own in names]
    common = [n for n in dict.fromkeys(plain[0]) if all(n in own for own in plain)]
    several = "multilabel" in tasks
    if len(common) < (1 if several else 2):
        raise InputError(_too_few(sets, names, common))
    classes = tuple(names[0][plain[0].index(n)] for n in common)
    ordered = tasks == {"ordinal"} and all(
        [n for n in dict.fromkeys(own) if n in common] == common for own in plain
    )
    task = "multilabel" if several else "ordinal" if ordered else "multiclass"
    made = [_items(f, own, common, classes, task) for f, own in zip(sets, plain)]
    notes = [_said(f, own, o, common, several) for f, own, o in zip(sets, names, plain)]
    return SharedClasses([f.labelled_as(i) for f, i in zip(sets, made)], classes, notes)


def _renamed(features: FeatureSet, mapped: Sequence[Rename]) -> list[str]:
    """The names of its classes after renaming."""
    of = {r.old: r.new for r in mapped if r.dataset in (None, features.dataset)}
    return [of.get(c, c) for c in features.classes]


def _used(mapped: Sequence[Rename], sets: Sequence[FeatureSet]) -> None:
    for r in mapped:
        there = [f for f in sets if r.dataset in (None, f.dataset)]
        known = sorted({c for f in there for c in f.classes})
        if r.old not in known:
            where = r.dataset or ", ".join(f.dataset for f in sets)
            raise UnknownName(
                f"--map: no class {r.old!r} in {where}.{nearest(r.old, known)} "
                f"There: {', '.join(known)}"
            )


def _items(
    features: FeatureSet, plain: Sequence[str], common: Sequence[str], classes: tuple[str, ...],
    task: str,
) -> Items:  # fmt: skip
    items = features.items
    y = items.targets
    assert y is not None
    place = np.array([common.index(n) if n in common else -1 for n in plain] + [-1])
    if y.ndim == 1:
        codes = place[y.astype(np.int64)]  # -1, unknown, is the last
        if task != "multilabel":
            return replace(items, targets=codes, classes=classes, task=task)
        labels = (codes[:, None] == np.arange(len(common))).astype(np.float64)
        labels[y < 0] = np.nan
    else:
        labels = np.stack([any_present(y[:, place[:-1] == k]) for k in range(len(common))], 1)
    return replace(items, targets=labels, classes=classes, task=task)


def _said(
    features: FeatureSet, names: Sequence[str], plain: Sequence[str], common: Sequence[str],
    labels: bool,
) -> list[str]:  # fmt: skip
    """What a reader should know of the classes of one data set."""
    out = []
    merged = [n for n in common if plain.count(n) > 1]
    for n in merged:
        whole = [c for c, p in zip(features.classes, plain) if p == n]
        out.append(f"classes {listed(whole)} are one here, {names[list(plain).index(n)]!r}")
    other = [c for c, p in zip(features.classes, plain) if p not in common]
    y = features.y
    assert y is not None
    if other and y.ndim == 2:
        out.append(f"labels that are not shared have no part: {listed(other)}")
    elif other and labels:
        out.append(f"classes that are not shared count as none of the labels: {listed(other)}")
    elif other:
        codes = [i for i, c in enumerate(features.classes) if c in other]
        many = int(np.isin(y, codes).sum())
        out.append(f"{many} items of classes that are not shared are left out: {listed(other)}")
    if labels and y.ndim == 1:
        out.append("its classes are read as labels, present or not")
    return out


def _too_few(
    sets: Sequence[FeatureSet], names: Sequence[Sequence[str]], common: Sequence[str]
) -> str:
    have = "; ".join(f"{f.dataset}: {listed(own)}" for f, own in zip(sets, names))
    named = f"only {common[0]!r} is" if common else "no class is"
    pairs = ", or take those of each pair with --classes pair" if len(sets) > 2 else ""
    return (
        f"{named} shared by all data sets ({have}): say what is the same with --map CLASS=NAME"
        f"{pairs}"
    )


def _tasks(sets: Sequence[FeatureSet]) -> str:
    return ", ".join(f"{f.dataset} is {f.task}" for f in sets)
