"""DINOv2, with and without registers, and its linear classifiers."""

from __future__ import annotations

from typing import Any

from featprobe.backbones.entries.shared import CROP_224, TOKENS
from featprobe.backbones.spec import ModelSpec

_FILES = "https://dl.fbaipublicfiles.com/dinov2"
_DINOV2 = (
    "Oquab et al., DINOv2: Learning Robust Visual Features without Supervision, "
    "TMLR 2024, arXiv 2304.07193"
)
_REGISTERS = "Darcet et al., Vision Transformers Need Registers, ICLR 2024, arXiv 2309.16588"
_SIZES = {  # hub name, width, blocks, heads, millions of parameters
    "s": ("small", 384, 12, 6, 22.1),
    "b": ("base", 768, 12, 12, 86.6),
    "l": ("large", 1024, 24, 16, 304.4),
    "g": ("giant", 1536, 40, 24, 1136.5),
}
_REVISIONS = {
    "s": "ed25f3a31f01632728cabb09d1542f84ab7b0056",
    "b": "f9e44c814b77203eaa57a6bdbbd535f21ede1415",
    "l": "47b73eefe95e8d44ec3623f8890bd894b6ea2d6c",
    "g": "611a9d42f2335e0f921f1e313ad3c1b7178d206d",
}


def _config(size: str, registers: int = 0) -> dict[str, Any]:
    _, width, blocks, heads, _ = _SIZES[size]
    config = {
        "hidden_size": width, "num_hidden_layers": blocks, "num_attention_heads": heads,
        "image_size": 518, "patch_size": 14, "mlp_ratio": 4, "hidden_act": "gelu",
        "layer_norm_eps": 1e-6, "qkv_bias": True, "layerscale_value": 1.0,
        "use_swiglu_ffn": size == "g",
    }  # fmt: skip
    if registers:
        config |= {"num_register_tokens": registers}
        return config | {"interpolate_offset": 0.0, "interpolate_antialias": True}
    return config | {"interpolate_offset": 0.1, "interpolate_antialias": False}


def _backbone(size: str, registers: int) -> ModelSpec:
    hub, width, blocks, _, millions = _SIZES[size]
    stem = f"dinov2_vit{size}14"
    return ModelSpec(
        name=stem + ("_reg" if registers else ""),
        family="dinov2_with_registers" if registers else "dinov2",
        source=f"facebook/dinov2-{'with-registers-' if registers else ''}{hub}",
        width=width, blocks=blocks, parameters=millions, patch=14, preprocess=CROP_224,
        revision=None if registers else _REVISIONS[size],
        files=(f"{_FILES}/{stem}/{stem}{'_reg4' if registers else ''}_pretrain.pth",),
        outputs=TOKENS,
        data=("LVD-142M",),
        pretraining="self-supervised (DINOv2)" + (", with 4 register tokens" if registers else ""),
        licence="Apache-2.0",
        citation=_REGISTERS if registers else _DINOV2,
        config=_config(size, registers),
    )  # fmt: skip


def _classifier(size: str, layers: int) -> ModelSpec:
    """The classifiers of the authors' torch.hub: of 4 blocks by default, the other also on hub."""
    hub, width, blocks, _, millions = _SIZES[size]
    stem = f"dinov2_vit{size}14"
    reads = "the CLS tokens of the last 4 blocks" if layers == 4 else "the last CLS token"
    return ModelSpec(
        name=f"{stem}_lc" + ("" if layers == 4 else "1"),
        family="dinov2",
        source="" if layers == 4 else f"facebook/dinov2-{hub}-imagenet1k-1-layer",
        width=width, blocks=blocks, parameters=millions, patch=14, preprocess=CROP_224,
        files=(
            f"{_FILES}/{stem}/{stem}_pretrain.pth",
            f"{_FILES}/{stem}/{stem}_linear{'4' if layers == 4 else ''}_head.pth",
        ),
        outputs=(*TOKENS, "logits"),
        data=("LVD-142M", "ImageNet-1k"),
        pretraining=(
            f"self-supervised (DINOv2), then a linear classifier of 1000 ImageNet classes on "
            f"{reads} and the mean of the last patch tokens; the backbone stayed frozen"
        ),
        licence="Apache-2.0",
        citation=_DINOV2,
        config={**_config(size), "num_labels": 1000, "linear_head_blocks": layers},
    )  # fmt: skip


ENTRIES = [
    *(_backbone(s, registers) for registers in (0, 4) for s in _SIZES),
    *(_classifier(s, layers) for layers in (4, 1) for s in _SIZES),
]
