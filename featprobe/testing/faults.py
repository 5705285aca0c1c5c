"""Faults for contract suites: processes that are killed, full and read-only disks, flipped bits."""

from __future__ import annotations

import contextlib
import faulthandler
import multiprocessing
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from featprobe.store.storage_path import StoragePath

FORK = multiprocessing.get_context("fork")
NOBODY = 65534


def start(job: Callable[..., Any], *arguments: Any) -> BaseProcess:
    """Run a function in a process of its own."""
    process = FORK.Process(target=job, args=arguments)
    process.start()
    return process


def kill_after(seconds: float, job: Callable[..., Any], *arguments: Any) -> bool:
    """Run a function in a process and ``kill -9`` it; False when it was done before."""
    process = start(job, *arguments)
    time.sleep(seconds)
    assert process.pid is not None
    killed = process.is_alive()
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)
    process.join()
    return killed


def outcomes(*jobs: Callable[[], Any], user: int | None = None) -> list[Any]:
    """What functions return that run at once, each in a process of its own.

    ``user``: run as that user, where this process may. Raises what one of them raised, and
    ``EOFError`` when its process died.
    """
    running = []
    for job in jobs:
        here, there = FORK.Pipe(duplex=False)
        process = start(_print, job, there, user)
        there.close()
        running.append((process, here))
    found = [here.recv() for _, here in running]
    for process, _ in running:
        process.join()
    for done, value in found:
        if not done:
            raise value
    return [value for _, value in found]


def _print(job: Callable[[], Any], to: Any, user: int | None) -> None:
    if user is not None and os.geteuid() == 0:
        os.setuid(user)
    faulthandler.disable()  # that it died is what the caller asks; pytest's trace is of no use
    try:
        to.send((True, job()))
    except Exception as error:
        to.send((False, error))


def flip(file: Path, position: int, bit: int = 0) -> None:
    """Change one bit of a file; again, and it is as before."""
    with file.open("r+b") as f:
        f.seek(position)
        byte = f.read(1)[0]
        f.seek(position)
        f.write(bytes([byte ^ (1 << bit)]))


def data_files(path: StoragePath) -> list[Path]:
    """Files of a store that hold arrays: not its JSON, nor what is made from the others."""
    assert path.local is not None
    names = sorted(n for n, _ in path.files())
    return [path.local / n for n in names if not n.endswith((".json", "features.h5"))]


@contextlib.contextmanager
def public_folder() -> Iterator[Path]:
    """A temporary folder that every user can enter."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


@contextlib.contextmanager
def small_disk(path: Path, size: int) -> Iterator[Callable[[int], None] | None]:
    """A folder on a file system of ``size`` bytes, and a function that enlarges it.

    None where file systems cannot be mounted; nothing is limited then.
    """
    path.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)]
    try:
        mounted = subprocess.run(mount, capture_output=True).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        yield None
        return

    def grow(to: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={to}", str(path)], check=True)

    try:
        yield grow
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)
