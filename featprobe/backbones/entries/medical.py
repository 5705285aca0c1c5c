"""Backbones trained on medical images."""

from __future__ import annotations

from typing import Any

from featprobe.backbones.entries.sam import sam_config
from featprobe.backbones.entries.shared import (
    CLIP_MEAN,
    CLIP_STD,
    CROP_224,
    MAPS,
    NECK,
    TOKENS,
    cropped,
    overlap,
    square,
    transformer,
)
from featprobe.backbones.spec import HALF, ModelSpec

_DINORET = (
    "Zoellin et al., Block Expanded DINORET: Adapting Natural Domain Foundation Models for Retinal "
    "Imaging Without Catastrophic Forgetting, arXiv 2409.17332"
)
_LVM_MED = (
    "Nguyen et al., LVM-Med: Learning Large-Scale Self-Supervised Vision Models for Medical "
    "Imaging via Second-order Graph Matching, NeurIPS 2023, arXiv 2306.11925"
)
_RETFOUND = (
    "Zhou et al., A foundation model for generalizable disease detection from retinal images, "
    "Nature 2023, doi 10.1038/s41586-023-06555-x"
)
_RAD_DINO = (
    "Pérez-García et al., Exploring scalable medical image encoders beyond text supervision, "
    "Nature Machine Intelligence 2025, arXiv 2401.10815"
)
_MAIRA2 = "Bannur et al., MAIRA-2: Grounded Radiology Report Generation, arXiv 2406.04449"
_UNORANIC = (
    "Doerrich et al., Unsupervised Feature Orthogonalization for Learning Distortion-Invariant "
    "Representations, BMVC workshop RROW 2024, arXiv 2409.12276"
)
_BIOMEDCLIP = (
    "Zhang et al., BiomedCLIP: a multimodal biomedical foundation model pretrained from fifteen "
    "million scientific image-text pairs, arXiv 2303.00915"
)
_PUBMEDCLIP = (
    "Eslami et al., PubMedCLIP: How Much Does CLIP Benefit Visual Question Answering in the "
    "Medical Domain?, Findings of EACL 2023, arXiv 2112.13906"
)
_MEDGEMMA = "Sellergren et al., MedGemma Technical Report, arXiv 2507.05201"

# Of the 55 data sets whose file lists the authors publish, those that the catalog has, and more.
_LVM_MED_DATA = (
    "APTOS 2019", "BraTS 2018", "CBIS-DDSM", "EyePACS", "ISIC 2019", "KiTS 2019", "LUNA16",
    "LiTS 2017", "MSD", "PatchCamelyon", "Shenzhen", "other public medical data sets (55 in all)",
)  # fmt: skip
_CXR_DATA = ("MIMIC-CXR", "CheXpert", "NIH ChestX-ray14", "PadChest", "BRAX")
_UNORANIC_SETS = (
    "bloodmnist", "breastmnist", "chestmnist", "dermamnist", "pneumoniamnist", "retinamnist",
)  # fmt: skip
_UNORANIC_SOURCES = {
    "ham10000": "DermaMNIST", "kermany_cxr": "PneumoniaMNIST", "nih_chestxray14": "ChestMNIST",
}  # fmt: skip
# RAD-DINO's own statistics, of chest X-rays.
_CXR_MEAN, _CXR_STD = (0.5307, 0.5307, 0.5307), (0.2583, 0.2583, 0.2583)


def _dinov2(width: int, blocks: int, heads: int, image: int = 518) -> dict[str, Any]:
    return {
        "hidden_size": width, "num_hidden_layers": blocks, "num_attention_heads": heads,
        "image_size": image, "patch_size": 14, "mlp_ratio": 4, "layer_norm_eps": 1e-6,
        "qkv_bias": True, "use_swiglu_ffn": False, "interpolate_offset": 0.1,
        "interpolate_antialias": False,
    }  # fmt: skip


def _dinoret(name: str, blocks: int, millions: float, file: str) -> ModelSpec:
    return ModelSpec(
        name=name, family="dinov2", source="",
        width=768, blocks=blocks, parameters=millions, patch=14, preprocess=CROP_224,
        files=(f"drive.google.com/uc?export=download&id={file}",), outputs=TOKENS,
        data=("LVD-142M", "public colour fundus photographs"),
        pretraining="DINOv2, continued on retinal images"
        + (", only in 3 added blocks" if blocks == 15 else ""),
        licence="unknown", citation=_DINORET, config=_dinov2(768, blocks, 12),
    )  # fmt: skip


def _retfound(kind: str, data: tuple[str, ...]) -> ModelSpec:
    hub = f"RETFound_mae_nature{kind.upper()}"
    return ModelSpec(
        name=f"retfound_{kind}", family="vit", source="",
        width=1024, blocks=24, parameters=303.3, patch=16, preprocess=CROP_224,
        files=(
            f"https://huggingface.co/YukunZhou/{hub}/resolve/main/{hub}.pth",
            f"RETFound_{kind}_weights.pth",
        ),
        outputs=TOKENS, data=("ImageNet-1k", "MEH-MIDAS", *data), overlap=overlap(*data),
        pretraining="self-supervised (MAE), first on ImageNet",
        licence="CC-BY-NC-4.0 (gated: accept it on the hub)", citation=_RETFOUND,
        config={
            **transformer(1024, 24, 16, 224, 16), "layer_norm_eps": 1e-6, "qkv_bias": True,
        },
    )  # fmt: skip


def _rad_dino(name: str, hub: str, **more: Any) -> ModelSpec:
    return ModelSpec(
        name=name, family="dinov2", source=f"microsoft/{hub}",
        width=768, blocks=12, parameters=86.6, patch=14,
        preprocess=cropped(518, 518, mean=_CXR_MEAN, std=_CXR_STD), outputs=TOKENS,
        overlap=overlap(*_CXR_DATA), pretraining="DINOv2, continued on chest X-rays",
        config=_dinov2(768, 12, 12), **more,
    )  # fmt: skip


def _lvm_med(name: str, file: str, **more: Any) -> ModelSpec:
    return ModelSpec(
        name=name, source="", files=(file,), data=_LVM_MED_DATA, overlap=overlap(*_LVM_MED_DATA),
        pretraining="self-supervised (second-order graph matching) on 1.3 M medical images",
        licence="CC-BY-NC-ND-2.0", citation=_LVM_MED, **more,
    )  # fmt: skip


ENTRIES = [
    _dinoret("dinoret_vitb14", 12, 86.6, "1Dx-sMTjWRb9wgN5lLXrpYgNRl7yEG3Fr"),
    _dinoret("be_dinoret_vitb14", 15, 107.8, "1ffGDQfisrZAHwIOz83DKx9I7ZyzigeA9"),
    _lvm_med(
        "lvm_med_resnet50", "lvmmed_resnet.torch", family="resnet", width=2048, blocks=1,
        parameters=23.5, preprocess=square(224, "bilinear"), outputs=MAPS,
        config={
            "embedding_size": 64, "hidden_sizes": [256, 512, 1024, 2048], "depths": [3, 4, 6, 3],
            "layer_type": "bottleneck",
        },
    ),
    _lvm_med(
        "lvm_med_vitb16", "lvmmed_vit.pth", family="sam_vision_model", width=768, blocks=12,
        parameters=89.7, patch=16, preprocess=square(1024, "bilinear"), outputs=NECK,
        config=sam_config("b"),
    ),
    _retfound("cfp", ("EyePACS",)),
    _retfound("oct", ("Kermany OCT",)),
    _rad_dino(
        "rad_dino", "rad-dino", data=("LVD-142M", *_CXR_DATA), licence="MIT", citation=_RAD_DINO,
        revision="110cbc18d5133582e320b43d53bf5c44e410c936",
    ),
    _rad_dino(
        "rad_dino_maira2", "rad-dino-maira-2", data=("LVD-142M", *_CXR_DATA, "USMix (private)"),
        licence="MSRLA", citation=f"{_RAD_DINO}; {_MAIRA2}",
    ),
    ModelSpec(
        name="unoranic_plus", family="ijepa", source="",
        width=128, blocks=12, parameters=2.4, patch=4,
        preprocess=square(28, "bilinear", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
        # the authors publish no checkpoint: what their training writes is given by --weights
        outputs=("mean", "tokens"), data=("one of six MedMNIST sets",),
        overlap={
            **dict.fromkeys(
                _UNORANIC_SETS, "a checkpoint is trained on one MedMNIST set, maybe this one"
            ),
            **{
                name: f"a checkpoint may be trained on {made}, which is made from it"
                for name, made in _UNORANIC_SOURCES.items()
            },
        },
        pretraining="self-supervised (feature orthogonalisation), no CLS token",
        licence="unknown", citation=_UNORANIC,
        config={**transformer(128, 12, 16, 28, 4), "layer_norm_eps": 1e-6, "qkv_bias": True},
    ),
    ModelSpec(
        name="biomedclip_vitb16", family="open_clip",
        source="open_clip:hf-hub:microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224",
        width=768, blocks=12, parameters=85.8, patch=16, preprocess=None,
        outputs=(*TOKENS, "projection"), data=("PMC-15M",),
        pretraining="contrastive with captions of figures in PubMed Central", licence="MIT",
        citation=_BIOMEDCLIP,
    ),
    ModelSpec(
        name="pubmedclip_vitb32", family="clip_vision_model",
        source="flaviagiammarino/pubmed-clip-vit-base-patch32",
        width=768, blocks=12, parameters=87.5, patch=32,
        preprocess=cropped(224, 224, mean=CLIP_MEAN, std=CLIP_STD),
        outputs=(*TOKENS, "projection"), data=("WIT-400M (OpenAI, not public)", "ROCO"),
        pretraining="CLIP, continued on radiology figures and captions", licence="MIT",
        citation=_PUBMEDCLIP,
        config={
            **transformer(768, 12, 12, 224, 32), "projection_dim": 512,
            "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5,
        },
    ),
    ModelSpec(
        name="medsiglip_448", family="siglip_vision_model", source="google/medsiglip-448",
        width=1152, blocks=27, parameters=428.6, patch=14,
        preprocess=square(448, "bilinear", HALF, HALF),
        outputs=("mean", "tokens", "projection"),
        data=("WebLI", "MIMIC-CXR", "other public and licensed medical images with texts"),
        overlap=overlap("MIMIC-CXR"),
        pretraining="sigmoid loss with texts, continued on medical images",
        licence="Health AI Developer Foundations terms (gated: accept them on the hub)",
        citation=_MEDGEMMA,
        config={
            **transformer(1152, 27, 16, 448, 14), "intermediate_size": 4304,
            "hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": 1e-6, "vision_use_head": True,
        },
    ),
]  # fmt: skip
