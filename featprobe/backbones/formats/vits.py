"""Layouts of vision transformers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from featprobe.backbones.formats.layout import Layout, Rule, rule

HEADS = {
    r"(head|head_dist|fc|classifier)\.": "classification head",
    r"pre_logits\.": "layer between the final norm and the classification head",
}
SSL_HEADS = {
    r"(.*\.)?(dino_head|ibot_head)\.": "self-supervised head",
    r"(teacher|student)\.(module\.)?head\.": "self-supervised head",
    r"(.*\.)?student\.": "student beside its teacher",
    r"model_ema\.": "average beside its model",
}


def _embeddings(tokens: Mapping[str, str]) -> tuple[Rule, ...]:
    return (
        rule("patch_embed.proj.{p}", "embeddings.patch_embeddings.projection.{p}"),
        rule("pos_embed", "embeddings.position_embeddings"),
        *(rule(name, f"embeddings.{target}") for name, target in tokens.items()),
    )


def _attention(target: str) -> tuple[Rule, ...]:
    """The fused projection of timm's blocks, rows in the order query, key, value."""
    return (
        rule("blocks.{n}.attn.qkv.{p}", *(f"{target}.{x}_proj.{{p}}" for x in "qkv")),
        rule("blocks.{n}.attn.proj.{p}", f"{target}.o_proj.{{p}}"),
    )


def _image_size(tokens: int, position: str = "pos_embed") -> Any:
    """Image size by a square position embedding behind ``tokens`` others."""

    def facts(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
        pos, patch = tensors.get(position), tensors.get("patch_embed.proj.weight")
        if pos is None or patch is None or pos.ndim != 3 or patch.ndim != 4:
            return {}
        side = math.isqrt(max(0, pos.shape[1] - tokens))
        if side < 1 or side * side != pos.shape[1] - tokens:
            return {}
        return {"image_size": side * patch.shape[-1]}

    return facts


_LAYER = "encoder.layer.{n}"
_DINOV2 = (
    *_embeddings({"cls_token": "cls_token", "mask_token": "mask_token"}),
    *_attention(f"{_LAYER}.attention"),
    rule("blocks.{n}.norm1.{p}", f"{_LAYER}.norm1.{{p}}"),
    rule("blocks.{n}.norm2.{p}", f"{_LAYER}.norm2.{{p}}"),
    rule("blocks.{n}.ls1.gamma", f"{_LAYER}.layer_scale1.lambda1"),
    rule("blocks.{n}.ls2.gamma", f"{_LAYER}.layer_scale2.lambda1"),
    rule("blocks.{n}.mlp.fc1.{p}", f"{_LAYER}.mlp.fc1.{{p}}"),
    rule("blocks.{n}.mlp.fc2.{p}", f"{_LAYER}.mlp.fc2.{{p}}"),
    # SwiGLU: the gated half comes first
    rule("blocks.{n}.mlp.w12.{p}", *(f"{_LAYER}.mlp.{x}_proj.{{p}}" for x in ("gate", "up"))),
    rule("blocks.{n}.mlp.w3.{p}", f"{_LAYER}.mlp.down_proj.{{p}}"),
    rule("norm.{p}", "layernorm.{p}"),
)
_CHUNKS = (r"^blocks\.\d+\.(\d+)\.", r"blocks.\1.")

REGISTERS = Layout(
    name="DINOv2 with registers (facebookresearch/dinov2)",
    families=("dinov2_with_registers",),
    marks=(r"register_tokens$", r"blocks\.\d+\.ls1\.gamma$"),
    rules=(*_DINOV2, rule("register_tokens", "embeddings.register_tokens")),
    dropped=SSL_HEADS,
    beside=HEADS,
    shorten=_CHUNKS,
    facts=_image_size(1),
)
DINOV2 = Layout(
    name="DINOv2 (facebookresearch/dinov2, DINORET)",
    families=("dinov2", "dinov2_with_registers"),
    marks=(r"blocks\.\d+\.ls1\.gamma$",),
    rules=REGISTERS.rules,
    dropped=SSL_HEADS,
    beside=HEADS,
    shorten=_CHUNKS,
    facts=_image_size(1),
)

_BLOCKS = (
    *_attention("layers.{n}.attention"),
    rule("blocks.{n}.norm1.{p}", "layers.{n}.layernorm_before.{p}"),
    rule("blocks.{n}.norm2.{p}", "layers.{n}.layernorm_after.{p}"),
    rule("blocks.{n}.mlp.fc1.{p}", "layers.{n}.mlp.fc1.{p}"),
    rule("blocks.{n}.mlp.fc2.{p}", "layers.{n}.mlp.fc2.{p}"),
    rule("norm.{p}", "layernorm.{p}"),
)
_TOKENS = {"cls_token": "cls_token", "dist_token": "distillation_token"}
_VIT = (*_embeddings(_TOKENS), *_BLOCKS)
_EPS = {"layer_norm_eps": 1e-6}  # the hub's files of these say 1e-12
DEIT = Layout(
    name="distilled DeiT (facebookresearch/deit)",
    families=("deit",),
    marks=(r"dist_token$", r"blocks\.\d+\.attn\.qkv\.weight$"),
    rules=_VIT,
    dropped=SSL_HEADS,
    beside=HEADS,
    fixed=_EPS,
    facts=_image_size(2),
)
MAE = Layout(
    name="MAE with its decoder (facebookresearch/mae)",
    families=("vit_mae", "vit"),
    marks=(r"decoder_blocks\.\d+\.attn\.qkv\.weight$",),
    rules=_VIT,
    beside={r"(decoder_|mask_token$)": "decoder of the masked autoencoder"},
    fixed=_EPS,
    facts=_image_size(1),
)


def _pooled(keys: Mapping[str, str], config: Any) -> str | None:
    """Global pooling replaces the final norm of each token by one behind the mean of the patches.

    The two do not commute, and CLS was not trained. A configuration says by ``norm_after_pool``
    that its adapter takes the norm behind the mean.
    """
    if getattr(config, "norm_after_pool", False):
        return None
    key = next(key for inner, key in keys.items() if inner.startswith("fc_norm."))
    return (
        f"{key} norms the mean of the patches, not each token: fine-tuned with global pooling, "
        "which the model named does not do; use the pretrained file that it was tuned from"
    )


def _pooled_facts(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    return {**_image_size(1)(tensors), "norm_after_pool": True}


POOLED = Layout(
    name="ViT fine-tuned with global pooling (facebookresearch/mae, RETFound)",
    families=("vit_mae", "vit"),
    marks=(r"fc_norm\.(weight|bias)$", r"blocks\.\d+\.attn\.qkv\.weight$"),
    rules=(*_VIT[:-1], rule("fc_norm.{p}", "layernorm.{p}")),
    beside=HEADS,
    fixed=_EPS,
    facts=_pooled_facts,
    refuse=_pooled,
)
VIT = Layout(
    name="plain ViT (timm, facebookresearch/dino, encoders of facebookresearch/mae)",
    families=("vit", "vit_mae", "deit"),
    marks=(r"blocks\.\d+\.attn\.qkv\.weight$",),
    rules=_VIT,
    dropped=SSL_HEADS,
    beside=HEADS,
    fixed=_EPS,
    facts=_image_size(1),
)

_SAM = "vision_encoder.layers.{n}"


def _sam_size(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """By the position embedding, or the longest relative positions where there is none."""
    patch = tensors.get("patch_embed.proj.weight")
    pos = tensors.get("pos_embed")
    spans = [t.shape[0] for k, t in tensors.items() if re.search(r"\.rel_pos_[hw]$", k) and t.ndim]
    if patch is None or patch.ndim != 4:
        return {}
    if pos is not None and pos.ndim == 4 and pos.shape[1] == pos.shape[2]:
        return {"image_size": pos.shape[1] * patch.shape[-1]}
    if pos is None and spans and max(spans) % 2:
        return {"image_size": (max(spans) + 1) // 2 * patch.shape[-1]}
    return {}


SAM = Layout(
    name="SAM image encoder (facebookresearch/segment-anything, LVM-Med)",
    families=("sam_vision_model",),
    marks=(r"blocks\.\d+\.attn\.rel_pos_[hw]$",),
    rules=(
        rule("patch_embed.proj.{p}", "vision_encoder.patch_embed.projection.{p}"),
        rule("pos_embed", "vision_encoder.pos_embed"),
        rule("blocks.{n}.norm1.{p}", f"{_SAM}.layer_norm1.{{p}}"),
        rule("blocks.{n}.norm2.{p}", f"{_SAM}.layer_norm2.{{p}}"),
        rule("blocks.{n}.attn.rel_pos_h", f"{_SAM}.attn.rel_pos_h"),
        rule("blocks.{n}.attn.rel_pos_w", f"{_SAM}.attn.rel_pos_w"),
        rule("blocks.{n}.attn.qkv.{p}", f"{_SAM}.attn.qkv.{{p}}"),
        rule("blocks.{n}.attn.proj.{p}", f"{_SAM}.attn.proj.{{p}}"),
        rule("blocks.{n}.mlp.lin1.{p}", f"{_SAM}.mlp.lin1.{{p}}"),
        rule("blocks.{n}.mlp.lin2.{p}", f"{_SAM}.mlp.lin2.{{p}}"),
        rule("neck.0.weight", "vision_encoder.neck.conv1.weight"),
        rule("neck.1.{p}", "vision_encoder.neck.layer_norm1.{p}"),
        rule("neck.2.weight", "vision_encoder.neck.conv2.weight"),
        rule("neck.3.{p}", "vision_encoder.neck.layer_norm2.{p}"),
    ),
    dropped={
        r"(.*\.)?prompt_encoder\.": "encoder of points, boxes and masks",
        r"(.*\.)?mask_decoder\.": "decoder of masks",
        r"(.*\.)?pixel_(mean|std)$": "statistics of the preprocessing",
        r"(state_dict\.)?fc\.": "classification head (LVM-Med)",
    },
    facts=_sam_size,
)
