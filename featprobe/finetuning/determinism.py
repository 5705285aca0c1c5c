"""Torch as it has to be for two trainings to end alike."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def deterministic() -> Iterator[None]:
    """Operations that have a deterministic form take it; those that have none are left alone."""
    before = torch.are_deterministic_algorithms_enabled()
    warn = torch.is_deterministic_algorithms_warn_only_enabled()
    flags: Any = torch.utils.deterministic
    filled = flags.fill_uninitialized_memory
    flags.fill_uninitialized_memory = False  # a debugging aid that takes time
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warn)
        flags.fill_uninitialized_memory = filled
