"""A Ray cluster: found or started, what it offers, the actor that runs on it."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from featprobe.core.errors import FeatprobeError, InputError, MissingExtra, reason

CORES = 8  # of a CPU actor; one torch process gains little from more
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


def import_ray() -> Any:
    """Ray, with nothing of it on the terminal."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError:
        raise MissingExtra("--engine ray needs Ray: pip install 'featprobe[ray]'") from None
    return ray


@contextlib.contextmanager
def cluster(start: bool = True) -> Iterator[Any]:
    """Ray, connected: to where the caller is, to ``RAY_ADDRESS``, to a cluster of this machine, or
    to one started on it; None where there is none and ``start`` is False.

    A connection of the caller's own is left open. Raises :class:`InputError` when no cluster is
    at the address.
    """
    ray = import_ray()
    if ray.is_initialized():
        yield ray
        return
    handlers = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        _messages(ray, False)
        there = _connect(ray, start)
        with contextlib.suppress(ValueError):  # not in the main thread, so Ray took none either
            for number, handler in handlers.items():
                signal.signal(number, handler)
        yield ray if there else None
    finally:
        ray.shutdown()
        _messages(ray, True)


def _messages(ray: Any, shown: bool) -> None:
    """Of the daemons, which Ray prints to standard output whatever its log options say."""
    with contextlib.suppress(AttributeError):
        ray._private.worker._worker_logs_enabled = shown


def _connect(ray: Any, start: bool) -> bool:
    quiet = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    address = os.environ.get("RAY_ADDRESS")
    try:
        _reach(address or "")
        ray.init(address=address or "auto", **quiet)
    except OSError as error:
        if address:
            raise InputError(f"RAY_ADDRESS: no Ray cluster answers at {address}") from error
        if not start:
            return False
        ray.init(address="local", include_dashboard=False, **quiet)
    except (ValueError, RuntimeError) as error:  # another version of Ray, of Python, a bad address
        raise InputError(f"RAY_ADDRESS {address or 'auto'}: {reason(error)}") from error
    return True


def _reach(address: str) -> None:
    """Raises :class:`OSError` where nothing answers; Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=10).close()


@dataclass(frozen=True)
class ActorSlot:
    """Room for one actor on a node."""

    node: str
    address: str
    cpus: int
    gpus: int

    def __str__(self) -> str:
        return f"{self.address} ({'GPU' if self.gpus else f'{self.cpus} CPUs'})"


def actor_slots(ray: Any, gpu: bool) -> list[ActorSlot]:
    """One for each GPU, with its share of the node's cores, or one for every eight cores."""
    found = []
    for node in ray.nodes():
        have = node["Resources"]
        cpus = int(have.get("CPU", 0))
        gpus = int(have.get("GPU", 0))
        if not node["Alive"] or not (gpus if gpu else cpus):
            continue
        n = gpus if gpu else -(-cpus // CORES)
        slot = ActorSlot(node["NodeID"], node["NodeManagerAddress"], cpus // n, int(gpu))
        found += [slot] * n
    return found


def kind_of_device(device: str | None) -> str:
    """``cuda`` or ``cpu``, by what is asked for and what the cluster has.

    Where no cluster runs yet, the one that will be started has what this machine has.
    """
    if device not in (None, "auto", "cpu", "cuda"):
        raise InputError(f"--device {device}: Ray hands out the GPUs; use cuda or cpu")
    if device == "cpu":
        import_ray()
        return "cpu"
    with cluster(start=False) as ray:
        if ray is not None:
            gpu = bool(ray.cluster_resources().get("GPU"))
        else:
            import torch

            gpu = torch.cuda.is_available()
    if device == "cuda" and not gpu:
        raise InputError("--device cuda: the Ray cluster has no GPU")
    return "cuda" if gpu else "cpu"


class Actor:
    """A shard worker on a node. Imports torch only when opened, after the environment is set."""

    def __init__(self, shared: list[Any], cpus: int) -> None:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        self.shared, self.cpus = shared, cpus
        self.worker: Any = None

    def open(self) -> Any:
        """Get the work and open the store; a first report."""
        from dataclasses import replace

        import ray

        from featprobe.extraction.shard_worker import Report, ShardWorker, plain

        try:
            work, o = ray.get(self.shared[0])
            cpus = max(1, self.cpus)
            o = replace(o, workers=min(o.workers, cpus), streams=min(o.streams, cpus))
            self.worker = ShardWorker(work, o)
        except (FeatprobeError, OSError) as error:
            return Report(error=plain(error))
        except Exception as error:
            where = ray.util.get_node_ip_address()
            return Report(error=InputError(f"{where} cannot load the work: {reason(error)}"))
        return Report()

    def exchange(self, shards: list[int] | None, stop: bool) -> Any:
        """See :meth:`featprobe.extraction.shard_worker.ShardWorker.exchange`."""
        return self.worker.exchange(shards, stop)
