"""Extraction on this machine: from a backbone and a data set to a complete store."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any

import torch

from featprobe import settings
from featprobe._version import __version__
from featprobe.backbones.base import PRECISIONS, Backbone
from featprobe.datasets.base import Dataset
from featprobe.errors import InputError, UnknownName, nearest
from featprobe.extraction import pipeline
from featprobe.extraction.plan import FramePlan, plan_frames
from featprobe.features import FeatureSet
from featprobe.fingerprint import digest
from featprobe.progress import Progress
from featprobe.store.base import FeatureStore
from featprobe.store.cache import store_path
from featprobe.store.containers import SUFFIXES, create_store, open_store
from featprobe.store.format import FeatureKey, Items, Layout, plan_shard
from featprobe.store.place import Place

PACKAGES = ("torch", "transformers", "numpy", "zarr", "pydicom", "nibabel", "pillow")


@dataclass
class Summary:
    """What an extraction did. ``new_frames`` is 0 when everything was in the cache."""

    path: Place
    frames: int
    items: int
    new_frames: int = 0
    seconds: float = 0.0
    times: dict[str, float] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    relabelled: bool = False
    device: str = "cpu"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "path": str(self.path)}


def extract(
    backbone: Backbone,
    dataset: Dataset,
    *,
    cache: str | os.PathLike[str] | None = None,
    store: str = "zarr",
    dtype: str = "float16",
    batch_size: int | None = None,
    device: str | None = None,
    precision: str | None = None,
    features: Sequence[str] | None = None,
    blocks: int = 4,
    workers: int | None = None,
    strict: bool = False,
    retry_failed: bool = False,
    progress: bool = False,
) -> FeatureSet:
    """Run a backbone once over a data set; reuse and resume what the cache holds.

    ``features``: outputs to keep, of what the backbone has: ``cls``, ``mean``, ``projection`` (the
    default), ``tokens``, ``logits``. ``blocks``: how many last blocks of ``cls`` and ``mean``, at
    most what there is; of ``tokens`` one is kept, ``tokens:5`` keeps five. ``dtype``: on disk,
    float16 or float32. ``precision``: of the forward pass, float32 on a CPU and bf16 on a GPU by
    default.
    ``device``: ``cpu``, ``cuda`` or ``cuda:N``; a GPU where there is one by default.
    ``strict``: stop at the first unreadable item instead of recording it. ``retry_failed``: try
    recorded failures again. ``progress``: show it on standard error.

    Returns the :class:`~featprobe.features.FeatureSet`; its ``summary`` is the :class:`Summary`
    of this run. Raises :class:`~featprobe.errors.InputError` when no item at all
    can be read.
    """
    if store not in SUFFIXES:
        raise InputError(f"unknown store {store!r}: use one of {', '.join(SUFFIXES)}")
    start = time.perf_counter()
    workers = default_workers() if workers is None else max(1, workers)
    target = choose_device(device)
    precision = precision or ("float32" if target.type == "cpu" else "bf16")
    if precision not in PRECISIONS:
        raise InputError(f"unknown precision {precision!r}: use one of {', '.join(PRECISIONS)}")
    outputs = choose_outputs(backbone, features, blocks)
    batch = batch_size or (16 if target.type == "cpu" else 128)
    if batch < 1:
        raise InputError(f"batch size {batch} must be at least 1")
    with Progress("hashing files", len(dataset), "files", progress) as p:
        fingerprint = dataset.compute_fingerprint(p.update)
    key = FeatureKey(
        weights=backbone.weights_sha256,
        config=digest(backbone.config),
        preprocess=backbone.preprocess.to_dict(),
        recipe=dataset.recipe.to_dict(),
        outputs=outputs,
        precision=precision,
        dtype=dtype,
        dataset=fingerprint,
    )
    root = settings.feature_root(cache)
    path = store_path(root, dataset.name, backbone.name, key.digest, store)
    if path.exists():
        opened = open_store(path, key)
        opened.touch()
        plan = FramePlan(opened.frame_item(), opened.frame_index())
    else:
        plan = plan_frames(dataset, workers, progress)
        opened = _create(path, key, plan, backbone, dataset, batch, store)
    relabelled = opened.set_items(items_of(dataset))
    shards = opened.pending(retry_failed)
    summary = Summary(path, len(plan), len(dataset), relabelled=relabelled, device=str(target))
    if shards:
        backbone.to(target)
        _run(backbone, dataset, opened, plan, shards, batch, workers, strict, progress, summary)
        summary.seconds = time.perf_counter() - start
        opened.finish({**summary.to_dict(), "path": path.name})
    result = FeatureSet(opened)
    if not len(result):
        first = result.left_out[0]
        raise InputError(
            f"{dataset.name}: none of the {len(dataset)} items could be read; first: {first.reason}"
        )
    summary.failures = {x.id: x.reason for x in result.left_out}
    result.summary = summary
    return result


def _run(
    backbone: Backbone, dataset: Dataset, store: FeatureStore, plan: FramePlan, shards: list[int],
    batch: int, workers: int, strict: bool, show: bool, summary: Summary,
) -> None:  # fmt: skip
    todo = sum(b - a for a, b in map(store.layout.bounds, shards))

    with Progress(f"{dataset.name} x {backbone.name}", todo, "frames", show) as progress:
        outcome = pipeline.run(
            backbone, dataset, store, plan, shards,
            batch=min(batch, store.layout.shard), workers=workers, strict=strict,
            on_frames=progress.advance,
        )  # fmt: skip
    summary.new_frames = outcome.frames
    summary.times = {k: round(v, 3) for k, v in asdict(outcome.times).items()}
    summary.notes = {str(dataset.ids[i]): text for i, text in outcome.notes.items()}


def _create(
    path: Place, key: FeatureKey, plan: FramePlan, backbone: Backbone, dataset: Dataset,
    batch: int, kind: str,
) -> FeatureStore:  # fmt: skip
    arrays = {n: backbone.shape(n, blocks) for n, blocks in key.outputs.items()}
    layout = Layout(len(plan), plan_shard(len(plan), arrays, key.dtype, batch), arrays)
    return create_store(
        kind, path, key, layout, plan.item, plan.index, items_of(dataset),
        {"dataset": dataset.name, "backbone": backbone.name},
        {
            "backbone": backbone.origin,
            "random": backbone.random,
            "batch": batch,
            "device": backbone.device.type,
            "skipped": dataset.skipped,
            "versions": {p: version(p) for p in PACKAGES} | {"featprobe": __version__},
            "python": platform.python_version(),
        },
    )  # fmt: skip


def items_of(dataset: Dataset) -> Items:
    """The table of items of a data set."""
    return Items(
        ids=dataset.ids, groups=dataset.groups, split=dataset.split, targets=dataset.targets,
        task=dataset.task, classes=dataset.classes, group_origin=dataset.group_origin,
        split_origin=dataset.split_origin,
    )  # fmt: skip


def default_workers() -> int:
    """Decode threads: the cores there are, at most eight."""
    return min(8, os.cpu_count() or 1)


def choose_device(device: str | None) -> torch.device:
    """The device asked for, or a GPU where there is one. A GPU that is not there is an error."""
    if device in (None, "auto"):
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device or "cpu")
    except RuntimeError:
        raise InputError(f"unknown device {device!r}: use cpu, cuda or cuda:N") from None
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise InputError(f"--device {device}: torch {torch.__version__} sees no GPU here")
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise InputError(f"--device {device}: there are {torch.cuda.device_count()} GPUs")
    if chosen.type not in ("cpu", "cuda", "mps"):
        raise InputError(f"unknown device {device!r}: use cpu, cuda or cuda:N")
    return chosen


def choose_outputs(
    backbone: Backbone, features: Sequence[str] | None, blocks: int
) -> dict[str, int]:
    """Name -> number of last blocks to store."""
    if blocks < 1:
        raise InputError(f"--blocks {blocks} must be at least 1")
    chosen: dict[str, int] = {}
    for text in features or backbone.default_outputs:
        name, _, deep = text.partition(":")
        if name not in backbone.outputs:
            have = ", ".join(backbone.outputs)
            raise UnknownName(
                f"{backbone.name} has no output {name!r}.{nearest(name, backbone.outputs)} "
                f"It has: {have}"
            )
        if deep and not (deep.isdecimal() and int(deep)):
            raise InputError(f"output {text!r} is not understood: write cls, cls:4, tokens:5")
        wanted = int(deep) if deep else 1 if name == "tokens" else blocks
        chosen[name] = min(wanted, backbone.outputs[name][0])
    return chosen
