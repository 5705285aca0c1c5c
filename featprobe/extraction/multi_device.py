"""Extraction on several devices of this machine: one process each."""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import IO, Any

import cloudpickle

from featprobe.backbones.base import Backbone
from featprobe.core.child import start_module
from featprobe.core.errors import InputError, reason
from featprobe.datasets.base import Dataset
from featprobe.extraction.coordinator import Coordinator
from featprobe.extraction.options import Settings
from featprobe.extraction.pipeline import Outcome
from featprobe.extraction.shard_worker import Report, Work, shared
from featprobe.extraction.workers import status_text
from featprobe.store.base import FeatureStore


def on_devices(
    backbone: Backbone, dataset: Dataset, store: FeatureStore, shards: Iterable[int],
    o: Settings, *, stop: Callable[[], bool], on_frames: Callable[[int], None],
) -> Outcome:  # fmt: skip
    """The engine of ``--devices``."""
    with shared(store.path) as token, tempfile.TemporaryFile() as file:
        try:
            cloudpickle.dump((Work.of(backbone, dataset, store, token), o), file)
        except (pickle.PicklingError, TypeError, ValueError) as error:
            raise InputError(
                f"{dataset.name} x {backbone.name} cannot be sent to other processes "
                f"({reason(error)}); use --device and --shard in processes of your own"
            ) from error
        file.flush()
        group = DeviceProcesses(o.devices, file)
        try:
            return Coordinator(group, store, shards, o, stop=stop, on_frames=on_frames).run()
        finally:
            group.close()


@dataclass(eq=False)
class DeviceProcess:
    """A process and the connection to it."""

    process: subprocess.Popen[bytes]
    connection: Connection


class DeviceProcesses:
    """The children of this process, as a :class:`~featprobe.extraction.coordinator.WorkerGroup`.

    ``file``: holds what they work on; each maps it into its memory.
    """

    def __init__(self, devices: Sequence[str], file: IO[bytes]) -> None:
        self.slots, self.file = devices, file
        self._processes: list[DeviceProcess] = []

    def start(self, slot: int) -> DeviceProcess:
        threads = max(1, (os.cpu_count() or 1) // len(self.slots))
        process, ours = start_module(
            "featprobe.extraction.device_process",
            {"OMP_NUM_THREADS": str(threads), **os.environ},
            [self.file.fileno()], self.slots[slot], stdout=2,
        )  # fmt: skip
        one = DeviceProcess(process, Connection(ours.detach()))
        self._processes.append(one)
        return one

    def ask(self, link: DeviceProcess, shards: list[int] | None, stop: bool) -> None:
        with contextlib.suppress(OSError):  # dead, as wait() will tell
            link.connection.send((shards, stop))

    def wait(self, seconds: float) -> list[tuple[DeviceProcess, Report]]:
        ready: list[Any] = wait([c.connection for c in self._processes], seconds)
        out = []
        for one in [c for c in self._processes if c.connection in ready]:
            try:
                out.append((one, one.connection.recv()))
            except (EOFError, OSError):
                out.append((one, Report(died=status_text(one.process.wait()))))
        return out

    def drop(self, link: DeviceProcess) -> None:
        self._processes.remove(link)
        link.connection.close()
        link.process.kill()
        link.process.wait()

    def close(self) -> None:
        """End all processes."""
        for one in list(self._processes):
            self.drop(one)
