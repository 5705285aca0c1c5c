"""What else the processor did while something was measured.

Time of the processor that neither this process nor its children used, from ``/proc``: the load
average alone counts what is measured, too.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

QUIET = 0.1  # cores that others may use of a machine that counts as idle
LEAST = 0.5  # seconds below which the clock of the system is too coarse


def cores() -> int:
    """Of the machine, whether or not this process may use all of them."""
    return os.cpu_count() or 1


def machine_seconds() -> float | None:
    """Of all cores since the start of the machine, of any work, and what its host took of them;
    None where the system does not say."""
    try:
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    except OSError:
        return None
    user, nice, system, _idle, _waiting, *interrupts = map(int, fields[:8])
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


def own_seconds() -> float:
    """Of this process and all that descend from it, ended ones included."""
    parent, used = {}, {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:  # a name may hold spaces and brackets
            fields = place.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        pid = int(place.parent.name)
        parent[pid] = int(fields[1])
        used[pid] = sum(map(int, fields[11:15]))
    ours = {os.getpid()}
    while more := {p for p, q in parent.items() if q in ours} - ours:
        ours |= more
    return sum(used.get(p, 0) for p in ours) / os.sysconf("SC_CLK_TCK")


class Others:
    """Cores that other processes kept busy, from when it is made."""

    def __init__(self) -> None:
        self._began = self._mark = self._now()
        self._load = self._loads()

    def since(self) -> float | None:
        """On average since the last call; None where the system does not say, or too soon."""
        now = self._now()
        if now[0] - self._mark[0] < LEAST:
            return None
        found = self._between(self._mark, now)
        self._mark = now
        return found

    def at_all(self) -> float | None:
        """On average from the beginning."""
        return self._between(self._began, self._now())

    def text(self) -> str:
        """One line: whether anything else was busy, with the load before and after."""
        found, load = self.at_all(), f"load {self._load} at the start, {self._loads()} at the end"
        if found is None:
            return f"whether anything else was busy cannot be seen here; {load}"
        busy = "BUSY" if found > QUIET else "nothing else busy"
        return f"{busy}: others on {found:.2f} of {cores()} cores; {load}"

    @staticmethod
    def _loads() -> str:
        return f"{os.getloadavg()[0]:.1f}"

    @staticmethod
    def _now() -> tuple[float, float | None]:
        everything = machine_seconds()
        others = None if everything is None else everything - own_seconds()
        return time.monotonic(), others

    @staticmethod
    def _between(a: tuple[float, float | None], b: tuple[float, float | None]) -> float | None:
        if a[1] is None or b[1] is None:
            return None
        return max(0.0, b[1] - a[1]) / max(b[0] - a[0], 1e-9)
