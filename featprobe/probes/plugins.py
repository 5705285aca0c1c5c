"""Probes that other packages and scripts add."""

from __future__ import annotations

from typing import Any

from featprobe.core.plugins import subclass_of
from featprobe.probes.base import Probe


def plugin(name: str, value: Any, of: str, **facts: Any) -> type[Probe]:
    """A subclass of :class:`~featprobe.probes.base.Probe`, made without arguments by default."""
    made: type[Probe] = subclass_of("probe", name, value, Probe, facts)
    return made
