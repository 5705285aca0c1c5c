"""Extraction on this machine: from a backbone and a data set to a complete store."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from featprobe import settings
from featprobe._version import __version__
from featprobe.backbones.base import Backbone
from featprobe.datasets.base import Dataset
from featprobe.errors import InputError, Unfinished
from featprobe.extraction import pipeline
from featprobe.extraction.decoding import here, separable
from featprobe.extraction.device import Forward
from featprobe.extraction.options import Options, Settings, choose_outputs, settle
from featprobe.extraction.plan import FramePlan, plan_frames
from featprobe.extraction.stopping import Stopping
from featprobe.extraction.summary import Summary, bottleneck
from featprobe.extraction.workers import pool
from featprobe.features import FeatureSet
from featprobe.fingerprint import digest
from featprobe.progress import Progress
from featprobe.store.cache import store_path
from featprobe.store.format import PENDING, FeatureKey, Items, Layout, plan_shard
from featprobe.store.zarr import ZarrStore

PACKAGES = ("torch", "transformers", "numpy", "zarr", "pydicom", "nibabel", "pillow")


def extract(
    backbone: Backbone,
    dataset: Dataset,
    *,
    cache: str | os.PathLike[str] | None = None,
    store: str = "zarr",
    dtype: str = "float16",
    features: Sequence[str] | None = None,
    blocks: int = 4,
    **options: Any,
) -> FeatureSet:
    """Run a backbone once over a data set; reuse and resume what the cache holds.

    ``features``: outputs to keep, of what the backbone has: ``cls``, ``mean``, ``projection`` (the
    default), ``tokens``, ``logits``. ``blocks``: how many last blocks of ``cls`` and ``mean``, at
    most what there is; of ``tokens`` one is kept, ``tokens:5`` keeps five. ``dtype``: on disk,
    float16 or float32. ``precision``: of the forward pass, float32 on a CPU and bf16 on a GPU by
    default. ``device``: ``cpu``, ``cuda`` or ``cuda:N``; a GPU where there is one by default.
    Further ``options`` are the fields of :class:`Options`.

    Returns the :class:`~featprobe.features.FeatureSet`; its ``summary`` is the :class:`Summary`
    of this run. Raises :class:`~featprobe.errors.InputError` when no item at all
    can be read, and :class:`~featprobe.errors.Unfinished` after SIGINT or SIGTERM.
    """
    if store != "zarr":
        raise InputError(f"unknown store {store!r}: 'zarr' is the one there is")
    start = time.perf_counter()
    o = settle(Options(**options))
    outputs = choose_outputs(backbone, features, blocks)
    with Progress("hashing files", len(dataset), "files", o.progress) as p:
        fingerprint = dataset.compute_fingerprint(p.update)
    key = FeatureKey(
        weights=backbone.weights_sha256,
        config=digest(backbone.config),
        preprocess=backbone.preprocess.to_dict(),
        recipe=dataset.recipe.to_dict(),
        outputs=outputs,
        precision=o.precision,
        dtype=dtype,
        dataset=fingerprint,
    )
    root = settings.cache_root(cache)
    path = store_path(root, dataset.name, backbone.name, key.digest)
    if path.exists():
        opened = ZarrStore.open(path, key)
        opened.touch()
    else:
        frames = plan_frames(dataset, max(1, o.workers), o.progress)
        opened = _create(path, key, frames, backbone, dataset, o.batch_size)
    relabelled = opened.set_items(items_of(dataset))
    summary = Summary(
        path, opened.layout.frames, len(dataset), relabelled=relabelled, device=str(o.target)
    )
    shards = [] if opened.complete and not o.retry_failed else part_of(opened, o)
    if shards:
        backbone.to(o.target)
        _run(backbone, dataset, opened, shards, o, summary)
        summary.seconds = time.perf_counter() - start
    if not opened.complete:
        raise _unfinished(opened, o, summary)
    if shards:
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


def part_of(store: ZarrStore, o: Settings) -> list[int]:
    """The shards of this part that are still to be extracted; parts are runs of neighbours."""
    i, n = o.part
    low, high = (store.layout.shards * k // n for k in (i - 1, i))
    return [s for s in store.pending(o.retry_failed) if low <= s < high]


def _unfinished(store: ZarrStore, o: Settings, summary: Summary) -> Unfinished:
    status = store.status()
    done = int((status != PENDING).sum())
    told = f"{store.path.stem}: {done} of {len(status)} frames are in the cache"
    if summary.stopped:
        return Unfinished(
            f"stopped; {told}; the same command goes on from there", 128 + summary.stopped
        )
    i, n = o.part
    return Unfinished(
        f"part {i} of {n} is done; {told}; the other parts are still to be extracted", 0
    )


def _run(
    backbone: Backbone, dataset: Dataset, store: ZarrStore, shards: list[int], o: Settings,
    summary: Summary,
) -> None:  # fmt: skip
    batch = min(o.batch_size, store.layout.shard)
    todo = sum(b - a for a, b in map(store.layout.bounds, shards))
    plan = FramePlan(store.frame_item(), store.frame_index())
    runner = partial(pool(), seconds=o.item_timeout) if o.workers and separable(dataset) else here
    forward = Forward(backbone, store.key.outputs, store.key.precision, batch, o.compiled)
    begin = time.perf_counter()
    with (
        Progress(f"{dataset.name} x {backbone.name}", todo, "frames", o.progress) as progress,
        Stopping() as stop,
    ):
        outcome = pipeline.run(
            backbone, dataset, store, plan, shards, batch=batch, workers=max(1, o.workers),
            runner=runner, forward=forward, strict=o.strict, stop=lambda: stop.asked,
            on_frames=progress.advance,
        )  # fmt: skip
    seconds = time.perf_counter() - begin
    summary.stopped = stop.signal or 0
    summary.new_frames = outcome.frames
    summary.rate = round(outcome.frames / seconds, 3)
    summary.times = {k: round(v, 3) for k, v in asdict(outcome.times).items()}
    summary.bottleneck = bottleneck(outcome.times, seconds, o)
    summary.notes = {str(dataset.ids[i]): text for i, text in outcome.notes.items()}
    if forward.halved:
        summary.notes["memory"] = (
            f"the device had too little memory for batches of {batch}: they were cut to "
            f"{forward.batch}; --batch-size {forward.batch} starts there"
        )


def _create(
    path: Path, key: FeatureKey, plan: FramePlan, backbone: Backbone, dataset: Dataset, batch: int
) -> ZarrStore:
    arrays = {n: backbone.shape(n, blocks) for n, blocks in key.outputs.items()}
    layout = Layout(len(plan), plan_shard(len(plan), arrays, key.dtype, batch), arrays)
    return ZarrStore.create(
        path, key, layout, plan.item, plan.index, items_of(dataset),
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
