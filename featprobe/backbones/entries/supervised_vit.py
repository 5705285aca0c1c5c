"""Vision transformers trained with labels: ViT, DeiT."""

from __future__ import annotations

from featprobe.backbones.entries.shared import HALF_224, TOKENS, cropped, transformer
from featprobe.backbones.spec import ModelSpec

_VIT = (
    "Dosovitskiy et al., An Image is Worth 16x16 Words: Transformers for Image Recognition at "
    "Scale, ICLR 2021, arXiv 2010.11929"
)
_DEIT = (
    "Touvron et al., Training data-efficient image transformers & distillation through attention, "
    "ICML 2021, arXiv 2012.12877"
)
_SIZES = {  # width, blocks, heads, millions of parameters
    "t": (192, 12, 3, 5.5),
    "s": (384, 12, 6, 21.7),
    "b": (768, 12, 12, 85.8),
    "l": (1024, 24, 16, 303.3),
    "h": (1280, 32, 16, 630.8),
}
_NAMES = {"t": "tiny", "s": "small", "b": "base", "l": "large", "h": "huge"}


def _vit(size: str, finetuned: bool) -> ModelSpec:
    width, blocks, heads, millions = _SIZES[size]
    patch = 14 if size == "h" else 16
    return ModelSpec(
        name=f"vit_{size}{patch}" + ("" if finetuned else "_in21k"), family="vit",
        source=f"google/vit-{_NAMES[size]}-patch{patch}-224" + ("" if finetuned else "-in21k"),
        width=width, blocks=blocks, parameters=millions, patch=patch, preprocess=HALF_224,
        outputs=(*TOKENS, "logits") if finetuned else TOKENS,
        data=("ImageNet-21k", "ImageNet-1k") if finetuned else ("ImageNet-21k",),
        pretraining="supervised on ImageNet-21k" + (", then ImageNet-1k" if finetuned else ""),
        licence="Apache-2.0", citation=_VIT,
        config={
            **transformer(width, blocks, heads, 224, patch), "layer_norm_eps": 1e-12,
            "qkv_bias": True,
        },
    )  # fmt: skip


def _deit(size: str, distilled: bool) -> ModelSpec:
    """With the statistics of the training, ImageNet's; the hub's file of the plain ones errs."""
    width, blocks, heads, millions = _SIZES[size]
    kind = "distilled_" if distilled else ""
    file = {
        "t": ("a1311bcf", "b40b3cf7"), "s": ("cd65a155", "649709d9"), "b": ("b5f2ef4d", "df68dfff"),
    }[size][distilled]  # fmt: skip
    return ModelSpec(
        name=f"deit_vit{size}16" + ("_distilled" if distilled else ""),
        family="deit" if distilled else "vit",
        source=f"facebook/deit-{_NAMES[size]}-{'distilled-' if distilled else ''}patch16-224",
        width=width, blocks=blocks, parameters=millions, patch=16, preprocess=cropped(224, 256),
        revision=(
            "bbc3e1095b678e390ab0ab785501fa5e4f282699" if size == "b" and not distilled else None
        ),
        files=(
            f"https://dl.fbaipublicfiles.com/deit/deit_{_NAMES[size]}_{kind}patch16_224-{file}.pth",
        ),
        outputs=(*TOKENS, "logits"), data=("ImageNet-1k",),
        pretraining="supervised (DeiT)" + (", distilled from a RegNetY" if distilled else ""),
        licence="Apache-2.0", citation=_DEIT,
        config={
            **transformer(width, blocks, heads, 224, 16), "layer_norm_eps": 1e-12, "qkv_bias": True,
        },
    )  # fmt: skip


ENTRIES = [
    *(_vit(s, finetuned) for s in "bl" for finetuned in (True, False)),
    _vit("h", finetuned=False),
    *(_deit(s, distilled) for s in "tsb" for distilled in (False, True)),
]
