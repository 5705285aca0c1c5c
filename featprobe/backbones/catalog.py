"""The named backbones. A table: listing it imports no torch."""

from __future__ import annotations

from featprobe.backbones.spec import HALF, ModelSpec, Preprocess

_DINOV2 = Preprocess(resize=256, crop=(224, 224))
_VIT = Preprocess(
    resize=(224, 224), crop=None, interpolation="bilinear", mean=HALF, std=HALF
)  # fmt: skip
_RESNET = Preprocess(resize=256, crop=(224, 224))

_VIT_SIZES = {  # name: hub name, width, blocks, heads, millions of parameters
    "s": ("small", 384, 12, 6, 22.1),
    "b": ("base", 768, 12, 12, 86.6),
    "l": ("large", 1024, 24, 16, 304.4),
    "g": ("giant", 1536, 40, 24, 1136.5),
}
_RESNETS = {  # depths, layer type, stage widths, millions of parameters
    18: ([2, 2, 2, 2], "basic", [64, 128, 256, 512], 11.2),
    34: ([3, 4, 6, 3], "basic", [64, 128, 256, 512], 21.3),
    50: ([3, 4, 6, 3], "bottleneck", [256, 512, 1024, 2048], 23.5),
    101: ([3, 4, 23, 3], "bottleneck", [256, 512, 1024, 2048], 42.5),
    152: ([3, 8, 36, 3], "bottleneck", [256, 512, 1024, 2048], 58.1),
}


def _dinov2(size: str, registers: int) -> ModelSpec:
    hub, width, blocks, heads, millions = _VIT_SIZES[size]
    config = {
        "hidden_size": width, "num_hidden_layers": blocks, "num_attention_heads": heads,
        "image_size": 518, "patch_size": 14, "use_swiglu_ffn": size == "g",
    }  # fmt: skip
    return ModelSpec(
        name=f"dinov2_vit{size}14" + ("_reg" if registers else ""),
        family="dinov2_with_registers" if registers else "dinov2",
        hub_id=f"facebook/dinov2-{'with-registers-' if registers else ''}{hub}",
        width=width, blocks=blocks, parameters=millions, patch=14, preprocess=_DINOV2,
        pretraining="self-supervised (DINOv2) on LVD-142M",
        config={**config, "num_register_tokens": registers} if registers else config,
    )  # fmt: skip


def _vit(size: str, finetuned: bool) -> ModelSpec:
    hub, width, blocks, heads, _ = _VIT_SIZES[size]
    return ModelSpec(
        name=f"vit_{size}16" + ("" if finetuned else "_in21k"),
        family="vit",
        hub_id=f"google/vit-{hub}-patch16-224" + ("" if finetuned else "-in21k"),
        width=width, blocks=blocks, parameters={"b": 85.8, "l": 303.3}[size], patch=16,
        preprocess=_VIT,
        pretraining="supervised on ImageNet-21k" + (", then ImageNet-1k" if finetuned else ""),
        config={
            "hidden_size": width, "num_hidden_layers": blocks, "num_attention_heads": heads,
            "intermediate_size": 4 * width, "image_size": 224, "patch_size": 16,
        },
    )  # fmt: skip


def _resnet(depth: int) -> ModelSpec:
    depths, kind, widths, millions = _RESNETS[depth]
    return ModelSpec(
        name=f"resnet{depth}", family="resnet", hub_id=f"microsoft/resnet-{depth}",
        width=widths[-1], blocks=1, parameters=millions, preprocess=_RESNET,
        pretraining="supervised on ImageNet-1k",
        config={
            "embedding_size": 64, "hidden_sizes": widths, "depths": depths, "layer_type": kind,
        },
    )  # fmt: skip


CATALOG: dict[str, ModelSpec] = {
    spec.name: spec
    for spec in (
        *(_dinov2(s, registers) for registers in (0, 4) for s in "sblg"),
        *(_vit(s, finetuned) for s in "bl" for finetuned in (True, False)),
        *(_resnet(d) for d in _RESNETS),
    )
}
