"""core/memory.py: freed memory is kept, and given back when asked."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from featprobe.core import memory

glibc = pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "mallopt"), reason="needs a C library with mallopt"
)
FAULTS = """
import resource
import numpy as np
from featprobe.core.memory import keep_freed

def work():
    large = [np.ones(1 << 19) for _ in range(3)]  # 4 MB each

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

keep_freed()
work()
before = faults()
for _ in range(20):
    work()
print(faults() - before)
"""


@glibc
def test_what_is_freed_is_not_fetched_again():
    out = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    assert int(out.stdout) < 3 * 1024  # once; 20 times as many are touched


@glibc
def test_memory_is_given_back():
    code = FAULTS.replace("print(", "from featprobe.core.memory import give_back\n").replace(
        "faults() - before)",
        "status = lambda: int(open('/proc/self/statm').read().split()[1])\n"
        "full = status(); give_back(); print(full - status())",
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(out.stdout) > 2 * 1024  # pages: 8 of the 12 MB at the least


def test_without_such_a_library_nothing_happens(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    memory.keep_freed()
    memory.give_back()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: (_ for _ in ()).throw(TypeError))
    memory.keep_freed()
