"""Extraction on this machine: from a backbone and a data set to a complete store."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict, replace
from typing import Any

from featprobe.backbones.augmented_views import USUAL, described
from featprobe.backbones.base import Backbone
from featprobe.backbones.reduced import Reduction, reduced
from featprobe.core.errors import InputError, StoreError, Unfinished
from featprobe.core.progress import Progress
from featprobe.datasets.base import Dataset
from featprobe.datasets.confounders import counts
from featprobe.datasets.read_files import files_of
from featprobe.datasets.shared_intensity import settle as settle_range
from featprobe.extraction.compiling import settle_compiling
from featprobe.extraction.elsewhere import decoded_elsewhere
from featprobe.extraction.notes import notes_of_appearance, of_features
from featprobe.extraction.open_store import items_of, open_store, outdated
from featprobe.extraction.options import BLOCKS, Options, Settings
from featprobe.extraction.pipeline import Outcome
from featprobe.extraction.resolve import choose_outputs, engine_of, settle
from featprobe.extraction.stopping import Stopping
from featprobe.extraction.summary import Summary, bottleneck
from featprobe.features.feature_set import FeatureSet
from featprobe.images import device_jpeg
from featprobe.store import observed
from featprobe.store.base import FeatureStore
from featprobe.store.format import PENDING


def extract(
    backbone: Backbone,
    dataset: Dataset,
    *,
    cache: str | os.PathLike[str] | None = None,
    store: str = "zarr",
    dtype: str = "float16",
    features: Sequence[str] | None = None,
    blocks: int = BLOCKS,
    dim: int | None = None,
    components: tuple[Mapping[str, Any], Mapping[str, Any]] | None = None,
    views: int = 1,
    augment: Sequence[str] = USUAL,
    view_seed: int = 0,
    **options: Any,
) -> FeatureSet:
    """Run a backbone once over a data set; reuse and resume what the cache holds.

    ``features``: outputs to keep, of what the backbone has: ``cls``, ``mean``, ``projection`` (the
    default), ``tokens``, ``logits``. ``blocks``: how many last blocks of ``cls`` and ``mean``, at
    most what there is; of ``tokens`` one is kept, ``tokens:5`` keeps five. ``dtype``: on disk,
    float16, float32, or int8 or float8 (a byte a value, a scale a vector). ``dim``: tokens on so
    many principal components, learnt from training items alone; ``components``: on those of another
    set, its ``key.reduction`` and ``provenance["reduction"]``. ``views``: of each frame, the first
    as it is, the others changed by ``augment`` (names of
    :data:`~featprobe.backbones.spec.AUGMENTATIONS`) with draws that follow ``view_seed``; all are
    in one store, see :func:`~featprobe.backbones.augmented_views.described`. ``precision``: of the
    forward pass, float32 on a CPU and bf16 on a GPU by default. ``store``: ``zarr`` or ``hdf5``; a
    complete store of the other kind is used instead, and ``summary.notes`` says so. ``device``:
    ``cpu``, ``cuda`` or ``cuda:N``; a GPU where there is one by default. Further ``options`` are
    the fields of :class:`Options`.

    Returns the :class:`~featprobe.features.feature_set.FeatureSet`; its ``summary`` is the
    :class:`Summary` of this run. Raises :class:`~featprobe.core.errors.InputError` when no item at
    all can be read, and :class:`~featprobe.core.errors.Unfinished` after SIGINT or SIGTERM.
    """
    start = time.perf_counter()
    o = settle(Options(**options))
    if dataset.recipe.decode == "device":
        device_jpeg.needed()
    outputs = choose_outputs(backbone, features, blocks)
    augmented = described(views, augment, view_seed)
    with decoded_elsewhere(dataset):
        settle_range(dataset)
    opened = open_store(
        backbone, dataset, outputs, o, cache=cache, store=store, dtype=dtype, dim=dim,
        components=components, augmented=augmented,
    )  # fmt: skip
    if opened.key.reduction:
        found = opened.attributes["provenance"]["reduction"]
        backbone = reduced(backbone, Reduction.from_dict(found))
    relabelled = opened.set_items(items_of(dataset))
    observed.remember(opened.path, files_of(dataset, observed.MOST), dataset.tables)
    summary = Summary(
        opened.path, opened.layout.frames, len(dataset), relabelled=relabelled,
        device=",".join(o.devices) or str(o.target),
    )  # fmt: skip
    shards = [] if opened.complete and not o.retry_failed else part_of(opened, o)
    if shards:
        summary.outdated = [p.stem for p in outdated(opened)]
        decision = settle_compiling(backbone, o, opened.layout.frames * opened.key.views, cache)
        summary.compiled = decision.compiled is True
        o = replace(o, compiled=decision.compiled)
        if decision.why:
            summary.notes["compile"] = decision.why
        _run(backbone, dataset, opened, shards, o, summary)
        summary.seconds = time.perf_counter() - start
    if not opened.complete:
        raise _unfinished(opened, o, summary)
    if not opened.attributes.get("complete"):
        # the last run may have been killed after its last shard; a cache that cannot be written
        # keeps nobody from using what is all there
        summary.findings += of_features(FeatureSet(opened))
        with nullcontext() if shards else suppress(StoreError):
            opened.finish({**summary.to_dict(), "path": opened.path.name})
    result = FeatureSet(opened)
    summary.findings = summary.findings or result.findings
    if not len(result):
        first = result.left_out[0]
        raise InputError(
            f"{dataset.name}: none of the {len(dataset)} items could be read; first: {first.reason}"
        )
    if opened.kind != store:
        summary.notes["store"] = (
            f"{opened.path.name} holds these features already and is used; 'featprobe export "
            f"{opened.path.name} OUT --to {store}' makes a copy as {store}"
        )
    if not shards and (old := opened.attributes["provenance"].get("renamed_from")):
        summary.notes["store"] = f"these features were extracted as {old}"
    summary.failures = {x.id: x.reason for x in result.left_out}
    result.summary = summary
    return result


def part_of(store: FeatureStore, o: Settings) -> list[int]:
    """The shards of this part that are still to be extracted; parts are runs of neighbours."""
    i, n = o.part
    low, high = (store.layout.shards * k // n for k in (i - 1, i))
    return [s for s in store.pending(o.retry_failed) if low <= s < high]


def _unfinished(store: FeatureStore, o: Settings, summary: Summary) -> Unfinished:
    status = store.status()
    done = int((status != PENDING).sum())
    text = f"{store.path.stem}: {done} of {len(status)} frames are in the cache"
    if summary.stopped:
        return Unfinished(
            f"stopped; {text}; the same command goes on from there", 128 + summary.stopped
        )
    i, n = o.part
    return Unfinished(
        f"part {i} of {n} is done; {text}; the other parts are still to be extracted", 0
    )


def _run(
    backbone: Backbone, dataset: Dataset, store: FeatureStore, shards: list[int], o: Settings,
    summary: Summary,
) -> None:  # fmt: skip
    todo = sum(b - a for a, b in map(store.layout.bounds, shards))
    begin = time.perf_counter()
    with (
        Progress(f"{dataset.name} x {backbone.name}", todo, "frames", o.progress) as progress,
        Stopping() as stop,
    ):
        outcome: Outcome = engine_of(o)(
            backbone,
            dataset,
            store,
            shards,
            o,
            stop=lambda: stop.requested,
            on_frames=progress.advance,
        )
    seconds = time.perf_counter() - begin
    summary.stopped = stop.signal or 0
    summary.new_frames = outcome.frames
    summary.rate = round(outcome.frames / seconds, 3)
    summary.times = {k: round(v, 3) for k, v in asdict(outcome.times).items()}
    summary.bottleneck = bottleneck(outcome.times, seconds, o)
    summary.appearance = counts([one.facts for one in outcome.appearances.values()])
    summary.findings = notes_of_appearance(dataset, outcome.appearances)
    summary.notes |= {str(dataset.ids[i]): text for i, text in outcome.notes.items()}
    if outcome.unrecorded:
        summary.notes["compile"] = outcome.unrecorded
    if outcome.batch < min(o.batch_size, store.layout.shard):
        summary.notes["memory"] = (
            f"the device had too little memory for batches of {o.batch_size}: they were cut to "
            f"{outcome.batch}; --batch-size {outcome.batch} starts there"
        )
