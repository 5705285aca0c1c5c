"""Tables of a card in a process that may die: what it has not begun is made by the next one.

A library that does not suit a card ends the process by a signal, and a lost kernel waits for ever;
neither may take the tables behind it along.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

CHILD = "BENCH_CHILD"  # set in the environment of the process that does the work
TRIES = 4
GRACE = 90.0  # seconds after the time that was given, in which a table may still end by itself


def supervise(command: Sequence[str], seconds: float) -> int:
    """Run a command that ends in ``seconds`` of :envvar:`BENCH_BEGAN`, or of now.

    One that a signal ends is begun again with ``--resume``, :data:`TRIES` times in all; one that
    does not end is killed. Returns its exit code, 1 where it never ended by itself.
    """
    spent = time.time() - float(os.environ.get("BENCH_BEGAN") or time.time())
    end = time.monotonic() + max(0.0, seconds - max(0.0, spent)) + GRACE
    words = list(command)
    for _ in range(TRIES):
        child = subprocess.Popen(words, env={**os.environ, CHILD: "1"})
        try:
            code = child.wait(max(0.1, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            _say("it did not end in time and was killed; what it had done is written")
            return 1
        except KeyboardInterrupt:
            child.wait()
            return 128 + signal.SIGINT
        if code >= 0:
            return code
        _say(f"the process died by {signal.Signals(-code).name}; the tables behind that go on")
        words = [*command, "--resume"]
    return 1


def _say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)
