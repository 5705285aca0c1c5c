"""Image encoders of promptable segmenters: SAM, SAM 2, SEEM; and FocalNet, which SEEM has."""

from __future__ import annotations

from typing import Any

from featprobe.backbones.entries.shared import LOGITS, MAPS, NECK, cropped, square
from featprobe.backbones.spec import ModelSpec, Preprocess

_SAM = "Kirillov et al., Segment Anything, ICCV 2023, arXiv 2304.02643"
_SAM2 = "Ravi et al., SAM 2: Segment Anything in Images and Videos, ICLR 2025, arXiv 2408.00714"
_SEEM = "Zou et al., Segment Everything Everywhere All at Once, NeurIPS 2023, arXiv 2304.06718"
_FOCALNET = "Yang et al., Focal Modulation Networks, NeurIPS 2022, arXiv 2203.11926"
# The longer edge becomes 1024; what is missing to a square is zero after normalisation.
PADDED_1024 = Preprocess(resize=1024, crop=None, interpolation="bilinear", pad=(1024, 1024))

_SAMS = {  # width, blocks, heads, blocks with global attention, millions, file hash
    "b": (768, 12, 12, [2, 5, 8, 11], 89.7, "01ec64"),
    "l": (1024, 24, 16, [5, 11, 17, 23], 308.3, "0b3195"),
    "h": (1280, 32, 16, [7, 15, 23, 31], 637.0, "4b8939"),
}
_SAM2S: dict[str, tuple[int, float, dict[str, Any]]] = {  # embedding, millions, rest of the config
    "tiny": (96, 26.8, {}),
    "small": (96, 33.9, {
        "blocks_per_stage": [1, 2, 11, 2], "global_attention_blocks": [7, 10, 13],
    }),
    "base_plus": (112, 68.7, {
        "blocks_per_stage": [2, 3, 16, 3], "global_attention_blocks": [12, 16, 20],
        "num_attention_heads": 2, "num_attention_heads_per_stage": [2, 4, 8, 16],
        "window_positional_embedding_background_size": [14, 14],
    }),
    "large": (144, 212.1, {
        "blocks_per_stage": [2, 6, 36, 4], "global_attention_blocks": [23, 33, 43],
        "num_attention_heads": 2, "num_attention_heads_per_stage": [2, 4, 8, 16],
        "window_size_per_stage": [8, 4, 16, 8],
    }),
}  # fmt: skip
_FOCALNETS = {  # embedding, depths, millions with short (srf) and long (lrf) focal levels
    "tiny": (96, [2, 2, 6, 2], 27.7, 27.9),
    "small": (96, [2, 2, 18, 2], 49.1, 49.6),
    "base": (128, [2, 2, 18, 2], 87.1, 87.7),
}


def sam_config(size: str) -> dict[str, Any]:
    """The image encoder of SAM; LVM-Med has the same."""
    width, blocks, heads, glob, *_ = _SAMS[size]
    return {
        "hidden_size": width, "num_hidden_layers": blocks, "num_attention_heads": heads,
        "global_attn_indexes": glob, "image_size": 1024, "patch_size": 16, "mlp_ratio": 4.0,
        "layer_norm_eps": 1e-6, "qkv_bias": True, "window_size": 14, "output_channels": 256,
        "use_abs_pos": True, "use_rel_pos": True,
    }  # fmt: skip


def _sam(size: str) -> ModelSpec:
    """Tokens of the last block; ``neck`` is behind the neck of 256 channels."""
    width, blocks, *_, millions, sha = _SAMS[size]
    hub = {"b": "base", "l": "large", "h": "huge"}[size]
    return ModelSpec(
        name=f"sam_vit{size}16", family="sam_vision_model", source=f"facebook/sam-vit-{hub}",
        width=width, blocks=blocks, parameters=millions, patch=16, preprocess=PADDED_1024,
        files=(f"https://dl.fbaipublicfiles.com/segment_anything/sam_vit_{size}_{sha}.pth",),
        outputs=NECK, data=("SA-1B",), pretraining="MAE, then promptable segmentation (SAM)",
        licence="Apache-2.0", citation=_SAM, config=sam_config(size),
    )  # fmt: skip


def _sam2(size: str) -> ModelSpec:
    width, millions, more = _SAM2S[size]
    widths = [width, 2 * width, 4 * width, 8 * width]
    return ModelSpec(
        name=f"sam2_hiera_{size}", family="sam2_vision_model",
        source=f"facebook/sam2-hiera-{size.replace('_', '-')}",
        width=widths[-1], blocks=1, parameters=millions, preprocess=square(1024, "bilinear"),
        outputs=MAPS, data=("SA-1B", "SA-V"),
        pretraining="MAE, then promptable segmentation of images and videos (SAM 2)",
        licence="Apache-2.0", citation=_SAM2,
        config={
            "backbone_config": {
                "model_type": "sam2_hiera_det_model", "hidden_size": width,
                "embed_dim_per_stage": widths, "image_size": [1024, 1024], **more,
            },
            "backbone_channel_list": widths[::-1],
        },
    )  # fmt: skip


def _focalnet(size: str, wide: bool) -> ModelSpec:
    embedding, depths, narrow_millions, wide_millions = _FOCALNETS[size]
    return ModelSpec(
        name=f"focalnet_{size}" + ("_lrf" if wide else ""), family="focalnet",
        source=f"microsoft/focalnet-{size}" + ("-lrf" if wide else ""),
        width=8 * embedding, blocks=1, parameters=wide_millions if wide else narrow_millions,
        preprocess=cropped(224, 256, "bilinear"),
        files=(
            "https://github.com/microsoft/FocalNet/releases/download/v1.0.0/"
            f"focalnet_{size}_{'lrf' if wide else 'srf'}.pth",
        ),
        outputs=LOGITS, data=("ImageNet-1k",), pretraining="supervised on ImageNet-1k",
        licence="MIT", citation=_FOCALNET,
        config={
            "embed_dim": embedding, "depths": depths, "focal_levels": [3 if wide else 2] * 4,
            "focal_windows": [3, 3, 3, 3], "image_size": 224, "patch_size": 4,
            "layer_norm_eps": 1e-5,
        },
    )  # fmt: skip


def _seem() -> ModelSpec:
    """SEEM's vision tower. Its demo resizes the shorter edge to 512; the square is cropped here."""
    return ModelSpec(
        name="seem_focalt", family="focalnet", source="",
        width=768, blocks=1, parameters=29.8, preprocess=cropped(512, 512),
        files=("https://huggingface.co/xdecoder/SEEM/resolve/main/seem_focalt_v0.pt",),
        outputs=MAPS, data=("COCO",),
        pretraining="segmentation with visual and text prompts (SEEM, on X-Decoder)",
        licence="Apache-2.0", citation=_SEEM,
        config={
            "embed_dim": 96, "depths": [2, 2, 6, 2], "focal_levels": [3, 3, 3, 3],
            "focal_windows": [3, 3, 3, 3], "image_size": 224, "patch_size": 4, "mlp_ratio": 4.0,
            "use_conv_embed": True, "use_layerscale": True, "use_post_layernorm": True,
            "use_post_layernorm_in_modulation": False, "normalize_modulator": True,
            "layer_norm_eps": 1e-5,
        },
    )  # fmt: skip


ENTRIES = [
    *(_sam(s) for s in _SAMS),
    *(_sam2(s) for s in _SAM2S),
    _seem(),
    *(_focalnet(s, wide) for s in _FOCALNETS for wide in (False, True)),
]
