"""The Result: one JSON line for every cell of a leaderboard, and the file they are kept in."""

from __future__ import annotations

import json
import os
import time
import uuid
from dataclasses import asdict, dataclass, field, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from featprobe._version import __version__
from featprobe.errors import InputError, reason
from featprobe.fingerprint import digest

PACKAGES = ("numpy", "scipy", "faiss-cpu", "faiss-gpu")


@dataclass
class Result:
    """What one probe reached on one feature set under one protocol.

    ``metrics``: name -> value on test; ``ci``: name -> 95 % interval of a patient-clustered
    bootstrap; ``chance``: what the most frequent class reaches; ``spread``: standard deviation
    over the tries of a few-shot run, apart from the interval. ``selected``: chosen on validation
    data among settings of the ``searched`` parameters (True also where there was nothing to
    choose); only these enter a leaderboard.
    ``key``: digest of the feature store's key, ``labels``: of targets, patients and split.
    ``random``: the backbone has random weights. ``overlap``: why the backbone is known to have seen
    this data set in pretraining, empty where it is not.
    """

    dataset: str
    backbone: str
    probe: str
    protocol: str
    metrics: dict[str, float]
    ci: dict[str, tuple[float, float]]
    chance: dict[str, float]
    task: str
    classes: int
    view: str
    pool: str
    params: dict[str, Any]
    settings: dict[str, Any]
    split: dict[str, Any]
    sizes: dict[str, int]
    key: str
    labels: str
    random: bool = False
    overlap: str = ""
    selected: bool = True
    searched: list[str] = field(default_factory=list)
    shots: int | None = None
    spread: dict[str, float] = field(default_factory=dict)
    val: dict[str, float] = field(default_factory=dict)
    left_out: int = 0
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    versions: dict[str, str] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:16])
    time: str = field(default_factory=lambda: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))

    @property
    def variant(self) -> str:
        """Digest of how the features were made: their key without the data set."""
        return digest({k: v for k, v in self.provenance.get("key", {}).items() if k != "dataset"})

    @property
    def cell(self) -> str:
        """Digest of what was asked for: a later result of the same cell replaces an earlier one."""
        fixed = {k: v for k, v in self.params.items() if k not in self.searched}
        rules = {k: v for k, v in self.settings.items() if k not in ("shots", "resamples")}
        asked = [
            self.dataset, self.backbone, self.variant, self.probe, self.protocol, self.view,
            self.pool, rules, self.shots, fixed,
        ]  # fmt: skip
        return digest(asked)

    def to_json(self) -> str:
        """One line of JSON; an undefined metric is null."""
        return json.dumps(_plain(asdict(self)), allow_nan=False)

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> Result:
        """The inverse of :meth:`to_json`; fields of a later version are left out."""
        known = {f.name for f in fields(cls)}
        kept = {k: v for k, v in d.items() if k in known}
        nan = float("nan")
        for name in ("metrics", "chance", "spread", "val"):
            kept[name] = {k: nan if v is None else v for k, v in kept.get(name, {}).items()}
        kept["ci"] = {
            k: (nan if v[0] is None else v[0], nan if v[1] is None else v[1])
            for k, v in kept["ci"].items()
        }
        return cls(**kept)


def _plain(value: Any) -> Any:
    """JSON values only: numpy scalars unwrapped, NaN and infinities to null."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def versions() -> dict[str, str]:
    """Versions of what a probe runs on."""
    out = {"featprobe": __version__}
    for package in PACKAGES:
        try:
            out[package] = version(package)
        except PackageNotFoundError:
            continue
    return out


def results_file(cache: Path) -> Path:
    """``<cache>/results/results.jsonl``."""
    return cache / "results" / "results.jsonl"


def append(
    cache: Path, result: Result, *, ids: np.ndarray, y: np.ndarray, scores: np.ndarray,
    fold: np.ndarray | None = None,
) -> None:  # fmt: skip
    """Keep a result: its line, and the per-sample scores for paired tests.

    Scores (tries, N, C) go to ``results/scores/<id>.npz`` first, with ``ids`` and ``y`` of
    the test items, and ``fold`` (N,) of a cross-validation; the line is appended in one write.
    """
    file = results_file(cache)
    try:
        (file.parent / "scores").mkdir(parents=True, exist_ok=True)
        arrays = {"ids": ids, "y": y, "scores": scores}
        if fold is not None:
            arrays["fold"] = fold
        with (file.parent / "scores" / f"{result.id}.npz").open("wb") as f:
            np.savez(f, allow_pickle=False, **arrays)
        handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(handle, (result.to_json() + "\n").encode())
        finally:
            os.close(handle)
    except OSError as error:
        raise InputError(f"{file}: results cannot be written: {reason(error)}") from error


def read(cache: Path) -> list[Result]:
    """All results of a cache in the order they were made; a cut last line is left out."""
    file = results_file(cache)
    if not file.exists():
        return []
    out = []
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            out.append(Result.from_dict(json.loads(line)))
        except (ValueError, TypeError, KeyError):
            continue
    return out


def latest(results: list[Result]) -> list[Result]:
    """The newest selected result of each cell, in order of first appearance."""
    newest: dict[str, Result] = {}
    for r in results:
        if r.selected:
            newest[r.cell] = r
    return list(newest.values())
