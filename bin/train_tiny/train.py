"""The training loop, and the folder that it writes."""

from __future__ import annotations

import json
import math
import os
import platform
import time
from copy import deepcopy
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from featprobe.core.atomic import write_text_atomic
from featprobe.core.progress import Progress
from train_tiny.augment import Draws, Views, views
from train_tiny.images import Pool, make_pool
from train_tiny.model import MEAN, STD, WEIGHTS, Learner, config, total

POOL = 1_000_003  # keeps the pool's seeds apart from those of the views


@dataclass(frozen=True)
class Settings:
    """Everything that the weights depend on, beside the versions of the libraries.

    ``images``: size of the pool; ``pixels``: side of its images, a multiple of 32; ``batch``:
    images a step, each seen in two views; ``size``: side of a view in pixels; ``early_size`` is
    used for the first ``early`` share of the steps, which are then cheaper.
    """

    steps: int = 2600
    seed: int = 0
    images: int = 48_000
    pixels: int = 128
    batch: int = 64
    size: int = 112
    early_size: int = 84
    early: float = 0.8
    width: int = 192
    blocks: int = 5
    heads: int = 3
    rate: float = 1e-3
    warmup: int = 250
    decay: float = 0.05
    average: float = 0.997


class Supply:
    """Batches of views from a pool: every image once an epoch, in an order of the seed."""

    def __init__(self, pool: Pool, s: Settings, device: torch.device) -> None:
        self.s, self.device = s, device
        self.arrays = [
            torch.from_numpy(a)
            for a in (pool.images, pool.marks, pool.label, pool.family, pool.count)
        ]
        self.order = np.empty(0, dtype=np.int64)
        self.epoch = -1

    def __call__(self, step: int) -> Views:
        """Two views of each image of a batch: the second half repeats the images of the first."""
        n = len(self.arrays[0])
        per = max(1, n // self.s.batch)
        if step // per != self.epoch:
            self.epoch = step // per
            self.order = np.random.default_rng([self.s.seed, 1, self.epoch]).permutation(n)
        at = step % per * self.s.batch
        rows = torch.from_numpy(np.tile(self.order[at : at + self.s.batch], 2))
        size = self.s.early_size if step < self.s.early * self.s.steps else self.s.size
        draws = Draws(self.s.seed, step, self.device)
        images, marks, label, family, count = (a[rows].to(self.device) for a in self.arrays)
        return views(images, marks, label, family, count, size, draws)


def rate_at(step: int, s: Settings) -> float:
    """Learning rate: linear warm-up, then half a cosine down to a hundredth."""
    if step < s.warmup:
        return s.rate * (step + 1) / s.warmup
    along = (step - s.warmup) / max(1, s.steps - s.warmup)
    return s.rate * (0.01 + 0.99 * (1 + math.cos(math.pi * along)) / 2)


def train(
    s: Settings, out: Path, device: str = "cpu", processes: int = 1, save_every: float = 240.0,
    show: bool = True,
) -> dict[str, Any]:  # fmt: skip
    """Make the pool, train, write the folder; what is returned is ``training.json``.

    The folder is also written every ``save_every`` seconds, with the average of the weights so far.
    """
    begun = time.perf_counter()
    target = torch.device(device)
    with Progress("images", s.images, "images", show) as p:
        pool = make_pool(s.images, s.pixels, s.seed * POOL + 1, processes, p.update)
    made = time.perf_counter() - begun
    with torch.random.fork_rng(devices=[]):  # the caller's random state stays as it is
        torch.manual_seed(s.seed)
        learner = Learner(config(s.size, s.width, s.blocks, s.heads))
    learner = learner.to(target).train()
    kept = deepcopy(learner.backbone).eval().requires_grad_(False)
    optimizer = torch.optim.AdamW(_groups(learner, s.decay), lr=s.rate, betas=(0.9, 0.98))
    supply = Supply(pool, s, target)
    history: list[dict[str, float]] = []
    saved = time.perf_counter()
    with Progress("train", s.steps, "steps", show) as p:
        for step in range(s.steps):
            for group in optimizer.param_groups:
                group["lr"] = rate_at(step, s)
            losses = learner.losses(supply(step))
            loss = total(losses)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
            optimizer.step()
            _average(kept, learner.backbone, min(s.average, (step + 1) / (step + 10)))
            history.append({"total": loss.item(), **{k: v.item() for k, v in losses.items()}})
            p.update(step + 1)
            if time.perf_counter() - saved > save_every:
                saved = time.perf_counter()
                write(out, kept, _record(s, device, history, begun, made))
                if show:
                    _tell(history)
    record = _record(s, device, history, begun, made)
    write(out, kept, record)
    return record


def _groups(learner: Learner, decay: float) -> list[dict[str, Any]]:
    """Weight decay for matrices only, not for biases, norms, scales and embeddings."""
    plain: list[Tensor] = []
    decayed: list[Tensor] = []
    for name, p in learner.named_parameters():
        embedding = name.endswith(("_token", "position_embeddings"))
        (plain if p.ndim < 2 or embedding else decayed).append(p)
    return [
        {"params": decayed, "weight_decay": decay},
        {"params": plain, "weight_decay": 0.0},
    ]


@torch.no_grad()
def _average(kept: torch.nn.Module, current: torch.nn.Module, momentum: float) -> None:
    """Exponential moving average of weights."""
    for a, b in zip(kept.parameters(), current.parameters()):
        a.lerp_(b, 1 - momentum)


def _tell(history: list[dict[str, float]]) -> None:
    recent = _mean(history[-100:])
    print("  " + ", ".join(f"{k} {v:.3f}" for k, v in recent.items()), flush=True)


def _mean(rows: list[dict[str, float]]) -> dict[str, float]:
    return {k: round(float(np.mean([r[k] for r in rows])), 4) for k in rows[0]}


def _record(
    s: Settings, device: str, history: list[dict[str, float]], begun: float, made: float
) -> dict[str, Any]:
    tenth = max(1, len(history) // 10)
    return {
        "settings": asdict(s),
        "weights_of_losses": WEIGHTS,
        "steps_done": len(history),
        "seconds": {"images": round(made), "total": round(time.perf_counter() - begun)},
        "first_losses": _mean(history[:tenth]),
        "final_losses": _mean(history[-tenth:]),
        "device": device,
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "versions": {
            "python": platform.python_version(),
            **{n: version(n) for n in ("torch", "transformers", "numpy", "scipy", "pillow")},
        },
    }


def write(out: Path, backbone: Any, record: dict[str, Any]) -> None:
    """The folder of a model, as transformers and featprobe read it; weights in half precision."""
    out.mkdir(parents=True, exist_ok=True)
    state: dict[str, Tensor] = {
        k: v.detach().cpu().half().contiguous() for k, v in backbone.state_dict().items()
    }
    part = out / "model.safetensors.part"
    save_file(state, part, metadata={"format": "pt"})
    part.chmod(0o644)  # safetensors writes files that only their owner may read
    part.replace(out / "model.safetensors")
    cfg = backbone.config.to_diff_dict()
    cfg = {k: v for k, v in cfg.items() if not k.startswith("_")}
    cfg.pop("dtype", None)  # of the file only: a random initialisation is made in float32
    cfg |= {"architectures": ["Dinov2Model"], "model_type": "dinov2"}
    size = record["settings"]["size"]
    _json(out / "config.json", cfg)
    _json(out / "preprocessor_config.json", {
        "image_processor_type": "BitImageProcessor", "do_resize": True, "do_center_crop": False,
        "size": {"height": size, "width": size}, "resample": 3, "do_rescale": True,
        "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": [MEAN] * 3,
        "image_std": [STD] * 3,
    })  # fmt: skip
    _json(out / "training.json", record)


def _json(path: Path, value: dict[str, Any]) -> None:
    write_text_atomic(path, json.dumps(value, indent=1, sort_keys=True) + "\n")
