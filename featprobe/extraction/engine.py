"""The local engine: shards of a store, one after the other, on one device of this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext

import torch

from featprobe.backbones.base import Backbone
from featprobe.core.memory import give_back, keep_freed
from featprobe.datasets.base import Dataset
from featprobe.extraction import pipeline
from featprobe.extraction.decoding import Runner, here, items_a_message, separable
from featprobe.extraction.device import Forward, Streams
from featprobe.extraction.options import Settings
from featprobe.extraction.pipeline import Outcome
from featprobe.extraction.plan import FramePlan
from featprobe.extraction.shard_schedule import ShardSchedule
from featprobe.extraction.workers import Pooled
from featprobe.images import device_jpeg
from featprobe.store.base import FeatureStore


def on_this_machine(
    backbone: Backbone, dataset: Dataset, store: FeatureStore, shards: Iterable[int],
    o: Settings, *, stop: Callable[[], bool], on_frames: Callable[[int], None],
) -> Outcome:  # fmt: skip
    """The local engine: shards in order, on the device of the settings.

    On a CPU the process keeps freed memory from then on, and gives it back at the end.
    """
    if o.target.type == "cpu":
        keep_freed()
    backbone.to(o.target)
    backbone.channels_last()
    batch = min(o.batch_size, store.layout.shard)
    apart = o.workers and separable(dataset)
    runner: Runner = Pooled(o.item_timeout) if apart else here
    together = items_a_message(dataset) if apart else 1
    plan = FramePlan(store.frame_item(), store.frame_index())
    current = torch.cuda.device(o.target) if o.target.type == "cuda" else nullcontext()
    if o.target.type == "cuda":
        device_jpeg.prefer(str(o.target))
    with current, Streams(o.streams) if o.streams > 1 else nullcontext() as streams:
        forward = Forward(
            backbone, store.key.outputs, store.key.precision, batch, o.compiled is True, streams,
            o.compiled == "graphs",
        )  # fmt: skip
        outcome = Outcome()
        todo: Iterable[int] = shards
        while True:  # shards of others come again: theirs, unless their process has died
            turns = ShardSchedule(store, todo, o.retry_failed)
            try:
                outcome += pipeline.run(
                    backbone, dataset, store, plan, turns, batch=batch, workers=max(1, o.workers),
                    runner=runner, together=together, forward=forward, strict=o.strict, stop=stop,
                    on_frames=on_frames, on_written=turns.done,
                )  # fmt: skip
            finally:
                turns.release()
            todo = turns.left()
            if not todo or stop():
                break
    outcome.batch = forward.batch
    outcome.unrecorded = forward.replayed.why if forward.replayed else ""
    if o.target.type == "cpu":
        give_back()
    return outcome
