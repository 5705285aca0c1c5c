"""Where a vision transformer looks: attention of CLS to patches in its last block."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from featprobe.backbones.adapters import Tokens
from featprobe.backbones.base import Backbone
from featprobe.core.errors import InputError


@torch.inference_mode()
def attention(backbone: Backbone, x: Tensor) -> Tensor:
    """(B, heads, h, w) of normalised frames (B, 3, H, W): how much CLS attends to each patch.

    Shares of a head sum to what CLS and registers leave to patches. Raises :class:`InputError` for
    a backbone without CLS, or one whose model does not hand its attention out.
    """
    adapter = backbone.adapter
    model: Any = backbone.module
    plain = f"{backbone.name}: its model gives no attention of CLS to patches"
    if not isinstance(adapter, Tokens) or not adapter.cls:
        raise InputError(plain)
    config: Any = getattr(model, "config", None)
    before = getattr(config, "_attn_implementation", None)
    try:
        if hasattr(model, "set_attn_implementation"):
            model.set_attn_implementation("eager")  # fused kernels keep no weights
        out = model(**adapter.arguments(x.to(backbone.device)), output_attentions=True)
        found = getattr(out, "attentions", None)
        if not found or found[-1] is None:
            raise InputError(plain)
    except TypeError as error:
        raise InputError(plain) from error
    finally:
        if before is not None and hasattr(model, "set_attn_implementation"):
            model.set_attn_implementation(before)
    h, w = x.shape[-2] // adapter.patch, x.shape[-1] // adapter.patch
    weights: Tensor = found[-1][:, :, 0, adapter.prefix :]
    return weights.unflatten(-1, (h, w)).float()
