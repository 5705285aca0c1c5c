"""Learning rates and weight decay of each parameter, and how the rate moves."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from featprobe.backbones.base import Backbone
from featprobe.core.errors import InputError
from featprobe.finetuning.recipes.base import blocks_of
from featprobe.finetuning.settings import HEAD_LR, Training

# Names of parameters that are not decayed whatever their shape: biases and tables of them, tokens,
# position embeddings, and the vectors that IA3 and DoRA scale by.
KEPT = re.compile(
    r"(bias|bias_table|rel_pos_[hw]|_tokens?|class_embedding|positions|probe|latent"
    r"|pos(ition(al)?)?_embed[a-z]*(_window|\.weight)?"
    r"|(ia3_l|lora_magnitude_vector)(\.\w+)*)$"
)


def groups(backbone: Backbone, head: nn.Module, training: Training, lr: float) -> list[dict]:
    """Parameter groups for an optimizer of torch: ``params``, ``lr``, ``weight_decay``, ``name``.

    ``lr``: peak rate of the backbone. The parameters of block b of L have ``lr *
    layer_decay^(L + 1 - b)``, all before the blocks b = 0 and all behind them b = L + 1 (Bao et al.
    2022, BEiT, arXiv 2106.08254, ``LayerDecayValueAssigner`` of their code). The head has
    ``head_lr``. Whatever was put into a block has its depth. Parameters in no block are placed by
    the order in which the network lists them: before the blocks, behind them, or with the block
    that they follow; the norms that the adapter names are behind.

    Only parameters with ``requires_grad``, each in one group. Vectors and those called as in
    :data:`KEPT` are not decayed unless ``decay_all``.
    """
    depth, last = _depths(backbone)
    top = training.head_lr or HEAD_LR
    found: dict[tuple[str, bool], dict[str, Any]] = {}
    named = [(n, p, depth[id(p)]) for n, p in backbone.module.named_parameters()]
    named += [(n, p, last + 1) for n, p in head.named_parameters() if id(p) not in depth]
    for name, parameter, at in sorted(named, key=lambda item: item[2]):
        if not parameter.requires_grad:
            continue
        plain = not training.decay_all and (parameter.ndim < 2 or bool(KEPT.search(name)))
        where = _called(at, last)
        group = found.setdefault((where, plain), {
            "params": [],
            "lr": top if at > last else lr * training.layer_decay ** (last - at),
            "weight_decay": 0.0 if plain else training.weight_decay,
            "name": f"{where}, not decayed" if plain else where,
        })  # fmt: skip
        group["params"].append(parameter)
    return list(found.values())


def _called(depth: int, last: int) -> str:
    names = {0: "before the blocks", last: "behind the blocks", last + 1: "head"}
    return names.get(depth, f"block {depth}")


def _depths(backbone: Backbone) -> tuple[dict[int, int], int]:
    """id of each parameter of the backbone -> 0, block 1 to L, or L + 1; and L + 1."""
    blocks = blocks_of(backbone)
    behind = len(blocks) + 1
    depth = {id(p): b for b, block in enumerate(blocks, 1) for p in block.parameters()}
    for path in (getattr(backbone.adapter, name, "") for name in ("norm", "pooled")):
        if path:
            for parameter in backbone.module.get_submodule(path).parameters():
                depth.setdefault(id(parameter), behind)
    at = 0
    for parameter in backbone.module.parameters():
        options = depth.setdefault(id(parameter), behind if at == len(blocks) else at)
        at = options if at < options < behind else at
    return depth, behind


def optimizer(groups: list[dict], training: Training) -> torch.optim.Optimizer:
    """The optimizer of the settings over :func:`groups`."""
    if not groups:
        raise InputError("nothing trains: neither the recipe nor the head has parameters")
    if training.optimizer == "sgd":
        return torch.optim.SGD(groups, momentum=training.momentum, fused=True)
    kind = torch.optim.AdamW if training.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, fused=True)


def schedule(training: Training, steps: int) -> Callable[[int], float]:
    """Step t = 0, 1, ... to the factor of the peak rate, for ``torch.optim.lr_scheduler.LambdaLR``.

    The W steps of the warm-up have (t + 1) / W, so that the first is not wasted and the last is at
    the peak. ``cosine`` falls from there, without a warm-up from step 0, to ``final_lr`` at step
    ``steps`` - 1; ``constant`` stays. Later steps keep the last factor.

    Raises :class:`InputError` for a warm-up that is longer than the training.
    """
    share = training.warmup < 1
    warm = round(training.warmup * steps) if share else round(training.warmup)
    if steps < 1 or warm > steps:
        raise InputError(f"warmup of {warm} steps does not fit into a training of {steps} steps")
    peak = max(warm - 1, 0)

    def factor(t: int) -> float:
        t = min(t, steps - 1)
        if t < peak:
            return (t + 1) / warm
        if training.schedule == "constant" or t == peak:
            return 1.0
        done = (t - peak) / (steps - 1 - peak)
        low = training.final_lr
        return low + (1 - low) * 0.5 * (1 + math.cos(math.pi * done))

    return factor
