"""Probes by name: the modules of this package, and those that others register."""

from __future__ import annotations

from featprobe.core.registry import Registry

NONE = (  # what probes share, and what is done with them
    "bag_networks",
    "base",
    "checks",
    "feature_range",
    "loading",
    "neighbours",
    "parameters",
    "plugins",
    "presets",
    "registry",
    "saving",
    "sealed",
    "selection",
    "single_class",
    "standardizer",
    "temperature",
)
PROBES = Registry("probe", "featprobe.probes", "PROBE", exclude=NONE)
