"""Which cores are near a card: over trees as Linux writes them, and on a real process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from featprobe.extraction import numa

CARD = "0000:17:00.0"


def tree(root: Path, nodes: dict[int, str], cards: dict[str, str]) -> Path:
    """A tree of /sys: lists of cores by node, and the nodes of cards."""
    for node, cores in nodes.items():
        folder = root / f"devices/system/node/node{node}"
        folder.mkdir(parents=True)
        (folder / "cpulist").write_text(f"{cores}\n")
    for address, node in cards.items():
        folder = root / "bus/pci/devices" / address
        folder.mkdir(parents=True)
        (folder / "numa_node").write_text(f"{node}\n")
    return root


def test_a_card_of_the_second_socket_has_its_cores(tmp_path) -> None:
    root = tree(tmp_path, {0: "0-3,8-11", 1: "4-7,12-15"}, {CARD: "1", "0000:65:00.0": "0"})
    assert numa.cores_near(CARD, root) == {4, 5, 6, 7, 12, 13, 14, 15}
    assert numa.cores_near("0000:65:00.0", root) == {0, 1, 2, 3, 8, 9, 10, 11}


@pytest.mark.parametrize("said", ["-1", "7", "none", ""])
def test_what_is_not_known_binds_nothing(tmp_path, said) -> None:
    assert numa.cores_near(CARD, tree(tmp_path, {0: "0-3"}, {CARD: said})) == set()


def test_a_machine_without_such_a_tree_binds_nothing(tmp_path) -> None:
    assert numa.cores_near(CARD, tmp_path) == set()
    assert numa.cores_near("", tmp_path) == set()
    assert numa.affinity(torch.device("cpu")) == set()


@given(st.sets(st.integers(0, 400), max_size=40))
def test_lists_of_cores_are_read_as_the_kernel_writes_them(cores) -> None:
    runs: list[list[int]] = []
    for core in sorted(cores):
        if runs and runs[-1][-1] == core - 1:
            runs[-1].append(core)
        else:
            runs.append([core])
    text = ",".join(f"{r[0]}-{r[-1]}" if len(r) > 1 else str(r[0]) for r in runs)
    assert numa.cores_of(text + "\n") == cores


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> None:
    said = SimpleNamespace(pci_domain_id=0, pci_bus_id=0x17, pci_device_id=0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: said)


@pytest.mark.usefixtures("card")
@pytest.mark.parametrize(
    ("allowed", "bound"),
    [
        (range(16), {4, 5, 6, 7}),
        (range(6), {4, 5}),  # of a job that has six of them
        (range(4), set()),  # all of them far from the card
        (range(4, 8), set()),  # all of them near
    ],
)
def test_of_the_cores_that_are_allowed_those_near_are_taken(tmp_path, monkeypatch, allowed, bound):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(allowed))
    root = tree(tmp_path, {0: "0-3", 1: "4-7"}, {CARD: "1"})
    device = torch.device("cuda:0")
    assert numa.pci_address(device) == CARD
    assert numa.affinity(device, root) == bound


def test_a_torch_that_does_not_say_where_a_card_is_binds_nothing(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda d: SimpleNamespace())
    assert numa.pci_address(torch.device("cuda")) == ""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux alone has it")
def test_a_process_is_kept_on_cores() -> None:
    allowed = os.sched_getaffinity(0)
    one = frozenset([min(allowed)])
    child = subprocess.Popen(
        [sys.executable, "-c", "print(input())"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    try:
        numa.bind(child.pid, frozenset())
        assert os.sched_getaffinity(child.pid) == allowed
        numa.bind(child.pid, one)
        assert os.sched_getaffinity(child.pid) == one
        numa.bind(child.pid, frozenset([100_000]))  # no such core: it stays where it is
        assert os.sched_getaffinity(child.pid) == one
    finally:
        child.communicate(b"\n")
