"""FAISS is loaded with matrix products that suit the processor."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from featprobe.neighbours.library import CORE, flags, kernels_for

CODE = """
import os, sys
from featprobe.neighbours.library import CORE, library
before = os.environ.get(CORE)
library()
assert os.environ.get(CORE) == before
from threadpoolctl import threadpool_info
found = [d for d in threadpool_info() if "faiss" in d["filepath"]]
print([d["architecture"] for d in found if "architecture" in d])
"""


def architectures(**env: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", CODE], check=True, capture_output=True, text=True,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path), **env},
    ).stdout.strip()  # fmt: skip


@pytest.mark.skipif(kernels_for(flags()) is None, reason="the processor has neither AVX2 nor 512")
def test_faiss_has_the_kernels_of_the_processor_and_others_choose_for_themselves() -> None:
    found = architectures()
    assert found in ("[]", f"[{kernels_for(flags())!r}]")  # faiss-gpu and others may have none
    assert architectures(**{CORE: "Haswell"}) in ("[]", "['Haswell']")  # as the user says


@pytest.mark.parametrize("line, kernels", [
    ("flags : fpu avx2 fma", "Haswell"), ("flags\t\t: avx2", None), ("Features : neon", None),
    ("flags : avx2 fma avx512f avx512cd avx512bw avx512dq avx512vl", "SkylakeX"),
    ("flags : avx2 fma avx512f avx512cd", "Haswell"), ("", None),
])  # fmt: skip
def test_kernels_are_those_that_the_flags_allow(tmp_path: Path, line: str, kernels: str) -> None:
    (tmp_path / "cpuinfo").write_text(f"model name : x\n{line}\n")
    assert kernels_for(flags(tmp_path / "cpuinfo")) == kernels
    assert flags(tmp_path / "none") == set()
