"""Probes by name: the modules of this package, and entry points ``featprobe.probe``."""

from __future__ import annotations

from featprobe.registry import Registry

NONE = ("base", "checks", "constants", "named", "parameters", "standardizer")  # what probes share
PROBES = Registry("probe", "featprobe.probes", "PROBE", exclude=NONE)
