"""Audit of a data set: the findings of ``featprobe data check``."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from featprobe.core.errors import reason
from featprobe.core.fingerprint import array_digest
from featprobe.core.progress import Progress
from featprobe.datasets.base import Dataset
from featprobe.datasets.confounders import counts, follows
from featprobe.datasets.mask_audit import MaskAudit, audit_masks
from featprobe.datasets.shared_intensity import settle
from featprobe.images.appearance import Appearance, appearance_of
from featprobe.images.intensity import apply_rule


@dataclass
class Audit:
    """Findings. ``files`` counts files by fate: ``read``, ``unreadable`` and each skipped kind.

    ``counts``: class (or label) -> split -> items. ``patients_in_splits`` and
    ``patients_in_classes``: patients found in more than one, with where. ``duplicates``: lists of
    ids with identical pixels; ``leaking`` those of them that lie in two splits, two classes or two
    patients. ``near_duplicates``: (id, id, cosine) across splits, from features. ``about``: notes
    on the data set as a whole. ``warnings``: what was guessed at loading, by kind. ``blank``: items
    shown all black or all white. ``confounders``: rules, dtypes, sizes, scanners that go with the
    class or the split; ``appearance``: these, fact -> value -> items. ``masks``: what was found in
    the masks, None without any.
    """

    name: str
    items: int
    frames: int
    patients: int
    group_origin: str
    split_origin: str
    task: str | None
    files: dict[str, int]
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    patients_in_splits: dict[str, list[str]] = field(default_factory=dict)
    patients_in_classes: dict[str, list[str]] = field(default_factory=dict)
    duplicates: list[list[str]] = field(default_factory=list)
    leaking: list[list[str]] = field(default_factory=list)
    near_duplicates: list[tuple[str, str, float]] = field(default_factory=list)
    near_checked: str = "not checked: no features of this data set in the cache"
    about: list[str] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    constant: list[str] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    odd_sizes: dict[str, str] = field(default_factory=dict)
    alike_labels: list[tuple[str, str]] = field(default_factory=list)
    label_origin: str = ""
    warnings: dict[str, list[str]] = field(default_factory=dict)
    blank: dict[str, str] = field(default_factory=dict)
    confounders: list[str] = field(default_factory=list)
    appearance: dict[str, dict[str, int]] = field(default_factory=dict)
    masks: MaskAudit | None = None

    @property
    def problems(self) -> int:
        """Number of findings that a user should look at."""
        found = (
            self.patients_in_splits, self.leaking, self.near_duplicates, self.unreadable,
            self.constant, self.blank, self.confounders, self.odd_sizes, self.alike_labels,
            *self.warnings.values(), *(self.masks.findings.values() if self.masks else ()),
        )  # fmt: skip
        return sum(len(f) for f in found)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        masks = None if self.masks is None else asdict(self.masks)
        return {**self.__dict__, "masks": masks, "problems": self.problems}


@dataclass(frozen=True)
class _Seen:
    frames: int = 0
    shape: str = ""
    digest: str = ""
    constant: bool = False
    notes: str = ""
    problem: str = ""
    appearance: Appearance | None = None


def _look(dataset: Dataset, i: int) -> _Seen:
    try:
        picture = dataset.open(i)
        pixels = picture.pixels
        rule = dataset.recipe.intensity
        return _Seen(
            appearance=appearance_of(picture, *apply_rule(picture, rule), rule),
            frames=len(pixels),
            shape=f"{pixels.shape[1]} x {pixels.shape[2]}",
            digest=array_digest(pixels),
            constant=bool(pixels.min() == pixels.max()),
            notes="; ".join(picture.notes),
        )
    except Exception as error:  # whatever a damaged file provokes is a finding
        return _Seen(problem=reason(error))


def audit(dataset: Dataset, workers: int = 4, show: bool = False) -> Audit:
    """Decode every item once and report what is there.

    Identical pixels count as duplicates even where the files differ (another name or encoding).
    """
    settle(dataset)
    with (
        Progress(f"reading {dataset.name}", len(dataset), "items", show) as progress,
        ThreadPoolExecutor(max(1, workers)) as pool,
    ):
        seen = []
        for one in pool.map(lambda i: _look(dataset, i), range(len(dataset))):
            seen.append(one)
            progress.advance()
    ids = dataset.ids.tolist()
    bad = [s.problem != "" for s in seen]
    per_item = dataset.files_per_item()
    read = sum(n for n, b in zip(per_item, bad) if not b)
    files = {"read": read, "unreadable": sum(per_item) - read}
    files |= {f"skipped: {kind}": n for kind, n in dataset.skipped.items()}
    out = Audit(
        name=dataset.name,
        items=len(dataset),
        frames=sum(s.frames for s in seen),
        patients=len(set(dataset.groups.tolist())),
        group_origin=dataset.group_origin,
        split_origin=dataset.split_origin,
        task=dataset.task,
        files=files,
        unreadable={i: s.problem for i, s in zip(ids, seen) if s.problem},
        constant=[i for i, s in zip(ids, seen) if s.constant],
        notes={i: s.notes for i, s in zip(ids, seen) if s.notes},
        alike_labels=alike(dataset.classes),
        about=list(dataset.notes),
        label_origin=dataset.label_origin,
        warnings={kind: list(texts) for kind, texts in dataset.warnings.items()},
    )
    classes = class_names(dataset)
    out.counts = _counts(classes, dataset.split.tolist())
    out.patients_in_splits = _several(dataset.groups.tolist(), [[s] for s in dataset.split])
    if dataset.task in ("multiclass", "ordinal"):
        out.patients_in_classes = _several(dataset.groups.tolist(), classes)
    _sizes(out, ids, seen)
    appearances = [s.appearance for s in seen]
    facts = [one.facts if one else None for one in appearances]
    out.appearance = counts(facts)
    out.blank = {i: one.seen for i, one in zip(ids, appearances) if one and one.seen}
    labelled = dataset.targets is not None and dataset.task != "regression"
    labels = ["+".join(c) for c in classes] if labelled else [""] * len(ids)
    out.confounders = follows(facts, labels, dataset.split.tolist())
    _duplicates(out, dataset, seen, classes)
    out.masks = audit_masks(dataset, workers, show)
    return out


def class_names(dataset: Dataset) -> list[list[str]]:
    """Names of the classes (of the positive labels) of each item; ``(unknown)`` without one."""
    y = dataset.targets
    if y is None or dataset.task == "regression":
        return [["(no label)"] if y is None else ["(number)"] for _ in dataset.ids]
    if y.ndim == 2:
        positive = [np.flatnonzero(row == 1) for row in y]
        return [[dataset.classes[c] for c in row] or ["(none positive)"] for row in positive]
    return [[dataset.classes[c]] if c >= 0 else ["(unknown)"] for c in y]


def _counts(classes: list[list[str]], split: list[str]) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = {}
    for names, part in zip(classes, split):
        for name in names:
            counts.setdefault(name, Counter())[part or "(no split)"] += 1
    return {name: dict(c) for name, c in sorted(counts.items())}


def _several(groups: list[str], labels: Iterable[list[str]]) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {}
    for group, names in zip(groups, labels):
        found.setdefault(group, set()).update(n for n in names if n)
    return {g: sorted(s) for g, s in sorted(found.items()) if len(s) > 1}


def _sizes(out: Audit, ids: list[str], seen: list[_Seen]) -> None:
    """Sizes of images; odd are those of under 1 % of the items where one size has over 90 %."""
    sizes = Counter(s.shape for s in seen if s.shape)
    out.sizes = dict(sizes.most_common(20))
    total = sum(sizes.values())
    if total and sizes.most_common(1)[0][1] > 0.9 * total:
        out.odd_sizes = {
            i: s.shape for i, s in zip(ids, seen) if s.shape and sizes[s.shape] < 0.01 * total
        }


def _duplicates(out: Audit, dataset: Dataset, seen: list[_Seen], classes: list[list[str]]) -> None:
    same: dict[str, list[int]] = {}
    for i, s in enumerate(seen):
        if s.digest and not s.constant:
            same.setdefault(s.digest, []).append(i)
    for rows in same.values():
        if len(rows) < 2:
            continue
        names = [str(dataset.ids[i]) for i in rows]
        out.duplicates.append(names)
        facts = {(dataset.split[i], dataset.groups[i], tuple(classes[i])) for i in rows}
        if len(facts) > 1:
            out.leaking.append(names)


def alike(names: Iterable[str]) -> list[tuple[str, str]]:
    """Find pairs of label names that differ by case, spacing or a letter or two."""
    known = list(names)
    plain = ["".join(n.lower().split()).replace("_", "").replace("-", "") for n in known]
    out = []
    for i in range(len(known)):
        for j in range(i + 1, len(known)):
            a, b = plain[i], plain[j]
            digits = any(ch.isdigit() for ch in a + b)  # grade 1 and grade 2 are no typing errors
            close = difflib.SequenceMatcher(None, a, b).ratio() > 0.9
            if a == b or (close and not digits and min(len(a), len(b)) > 4):
                out.append((known[i], known[j]))
    return out
