"""Worker processes from the parent's side: started when needed, replaced when they die or hang."""

from __future__ import annotations

import atexit
import os
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from featprobe.core.child import start_module
from featprobe.core.errors import reason
from featprobe.extraction import worker
from featprobe.extraction.decoding import Decoded, Job, Several
from featprobe.extraction.memories import Memories

SECONDS = 300.0  # for one item


def _here() -> str:
    """The working folder, in which paths of items may be meant; empty where it was removed."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return ""


class Worker:
    """One process and its socket; used by one thread at a time."""

    def __init__(self) -> None:
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self.process, ours = start_module("featprobe.extraction.worker", {**os.environ, **threads})
        self.socket, self.ready = ours, False

    def run(self, job: Job | Several, seconds: float) -> Decoded:
        """Raises :class:`TimeoutError`, or :class:`EOFError` when the process died."""
        lent = memories.take()
        try:
            if not self.ready:  # a start on a busy machine is no item's time
                self.socket.settimeout(max(seconds, SECONDS))
                worker.receive(self.socket)
                self.ready = True
            self.socket.settimeout(seconds)
            worker.send(self.socket, (_here(), job), lend=lent)
            out, pixels, memory = worker.receive(self.socket, lent)
        except BaseException as error:
            if lent is not None:  # it may still be written to
                lent.close()
            if isinstance(error, (BrokenPipeError, ConnectionResetError)):
                raise EOFError from error
            raise
        out.pixels = pixels
        if pixels is not None and memory is not None:
            memories.until_gone(pixels, memory)
        if lent is not None and lent is not memory:
            if memory is None:
                memories.give(lent)
            else:  # too small for what comes now
                lent.close()
        return out

    def stop(self) -> int:
        """End the process at once; its exit status."""
        self.socket.close()
        if self.process.poll() is None:
            self.process.kill()
        return self.process.wait()


class Workers:
    """A pool that outlives one extraction: starting a process costs half a second.

    An item that takes longer than ``seconds``, or whose process dies twice, gets that as its
    reason; the process is replaced and the rest goes on.
    """

    def __init__(self) -> None:
        self._idle: SimpleQueue[Worker] = SimpleQueue()
        self._all: set[Worker] = set()
        self._lock = threading.Lock()

    def __call__(self, job: Job, seconds: float = SECONDS) -> Decoded:
        for last in (False, True):
            one = self._take()
            try:
                out = one.run(job, seconds)
            except TimeoutError:
                self._drop(one)
                return Decoded(
                    job.item, seconds=seconds,
                    text=f"{job.name}: not decoded within {seconds:g} s (--item-timeout)",
                )  # fmt: skip
            except EOFError:
                status = self._drop(one)
                if last:
                    return Decoded(
                        job.item, text=f"{job.name}: the decoder died ({status_text(status)})"
                    )
            except Exception as error:  # a job that cannot be pickled
                self._drop(one)
                return Decoded(job.item, text=f"{job.name}: {reason(error)}")
            else:
                self._idle.put(one)
                return out
        raise AssertionError

    def several(self, jobs: Sequence[Job], seconds: float = SECONDS) -> list[Decoded]:
        """Some small items in one message; one by one where that fails or takes too long, so that
        the one at fault is named."""
        if len(jobs) > 1:
            one = self._take()
            try:
                out: Any = one.run(Several(jobs), seconds)
            except Exception:
                self._drop(one)
            else:
                self._idle.put(one)
                found: list[Decoded] = out.items
                return found
        return [self(job, seconds) for job in jobs]

    def begin(self, n: int) -> None:
        """Start processes until there are ``n``, without waiting for them."""
        with self._lock:
            new = [Worker() for _ in range(n - len(self._all))]
            self._all.update(new)
        for one in new:
            self._idle.put(one)

    def _take(self) -> Worker:
        try:
            while True:
                one = self._idle.get_nowait()
                if one.process.poll() is None:
                    return one
                self._drop(one)
        except Empty:
            one = Worker()
            with self._lock:
                self._all.add(one)
            return one

    def _drop(self, one: Worker) -> int:
        with self._lock:
            self._all.discard(one)
        return one.stop()

    def close(self) -> None:
        """End all processes."""
        for one in list(self._all):
            self._drop(one)
        memories.close()


def status_text(status: int) -> str:
    """An exit status in words."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


@dataclass(frozen=True)
class Pooled:
    """The processes of this program as a :class:`~featprobe.extraction.decoding.Runner`."""

    seconds: float = SECONDS

    def __call__(self, job: Job) -> Decoded:
        return pool()(job, self.seconds)

    def several(self, jobs: Sequence[Job]) -> list[Decoded]:
        return pool().several(jobs, self.seconds)


memories = Memories()
_pool: Workers | None = None


def pool() -> Workers:
    """The processes of this program."""
    global _pool
    if _pool is None:
        _pool = Workers()
        atexit.register(_pool.close)
    return _pool
