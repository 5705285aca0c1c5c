"""Whether a network is compiled for an extraction, and where what was compiled is kept."""

from __future__ import annotations

import os
import shutil
import sysconfig
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from featprobe.backbones.base import Backbone
from featprobe.core.errors import InputError
from featprobe.core.paths import cache_root
from featprobe.core.threads import cores as cores_here
from featprobe.extraction.options import Settings

KEPT = "compiled"  # folder of the cache
PLACE = "TORCHINDUCTOR_CACHE_DIR"
SECONDS = {"cuda": 90.0, "cpu": 60.0}  # what compiling takes, about, where nothing is kept
WORTH = 2.0  # so many times that must be saved: rates below are taken, not measured
# FLOP/s that a network reaches, about: of a card in 16 and 32 bits, and of a core
RATES = {"half": 1.5e14, "float32": 2e13, "core": 1e11}
# By how much compiled blocks are faster at the least, by device and what they are made of: on a
# CPU measured on one core (ResNet-50 1.28, ConvNeXt-T 1.24, ViT-S/14 1.05), of cards not here.
GAINS = {
    ("cuda", "convolutions"): 1.4, ("cuda", "rotary"): 1.4, ("cuda", "attention"): 1.05,
    ("cpu", "convolutions"): 1.2, ("cpu", "rotary"): 1.0, ("cpu", "attention"): 1.0,
}  # fmt: skip


@dataclass(frozen=True)
class Decision:
    """Whether to compile, and why, as it is written down."""

    compiled: bool | Literal["graphs"]
    why: str


def decide(
    frames: int, flops: float, kind: str, device: str, precision: str, cores: int = 1
) -> Decision:
    """Whether compiling saves several times what it takes.

    ``frames``: all that a process has to do for this store, whether or not some are done: a run
    that is continued then decides as the one before it. ``flops``: of a frame; ``kind``: see
    :func:`kind_of`; ``device``: its type. Depends on nothing that is timed.
    """
    gain = GAINS.get((device, kind), 1.0)
    half = "float32" if precision == "float32" else "half"
    rate = RATES["core"] * cores if device == "cpu" else RATES[half]
    work = frames * flops / rate
    saved, cost = work * (1 - 1 / gain), SECONDS.get(device, SECONDS["cuda"])
    about = (
        f"{frames} frames of {flops / 1e9:.3g} GFLOP are some {work:.0f} s on this device; "
        f"of which compiled blocks of {kind} save {saved:.0f} s; compiling takes some {cost:.0f} s"
    )
    good = saved > WORTH * cost
    return Decision(good, f"{'compiled' if good else 'not compiled'}: {about}")


def kind_of(backbone: Backbone) -> str:
    """What takes the time in its blocks: ``convolutions``, ``rotary`` attention (DINOv3, whose
    positions are turned in small steps that compiling joins), or ``attention``."""
    blocks = backbone.adapter.blocks_of(backbone.module)
    convolutions = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
    if any(isinstance(m, convolutions) for b in blocks for m in b.modules()):
        return "convolutions"
    names = " ".join(type(m).__name__ for m in backbone.module.modules()).lower()
    return "rotary" if "rope" in names or "rotary" in names else "attention"


def flops_of(backbone: Backbone) -> float:
    """FLOPs of one frame; a product and its sum are two."""
    x = torch.zeros(1, 3, *backbone.preprocess.size)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        backbone.forward(x)
    return float(counter.get_total_flops())


def missing(device: str) -> str:
    """What compiling lacks on this machine; empty where all is there."""
    if not any(map(shutil.which, (os.environ.get("CXX") or "g++", "clang++", "gcc", "cc"))):
        return "a C++ compiler (g++)"
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        return "Python.h (python3-dev)"  # what is compiled is called from Python
    return "triton" if device == "cuda" and not find_spec("triton") else ""


def settle_compiling(
    backbone: Backbone, o: Settings, frames: int, cache: str | os.PathLike[str] | None
) -> Decision:
    """What ``--compile`` comes down to for a store of so many ``frames``.

    What is compiled is kept in the cache, for later runs on the same machine. Raises
    :class:`InputError` where it was asked for and cannot be.
    """
    if not o.compiled:
        return Decision(False, "")
    if o.compiled == "graphs":
        return Decision("graphs", "whole batches are replayed as a CUDA graph")
    if lacks := missing(o.target.type):
        if o.compiled == "auto":
            return Decision(False, f"not compiled: {lacks} is not installed")
        raise InputError(f"--compile on needs {lacks}, which is not installed; use --compile auto")
    decision = Decision(True, "")
    if o.compiled == "auto":
        processes = max(1, len(o.devices)) * o.part[1]
        if len(o.devices) < 2:
            backbone.to(o.target)
        decision = decide(
            frames // processes, flops_of(backbone), kind_of(backbone), o.target.type, o.precision,
            cores_here(),
        )  # fmt: skip
    if decision.compiled:
        keep(cache_root(cache).resolve() / KEPT)
    return decision


def keep(folder: Path) -> None:
    """Have torch keep what it compiles in a folder, here and in processes that are begun here, but
    where the user has named another; torch itself names a temporary one when it is imported."""
    from torch._inductor.runtime.cache_dir_utils import default_cache_dir

    if os.environ.get(PLACE) in (None, "", default_cache_dir()):
        os.environ[PLACE] = str(folder)
    os.environ.setdefault("TORCHINDUCTOR_FX_GRAPH_CACHE", "1")
