"""DINOv3: vision transformers and ConvNeXts distilled from its 7 B model. Gated on the hub."""

from __future__ import annotations

from typing import Any

from featprobe.backbones.entries.shared import SQUARE_224, TOKENS
from featprobe.backbones.spec import ModelSpec

_LICENCE = "DINOv3 License (gated: accept it on the hub)"
_DINOV3 = "Siméoni et al., DINOv3, arXiv 2508.10104"
_VITS = {  # width, blocks, heads, intermediate, gated MLP, millions, file hash, pinned revision
    "s16": (384, 12, 6, 1536, False, 21.6, "08c60483",
            "114c1379950215c8b35dfcd4e90a5c251dde0d32"),
    "s16plus": (384, 12, 6, 1536, True, 28.7, "4057cbaa",
                "c93d816fc9e567563bc068f01475bec89cc634a6"),
    "b16": (768, 12, 12, 3072, False, 85.7, "73cec8be",
            "5931719e67bbdb9737e363e781fb0c67687896bc"),
    "l16": (1024, 24, 16, 4096, False, 303.1, "8aa4cbdd",
            "ea8dc2863c51be0a264bab82070e3e8836b02d51"),
    "h16plus": (1280, 32, 20, 5120, True, 840.6, "7c1da9a5",
                "c807c9eeea853df70aec4069e6f56b28ddc82acc"),
}  # fmt: skip
_CONVNEXTS = {  # depths, stage widths, millions, file hash
    "tiny": ([3, 3, 9, 3], [96, 192, 384, 768], 27.8, "21b726bb"),
    "small": ([3, 3, 27, 3], [96, 192, 384, 768], 49.5, "296db49d"),
    "base": ([3, 3, 27, 3], [128, 256, 512, 1024], 87.6, "801f2ba9"),
    "large": ([3, 3, 27, 3], [192, 384, 768, 1536], 196.2, "61fa432d"),
}


def _vit(size: str) -> ModelSpec:
    width, blocks, heads, hidden, gated, millions, sha, revision = _VITS[size]
    config: dict[str, Any] = {
        "hidden_size": width, "num_hidden_layers": blocks, "num_attention_heads": heads,
        "intermediate_size": hidden, "use_gated_mlp": gated,
        "hidden_act": "silu" if gated else "gelu", "image_size": 224, "patch_size": 16,
        "layer_norm_eps": 1e-5, "query_bias": True, "key_bias": False, "value_bias": True,
        "proj_bias": True, "mlp_bias": True, "layerscale_value": 1.0, "num_register_tokens": 4,
        "rope_theta": 100.0,
    }  # fmt: skip
    return ModelSpec(
        name=f"dinov3_vit{size}", family="dinov3_vit",
        source=f"facebook/dinov3-vit{size}-pretrain-lvd1689m", revision=revision,
        width=width, blocks=blocks, parameters=millions, patch=16, preprocess=SQUARE_224,
        files=(f"dinov3_vit{size}_pretrain_lvd1689m-{sha}.pth",),
        outputs=TOKENS, data=("LVD-1689M",),
        pretraining="self-supervised (DINOv3), distilled from its 7 B model, 4 register tokens",
        licence=_LICENCE, citation=_DINOV3, config=config,
    )  # fmt: skip


def _convnext(size: str) -> ModelSpec:
    depths, widths, millions, sha = _CONVNEXTS[size]
    return ModelSpec(
        name=f"dinov3_convnext_{size}", family="dinov3_convnext",
        source=f"facebook/dinov3-convnext-{size}-pretrain-lvd1689m",
        width=widths[-1], blocks=1, parameters=millions, preprocess=SQUARE_224,
        files=(f"dinov3_convnext_{size}_pretrain_lvd1689m-{sha}.pth",),
        outputs=TOKENS, data=("LVD-1689M",),
        pretraining="self-supervised (DINOv3), distilled from its 7 B model",
        licence=_LICENCE, citation=_DINOV3,
        config={"hidden_sizes": widths, "depths": depths, "layer_norm_eps": 1e-6},
    )  # fmt: skip


ENTRIES = [*(_vit(s) for s in _VITS), *(_convnext(s) for s in _CONVNEXTS)]
