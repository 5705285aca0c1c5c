"""Processes of this package's own modules, each on a socket to the one that starts them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any


def start_module(
    module: str, environment: Mapping[str, str], shared: Sequence[int] = (), *arguments: str,
    **options: Any,
) -> tuple[subprocess.Popen[bytes], socket.socket]:  # fmt: skip
    """Run ``python -m module SOCKET SHARED... ARGUMENTS...``, and this side of the socket.

    It imports from where this process does, and reads no standard input. ``shared``: further
    descriptors that it inherits. ``options`` are :class:`subprocess.Popen`'s.
    """
    ours, theirs = socket.socketpair()
    fds = [theirs.fileno(), *shared]
    path = os.pathsep.join(p for p in sys.path if p)
    process = subprocess.Popen(
        [sys.executable, "-m", module, *map(str, fds), *arguments],
        pass_fds=fds, stdin=subprocess.DEVNULL, env={**environment, "PYTHONPATH": path}, **options,
    )  # fmt: skip
    theirs.close()
    return process, ours
