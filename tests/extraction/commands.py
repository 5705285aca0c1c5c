"""``featprobe`` as a process that starts at once: forked where everything is imported already."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from featprobe.cli.main import main

READY = multiprocessing.get_context("forkserver")
READY.set_forkserver_preload(["tests.extraction.warm"])
PREPROCESS = {
    "image_processor_type": "BitImageProcessor", "do_resize": True, "do_center_crop": False,
    "do_normalize": True, "do_rescale": True, "size": {"height": 28, "width": 28},
    "image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.25, 0.25],
}  # fmt: skip


def save_tiny(folder: Path) -> Path:
    """The tiny backbone of these tests as a folder that ``--model`` takes."""
    from tests.conftest import make_tiny

    make_tiny().module.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESS))
    return folder


@dataclass
class Command:
    """A ``featprobe`` that runs."""

    process: ForkServerProcess
    said: Path

    def kill(self) -> bool:
        """``kill -9``; False when it was done before."""
        killed = self.process.is_alive()
        self.process.kill()
        self.process.join()
        return killed

    def end(self) -> tuple[int, str]:
        """Its exit code and what it wrote, once it is done."""
        self.process.join()
        assert self.process.exitcode is not None
        return self.process.exitcode, self.said.read_text(encoding="utf-8")


def start(said: Path, *arguments: object, first: Callable[[], Any] | None = None) -> Command:
    """Run a command line; what it writes goes to a file. ``first`` runs in its process before."""
    process = READY.Process(target=_main, args=([str(a) for a in arguments], str(said), first))
    process.start()
    return Command(process, said)


def run(said: Path, *arguments: object, **options: Any) -> tuple[int, str]:
    """Run a command line to its end."""
    return start(said, *arguments, **options).end()


def _main(arguments: list[str], said: str, first: Callable[[], Any] | None) -> None:
    handle = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    if first:
        first()
    main(arguments)
