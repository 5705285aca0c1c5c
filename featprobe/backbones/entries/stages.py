"""Transformers in stages: Swin, Hiera, PVT."""

from __future__ import annotations

from featprobe.backbones.entries.shared import CROP_224, LOGITS, MAPS, square
from featprobe.backbones.spec import ModelSpec

_SWIN = (
    "Liu et al., Swin Transformer: Hierarchical Vision Transformer using Shifted Windows, "
    "ICCV 2021, arXiv 2103.14030"
)
_SWINV2 = (
    "Liu et al., Swin Transformer V2: Scaling Up Capacity and Resolution, "
    "CVPR 2022, arXiv 2111.09883"
)
_HIERA = (
    "Ryali et al., Hiera: A Hierarchical Vision Transformer without the Bells-and-Whistles, "
    "ICML 2023, arXiv 2306.00989"
)
_PVT = (
    "Wang et al., Pyramid Vision Transformer: A Versatile Backbone for Dense Prediction without "
    "Convolutions, ICCV 2021, arXiv 2102.12122"
)
_PVTV2 = (
    "Wang et al., PVT v2: Improved Baselines with Pyramid Vision Transformer, "
    "Computational Visual Media 2022, arXiv 2106.13797"
)
_SWINS = {  # embedding, depths, heads, millions (Swin, Swin V2)
    "tiny": (96, [2, 2, 6, 2], [3, 6, 12, 24], 27.5, 27.6),
    "small": (96, [2, 2, 18, 2], [3, 6, 12, 24], 48.8, 49.0),
    "base": (128, [2, 2, 18, 2], [4, 8, 16, 32], 86.7, 86.9),
    "large": (192, [2, 2, 18, 2], [6, 12, 24, 48], 195.0, 195.2),
}
_HIERAS = {  # embedding, depths, heads, millions
    "tiny": (96, [1, 2, 7, 2], [1, 2, 4, 8], 27.1),
    "small": (96, [1, 2, 11, 2], [1, 2, 4, 8], 34.2),
    "base": (96, [2, 3, 16, 3], [1, 2, 4, 8], 50.8),
    "large": (144, [2, 6, 36, 4], [2, 4, 8, 16], 212.6),
}
_PVTS = {  # depths, millions
    "tiny": ([2, 2, 2, 2], 12.7),
    "small": ([3, 4, 6, 3], 24.0),
    "medium": ([3, 4, 18, 3], 43.7),
    "large": ([3, 8, 27, 3], 60.9),
}
_PVTV2S = {  # depths, millions; b0 is half as wide
    "b0": ([2, 2, 2, 2], 3.4),
    "b1": ([2, 2, 2, 2], 13.5),
    "b2": ([3, 4, 6, 3], 24.8),
    "b3": ([3, 4, 18, 3], 44.7),
    "b4": ([3, 8, 27, 3], 62.0),
    "b5": ([3, 6, 40, 3], 81.4),
}


def _swin(size: str) -> ModelSpec:
    """Base and large were trained on ImageNet-22k first."""
    embedding, depths, heads, millions, _ = _SWINS[size]
    large = size in ("base", "large")
    return ModelSpec(
        name=f"swin_{size}", family="swin",
        source=f"microsoft/swin-{size}-patch4-window7-224" + ("-in22k" if large else ""),
        width=8 * embedding, blocks=1, parameters=millions, preprocess=square(224),
        outputs=LOGITS, data=("ImageNet-22k",) if large else ("ImageNet-1k",),
        pretraining=f"supervised on ImageNet-{'22k' if large else '1k'}",
        licence="Apache-2.0 (the original release: MIT)", citation=_SWIN,
        config={
            "embed_dim": embedding, "depths": depths, "num_heads": heads, "window_size": 7,
            "image_size": 224, "patch_size": 4, "mlp_ratio": 4.0, "qkv_bias": True,
            "layer_norm_eps": 1e-5,
        },
    )  # fmt: skip


def _swinv2(size: str) -> ModelSpec:
    embedding, depths, heads, _, millions = _SWINS[size]
    large = size == "large"
    image, window = (192, 12) if large else (256, 8)
    return ModelSpec(
        name=f"swinv2_{size}", family="swinv2",
        source=f"microsoft/swinv2-{size}-patch4-window{window}-{image}" + ("-22k" if large else ""),
        width=8 * embedding, blocks=1, parameters=millions, preprocess=square(image),
        outputs=LOGITS, data=("ImageNet-22k",) if large else ("ImageNet-1k",),
        pretraining=f"supervised on ImageNet-{'22k' if large else '1k'}",
        licence="Apache-2.0 (the original release: MIT)", citation=_SWINV2,
        config={
            "embed_dim": embedding, "depths": depths, "num_heads": heads, "window_size": window,
            "image_size": image, "patch_size": 4, "mlp_ratio": 4.0, "qkv_bias": True,
            "layer_norm_eps": 1e-5, "pretrained_window_sizes": [0, 0, 0, 0],
        },
    )  # fmt: skip


def _hiera(size: str, finetuned: bool) -> ModelSpec:
    embedding, depths, heads, millions = _HIERAS[size]
    return ModelSpec(
        name=f"hiera_{size}" + ("" if finetuned else "_mae"), family="hiera",
        source=f"facebook/hiera-{size}-224-{'in1k' if finetuned else 'mae'}-hf",
        width=8 * embedding, blocks=1, parameters=millions, preprocess=CROP_224,
        outputs=LOGITS if finetuned else MAPS, data=("ImageNet-1k",),
        pretraining="self-supervised (MAE)" + (", then supervised" if finetuned else ""),
        licence="CC-BY-NC-4.0", citation=_HIERA,
        config={
            "embed_dim": embedding, "depths": depths, "num_heads": heads, "image_size": [224, 224],
            "layer_norm_eps": 1e-6,
        },
    )  # fmt: skip


def _pvt(size: str) -> ModelSpec:
    """The last of its stages has a CLS token."""
    depths, millions = _PVTS[size]
    return ModelSpec(
        name=f"pvt_{size}", family="pvt", source=f"Xrenya/pvt-{size}-224",
        width=512, blocks=1, parameters=millions, preprocess=square(224, "bilinear"),
        outputs=("cls", *LOGITS), data=("ImageNet-1k",), pretraining="supervised on ImageNet-1k",
        licence="Apache-2.0", citation=_PVT,
        config={"depths": depths, "hidden_sizes": [64, 128, 320, 512], "image_size": 224},
    )  # fmt: skip


def _pvtv2(size: str) -> ModelSpec:
    depths, millions = _PVTV2S[size]
    widths = [32, 64, 160, 256] if size == "b0" else [64, 128, 320, 512]
    return ModelSpec(
        name=f"pvt_v2_{size}", family="pvt_v2", source=f"OpenGVLab/pvt_v2_{size}",
        width=widths[-1], blocks=1, parameters=millions, preprocess=square(224, "bilinear"),
        outputs=LOGITS, data=("ImageNet-1k",), pretraining="supervised on ImageNet-1k",
        licence="Apache-2.0", citation=_PVTV2,
        config={
            "depths": depths, "hidden_sizes": widths, "image_size": 224,
            "mlp_ratios": [4, 4, 4, 4] if size == "b5" else [8, 8, 4, 4],
        },
    )  # fmt: skip


ENTRIES = [
    *(_swin(s) for s in _SWINS),
    *(_swinv2(s) for s in _SWINS),
    *(_hiera(s, finetuned=True) for s in _HIERAS),
    *(_hiera(s, finetuned=False) for s in ("base", "large")),
    *(_pvt(s) for s in _PVTS),
    *(_pvtv2(s) for s in _PVTV2S),
]
