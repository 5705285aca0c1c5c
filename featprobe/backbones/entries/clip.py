"""Vision towers trained with texts: CLIP, OpenCLIP, EVA-CLIP, SigLIP, BLIP."""

from __future__ import annotations

from typing import Any

from featprobe.backbones.entries.shared import (
    CLIP_MEAN,
    CLIP_STD,
    TOKENS,
    cropped,
    square,
    transformer,
)
from featprobe.backbones.spec import HALF, ModelSpec

_CLIP = (
    "Radford et al., Learning Transferable Visual Models From Natural Language Supervision, "
    "ICML 2021, arXiv 2103.00020"
)
_LAION = (
    "Cherti et al., Reproducible scaling laws for contrastive language-image learning, "
    "CVPR 2023, arXiv 2212.07143"
)
_EVA_CLIP = "Sun et al., EVA-CLIP: Improved Training Techniques for CLIP at Scale, arXiv 2303.15389"
_SIGLIP = "Zhai et al., Sigmoid Loss for Language Image Pre-Training, ICCV 2023, arXiv 2303.15343"
_SIGLIP2 = (
    "Tschannen et al., SigLIP 2: Multilingual Vision-Language Encoders with Improved Semantic "
    "Understanding, Localization, and Dense Features, arXiv 2502.14786"
)
_BLIP = (
    "Li et al., BLIP: Bootstrapping Language-Image Pre-training for Unified Vision-Language "
    "Understanding and Generation, ICML 2022, arXiv 2201.12086"
)
_BLIP_DATA = (
    "COCO", "Visual Genome", "Conceptual Captions", "Conceptual 12M", "SBU Captions", "LAION-115M",
)  # fmt: skip
_JOINT = (*TOKENS, "projection")
_SIZES = {  # width, blocks, heads
    "b": (768, 12, 12), "l": (1024, 24, 16), "h": (1280, 32, 16), "so400m": (1152, 27, 16),
}  # fmt: skip


def _clip(
    name: str, hub: str, size: str, patch: int, image: int, projection: int, millions: float,
    revision: str | None = None, laion: bool = False,
) -> ModelSpec:  # fmt: skip
    """The vision tower in transformers' format; OpenAI's use the quick GELU."""
    width, blocks, heads = _SIZES[size]
    return ModelSpec(
        name=name, family="clip_vision_model", source=hub, revision=revision,
        width=width, blocks=blocks, parameters=millions, patch=patch,
        preprocess=cropped(image, image, mean=CLIP_MEAN, std=CLIP_STD), outputs=_JOINT,
        data=("LAION-2B",) if laion else ("WIT-400M (OpenAI, not public)",),
        pretraining=f"contrastive with texts ({'OpenCLIP' if laion else 'CLIP'})",
        licence="MIT", citation=_LAION if laion else _CLIP,
        config={
            **transformer(width, blocks, heads, image, patch), "projection_dim": projection,
            "hidden_act": "gelu" if laion else "quick_gelu", "layer_norm_eps": 1e-5,
        },
    )  # fmt: skip


def _open_clip(
    name: str, source: str, data: tuple[str, ...], citation: str, **more: Any
) -> ModelSpec:
    return ModelSpec(
        name=name, family="open_clip", source=f"open_clip:{source}",
        width=768, blocks=12, parameters=more.pop("millions", 85.8), patch=16, preprocess=None,
        outputs=_JOINT, data=data, citation=citation, licence="MIT",
        pretraining=more.pop("pretraining", "contrastive with texts (OpenCLIP)"), **more,
    )  # fmt: skip


def _siglip(
    name: str, hub: str, size: str, patch: int, image: int, millions: float, revision: str,
    second: bool = False,
) -> ModelSpec:  # fmt: skip
    """No CLS token: a head attends to the patches. SigLIP 2 of fixed size is of the same family."""
    width, blocks, heads = _SIZES[size]
    return ModelSpec(
        name=name, family="siglip_vision_model", source=f"google/{hub}", revision=revision,
        width=width, blocks=blocks, parameters=millions, patch=patch,
        preprocess=square(image, "bilinear" if second else "bicubic", HALF, HALF),
        outputs=("mean", "tokens", "projection"), data=("WebLI",),
        pretraining="sigmoid loss with texts"
        + (", captioning, self-distillation and masked prediction" if second else ""),
        licence="Apache-2.0", citation=_SIGLIP2 if second else _SIGLIP,
        config={
            **transformer(width, blocks, heads, image, patch), "layer_norm_eps": 1e-6,
            "intermediate_size": 4304 if size == "so400m" else 4 * width,
            "hidden_act": "gelu_pytorch_tanh", "vision_use_head": True,
        },
    )  # fmt: skip


def _blip(name: str, hub: str, size: str, revision: str, matching: bool) -> ModelSpec:
    width, blocks, heads = _SIZES[size]
    return ModelSpec(
        name=name, family="blip_vision_model", source=f"Salesforce/{hub}", revision=revision,
        width=width, blocks=blocks, parameters={"b": 86.1, "l": 303.7}[size], patch=16,
        preprocess=square(384, "bicubic", CLIP_MEAN, CLIP_STD),
        outputs=_JOINT if matching else TOKENS, data=_BLIP_DATA,
        pretraining="contrast, matching and captioning with texts (BLIP), then "
        + ("image-text retrieval" if matching else "captioning") + " on COCO",
        licence="BSD-3-Clause", citation=_BLIP,
        config={
            **transformer(width, blocks, heads, 384, 16), "layer_norm_eps": 1e-5,
            "hidden_act": "gelu",
        },
    )  # fmt: skip


ENTRIES = [
    _clip("clip_vitb32", "openai/clip-vit-base-patch32", "b", 32, 224, 512, 87.5,
          "3d74acf9a28c67741b2f4f2ea7635f0aaf6f0268"),
    _clip("clip_vitb16", "openai/clip-vit-base-patch16", "b", 16, 224, 512, 85.8,
          "57c216476eefef5ab752ec549e440a49ae4ae5f3"),
    _clip("clip_vitl14", "openai/clip-vit-large-patch14", "l", 14, 224, 768, 303.2,
          "32bd64288804d66eefd0ccbe215aa642df71cc41"),
    _clip("clip_vitl14_336", "openai/clip-vit-large-patch14-336", "l", 14, 336, 768, 303.5),
    _clip("clip_vitb32_laion2b", "laion/CLIP-ViT-B-32-laion2B-s34B-b79K", "b", 32, 224, 512, 87.5,
          "08f73555f1b2fb7c82058aebbd492887a94968ef", laion=True),
    _clip("clip_vith14_laion2b", "laion/CLIP-ViT-H-14-laion2B-s32B-b79K", "h", 14, 224, 1024, 630.8,
          "de081ac0a0ca8dc9d1533eed1ae884bb8ae1404b", laion=True),
    _open_clip("openclip_vitb16_laion2b", "ViT-B-16:laion2b_s34b_b88k", ("LAION-2B",), _LAION),
    _open_clip("eva02_clip_vitb16", "EVA02-B-16:merged2b_s8b_b131k", ("Merged-2B",), _EVA_CLIP,
               millions=85.9, pretraining="masked image modelling, then contrastive with texts",
               files=("https://huggingface.co/QuanSun/EVA-CLIP/resolve/main/"
                      "EVA02_CLIP_B_psz16_s8B.pt",)),
    _siglip("siglip_vitb16", "siglip-base-patch16-224", "b", 16, 224, 92.9,
            "7fd15f0689c79d79e38b1c2e2e2370a7bf2761ed"),
    _siglip("siglip_vitl16_256", "siglip-large-patch16-256", "l", 16, 256, 316.0,
            "d0da9f876e7d66b4e250cd2450c3ba2ce735e447"),
    _siglip("siglip_so400m14", "siglip-so400m-patch14-224", "so400m", 14, 224, 427.7,
            "d04cf29fca7b6374f74d8bea1969314492266b5e"),
    _siglip("siglip_vitb16_384", "siglip-base-patch16-384", "b", 16, 384, 93.2,
            "41aec1c83b32e0a6fca20ad88ba058aa5b5ea394"),
    _siglip("siglip2_vitb16", "siglip2-base-patch16-224", "b", 16, 224, 92.9,
            "75de2d55ec2d0b4efc50b3e9ad70dba96a7b2fa2", second=True),
    _siglip("siglip2_vitl16_256", "siglip2-large-patch16-256", "l", 16, 256, 316.0,
            "787800c8990e6f058423089178e718139608408c", second=True),
    _siglip("siglip2_so400m14", "siglip2-so400m-patch14-224", "so400m", 14, 224, 427.7,
            "78e403963a4f6a3640d07803284752326fdf4edf", second=True),
    _siglip("siglip2_so400m16_384", "siglip2-so400m-patch16-384", "so400m", 16, 384, 428.3,
            "dd658faac399427308559e2c3ac1e99cbe43845d", second=True),
    _blip("blip_vitb16", "blip-image-captioning-base", "b",
          "89b09ea1789f7addf2f6d6f0dfc4ce10ab58ef84", matching=False),
    _blip("blip_vitl16", "blip-image-captioning-large", "l",
          "2227ac38c9f16105cb0412e7cab4759978a8fd90", matching=False),
    _blip("blip_itm_vitb16", "blip-itm-base-coco", "b",
          "7eaa90c11850c0b17fc38c6a11e7d88bd6ac231f", matching=True),
    _blip("blip_itm_vitl16", "blip-itm-large-coco", "l",
          "fef05cafc05298067cbbca00b125749394a77a6f", matching=True),
]  # fmt: skip
