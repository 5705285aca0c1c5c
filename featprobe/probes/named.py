"""Probes by name: the modules of this package, and those that others register."""

from __future__ import annotations

from featprobe.core.registry import Registry

NONE = (  # what probes share, and what is done with them
    "base",
    "checks",
    "constants",
    "loading",
    "named",
    "neighbours",
    "parameters",
    "plugins",
    "presets",
    "saving",
    "selection",
    "standardizer",
    "temperature",
)
PROBES = Registry("probe", "featprobe.probes", "PROBE", exclude=NONE)
