"""Extraction on a Ray cluster: one actor on each GPU, or on every few cores."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from featprobe.backbones.base import Backbone
from featprobe.core.errors import InputError, StoreError, reason
from featprobe.datasets.base import Dataset
from featprobe.extraction.coordinator import Coordinator
from featprobe.extraction.options import Settings
from featprobe.extraction.pipeline import Outcome
from featprobe.extraction.ray_cluster import Actor, ActorSlot, actor_slots, cluster
from featprobe.extraction.shard_worker import Report, Work, shared
from featprobe.store.base import FeatureStore

SEEN = 60.0  # seconds until what other machines committed must be visible here


def on_ray(
    backbone: Backbone, dataset: Dataset, store: FeatureStore, shards: Iterable[int],
    o: Settings, *, stop: Callable[[], bool], on_frames: Callable[[int], None],
) -> Outcome:  # fmt: skip
    """The engine of ``--engine ray``."""
    shards = list(shards)
    with cluster() as ray, shared(store.path) as token:
        where = actor_slots(ray, o.target.type == "cuda")
        if not where:
            raise InputError(f"the Ray cluster has no node with a {o.target.type.upper()}")
        try:
            work = ray.put((Work.of(backbone, dataset, store, token), o))
        except Exception as error:  # whatever an object raises that cannot be pickled
            raise InputError(
                f"{dataset.name} x {backbone.name} cannot be sent to other machines "
                f"({reason(error)}); use --shard instead"
            ) from error
        group = Actors(ray, where, work)
        try:
            outcome = Coordinator(group, store, shards, o, stop=stop, on_frames=on_frames).run()
        finally:
            group.close()
    if outcome.frames == sum(b - a for a, b in map(store.layout.bounds, shards)):
        _see(store, shards)
    return outcome


def _see(store: FeatureStore, shards: list[int]) -> None:
    """Wait until commits of other machines are visible; network file systems take a while."""
    for _ in range(int(SEEN)):
        if not set(shards) & set(store.pending()):
            return
        time.sleep(1)
    raise StoreError(
        f"{store.path}: shards that other machines have committed are not visible here after "
        f"{SEEN:g} s; the cache must be a folder that all machines share"
    )


def _short(error: Exception) -> str:
    """What Ray says of a death, without its advice."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].split(". ")[0].rstrip(".") if lines else reason(error)


@dataclass(eq=False)
class Link:
    """An actor and the answer that it owes."""

    actor: Any
    answer: Any


class Actors:
    """The actors of a cluster, as a :class:`~featprobe.extraction.coordinator.WorkerGroup`."""

    def __init__(self, ray: Any, where: list[ActorSlot], work: Any) -> None:
        self.ray, self.where, self.work = ray, where, work
        self.slots = [str(p) for p in where]
        self._actor = ray.remote(Actor)
        self._links: list[Link] = []

    def start(self, slot: int) -> Link:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        p = self.where[slot]
        actor = self._actor.options(
            num_cpus=p.cpus, num_gpus=p.gpus, max_restarts=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(p.node, soft=True),
        ).remote([self.work], p.cpus)  # fmt: skip
        link = Link(actor, actor.open.remote())
        self._links.append(link)
        return link

    def ask(self, link: Link, shards: list[int] | None, stop: bool) -> None:
        link.answer = link.actor.exchange.remote(shards, stop)

    def wait(self, seconds: float) -> list[tuple[Link, Report]]:
        owed = {x.answer: x for x in self._links if x.answer is not None}
        if not owed:
            time.sleep(seconds)
            return []
        ready, rest = self.ray.wait(list(owed), timeout=seconds)
        if rest:
            ready += self.ray.wait(rest, num_returns=len(rest), timeout=0)[0]
        return [(owed[answer], self._get(owed[answer])) for answer in ready]

    def _get(self, link: Link) -> Report:
        answer, link.answer = link.answer, None
        try:
            report: Report = self.ray.get(answer)
        except self.ray.exceptions.RayError as error:
            return Report(died=_short(error))
        return report

    def drop(self, link: Link) -> None:
        self._links.remove(link)
        self.ray.kill(link.actor)

    def close(self) -> None:
        """End all actors."""
        for link in list(self._links):
            self.drop(link)
