"""Vision transformers pretrained without labels: DINO, MAE, MSN, I-JEPA, data2vec, BEiT."""

from __future__ import annotations

from featprobe.backbones.entries.shared import (
    HALF_224,
    SQUARE_224,
    TOKENS,
    square,
    transformer,
)
from featprobe.backbones.spec import ModelSpec

_DINO = (
    "Caron et al., Emerging Properties in Self-Supervised Vision Transformers, "
    "ICCV 2021, arXiv 2104.14294"
)
_MAE = "He et al., Masked Autoencoders Are Scalable Vision Learners, CVPR 2022, arXiv 2111.06377"
_MSN = (
    "Assran et al., Masked Siamese Networks for Label-Efficient Learning, "
    "ECCV 2022, arXiv 2204.07141"
)
_IJEPA = (
    "Assran et al., Self-Supervised Learning from Images with a Joint-Embedding Predictive "
    "Architecture, CVPR 2023, arXiv 2301.08243"
)
_DATA2VEC = (
    "Baevski et al., data2vec: A General Framework for Self-supervised Learning in Speech, Vision "
    "and Language, ICML 2022, arXiv 2202.03555"
)
_BEIT = "Bao et al., BEiT: BERT Pre-Training of Image Transformers, ICLR 2022, arXiv 2106.08254"
_SIZES = {  # width, blocks, heads, millions of parameters at patch 16
    "s": (384, 12, 6, 21.7),
    "b": (768, 12, 12, 85.8),
    "l": (1024, 24, 16, 303.3),
    "h": (1280, 32, 16, 630.8),
}
_NAMES = {"s": "small", "b": "base", "l": "large", "h": "huge"}
_DINO_FILES = {
    "s16": "dino_deitsmall16", "s8": "dino_deitsmall8", "b16": "dino_vitbase16",
    "b8": "dino_vitbase8",
}  # fmt: skip


def _dino(size: str, patch: int) -> ModelSpec:
    width, blocks, heads, millions = _SIZES[size]
    stem = f"{_DINO_FILES[f'{size}{patch}']}_pretrain"
    return ModelSpec(
        name=f"dino_vit{size}{patch}", family="vit", source=f"facebook/dino-vit{size}{patch}",
        width=width, blocks=blocks, parameters=millions, patch=patch, preprocess=SQUARE_224,
        revision="bf35519e78e06dbb878dd88eff1e12fc1c3f8576" if (size, patch) == ("s", 16) else None,
        files=(f"https://dl.fbaipublicfiles.com/dino/{stem}/{stem}.pth",),
        outputs=TOKENS, data=("ImageNet-1k",), pretraining="self-supervised (DINO)",
        licence="Apache-2.0", citation=_DINO,
        config={
            **transformer(width, blocks, heads, 224, patch), "layer_norm_eps": 1e-12,
            "qkv_bias": True, "interpolate_offset": 0.1,
        },
    )  # fmt: skip


def _mae(size: str) -> ModelSpec:
    width, blocks, heads, millions = _SIZES[size]
    name, patch = _NAMES[size], 14 if size == "h" else 16
    return ModelSpec(
        name=f"mae_vit{size}{patch}", family="vit_mae", source=f"facebook/vit-mae-{name}",
        width=width, blocks=blocks, parameters=millions, patch=patch, preprocess=SQUARE_224,
        files=(f"https://dl.fbaipublicfiles.com/mae/pretrain/mae_pretrain_vit_{name}.pth",),
        outputs=TOKENS, data=("ImageNet-1k",), pretraining="self-supervised (MAE)",
        licence="Apache-2.0 (the original release: CC-BY-NC-4.0)", citation=_MAE,
        config={**transformer(width, blocks, heads, 224, patch), "layer_norm_eps": 1e-12},
    )  # fmt: skip


def _msn(size: str) -> ModelSpec:
    width, blocks, heads, millions = _SIZES[size]
    return ModelSpec(
        name=f"msn_vit{size}16", family="vit_msn", source=f"facebook/vit-msn-{_NAMES[size]}",
        width=width, blocks=blocks, parameters=millions, patch=16, preprocess=SQUARE_224,
        outputs=TOKENS, data=("ImageNet-1k",), pretraining="self-supervised (MSN)",
        licence="Apache-2.0 (the original release: CC-BY-NC-4.0)", citation=_MSN,
        config={**transformer(width, blocks, heads, 224, 16), "layer_norm_eps": 1e-6},
    )  # fmt: skip


def _ijepa(patch: int, image: int, data: str, revision: str | None = None) -> ModelSpec:
    """No CLS token. The hub's file states other colour statistics than the training used."""
    return ModelSpec(
        name=f"ijepa_vith{patch}_{data}", family="ijepa",
        source=f"facebook/ijepa_vith{patch}_{data}",
        width=1280, blocks=32, parameters=630.8 if patch == 14 else 631.7, patch=patch,
        preprocess=square(image, "bilinear"), revision=revision,
        outputs=("mean", "tokens"), data=("ImageNet-22k" if data == "22k" else "ImageNet-1k",),
        pretraining="self-supervised (I-JEPA)", licence="CC-BY-NC-4.0", citation=_IJEPA,
        config={**transformer(1280, 32, 16, image, patch), "layer_norm_eps": 1e-6},
    )  # fmt: skip


def _data2vec(size: str) -> ModelSpec:
    width, blocks, heads, _ = _SIZES[size]
    return ModelSpec(
        name=f"data2vec_vit{size}16", family="data2vec-vision",
        source=f"facebook/data2vec-vision-{_NAMES[size]}",
        width=width, blocks=blocks, parameters={"b": 85.7, "l": 303.1}[size],
        patch=16, preprocess=HALF_224,
        outputs=TOKENS, data=("ImageNet-1k",), pretraining="self-supervised (data2vec)",
        licence="Apache-2.0", citation=_DATA2VEC,
        config={
            **transformer(width, blocks, heads, 224, 16), "layer_norm_eps": 1e-12,
            "layer_scale_init_value": 0.1, "use_mean_pooling": False,
            "use_shared_relative_position_bias": True, "use_relative_position_bias": False,
            "use_absolute_position_embeddings": False, "use_mask_token": False,
        },
    )  # fmt: skip


def _beit(size: str, finetuned: bool) -> ModelSpec:
    """Pretrained alone, its blocks share one table of position biases; finetuned, each has one."""
    width, blocks, heads, _ = _SIZES[size]
    millions = {"b": (85.7, 85.8), "l": (303.1, 303.4)}[size][finetuned]
    return ModelSpec(
        name=f"beit_vit{size}16" + ("_in22k" if finetuned else ""), family="beit",
        source=f"microsoft/beit-{_NAMES[size]}-patch16-224-pt22k" + ("-ft22k" if finetuned else ""),
        width=width, blocks=blocks, parameters=millions, patch=16, preprocess=HALF_224,
        outputs=(*TOKENS, "logits") if finetuned else TOKENS, data=("ImageNet-22k",),
        pretraining="self-supervised (BEiT)" + (", then supervised" if finetuned else ""),
        licence="Apache-2.0", citation=_BEIT,
        config={
            **transformer(width, blocks, heads, 224, 16), "layer_norm_eps": 1e-12,
            "layer_scale_init_value": 0.1, "use_mean_pooling": True, "vocab_size": 8192,
            "use_shared_relative_position_bias": not finetuned,
            "use_relative_position_bias": finetuned, "use_mask_token": not finetuned,
            "use_absolute_position_embeddings": False,
        },
    )  # fmt: skip


ENTRIES = [
    *(_dino(s, patch) for s in "sb" for patch in (16, 8)),
    *(_mae(s) for s in "blh"),
    *(_msn(s) for s in "sbl"),
    _ijepa(14, 224, "1k", "973dbab2f91c91f9ca9219d92ec005bca969e744"),
    _ijepa(14, 224, "22k"),
    _ijepa(16, 448, "1k"),
    *(_data2vec(s) for s in "bl"),
    *(_beit(s, finetuned) for s in "bl" for finetuned in (False, True)),
]
