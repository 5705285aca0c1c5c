"""Which cores are near a card, from what Linux says of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

SYS = Path("/sys")


def pci_address(device: torch.device) -> str:
    """Where a card is plugged in, as ``0000:17:00.0``; empty for what is no card."""
    if device.type != "cuda":
        return ""
    found: Any = torch.cuda.get_device_properties(device)
    try:
        return f"{found.pci_domain_id:04x}:{found.pci_bus_id:02x}:{found.pci_device_id:02x}.0"
    except AttributeError:  # older versions of torch do not say
        return ""


def cores_near(address: str, sys: Path = SYS) -> frozenset[int]:
    """The cores of the NUMA node that a PCI address belongs to; none where it is not known.

    A machine of one node says -1, or has a node that holds all cores: then there is nothing to
    choose.
    """
    if not address:
        return frozenset()
    try:
        node = int((sys / "bus/pci/devices" / address / "numa_node").read_text())
        if node < 0:
            return frozenset()
        return cores_of((sys / f"devices/system/node/node{node}/cpulist").read_text())
    except (OSError, ValueError):
        return frozenset()


def cores_of(text: str) -> frozenset[int]:
    """The cores of a list such as ``0-15,32-47``, as the kernel writes it."""
    found: set[int] = set()
    for part in text.strip().split(","):
        if part:
            first, _, last = part.partition("-")
            found |= set(range(int(first), int(last or first) + 1))
    return frozenset(found)


def affinity(device: torch.device, sys: Path = SYS) -> frozenset[int]:
    """The cores near a card that this process may use; none where that leaves none, or all."""
    if not hasattr(os, "sched_getaffinity"):
        return frozenset()
    allowed = os.sched_getaffinity(0)
    near = cores_near(pci_address(device), sys) & allowed
    return frozenset() if near == allowed else frozenset(near)


def bind(pid: int, cores: frozenset[int]) -> None:
    """Keep a process on cores, where there are any to keep it on; 0 is this one."""
    if not cores:
        return
    try:
        os.sched_setaffinity(pid, cores)
    except OSError:  # not allowed, or gone: it runs where it runs
        return
