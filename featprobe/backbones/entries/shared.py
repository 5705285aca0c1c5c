"""Preprocessings and origins of data that several groups of entries share."""

from __future__ import annotations

from featprobe.backbones.spec import HALF, IMAGENET_MEAN, IMAGENET_STD, ModelSpec, Preprocess

ENTRIES: list[ModelSpec] = []
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)

CROP_224 = Preprocess(resize=256, crop=(224, 224))
SQUARE_224 = Preprocess(resize=(224, 224), crop=None, interpolation="bilinear")
HALF_224 = Preprocess(
    resize=(224, 224), crop=None, interpolation="bilinear", mean=HALF, std=HALF
)  # fmt: skip

TOKENS = ("cls", "mean", "tokens")
MAPS = ("mean", "tokens")
NECK = (*MAPS, "neck")
LOGITS = ("mean", "tokens", "logits")

# Pretraining data -> catalog data sets that hold the same images. MedMNIST states its sources in
# arXiv 2110.14795; ISIC 2019 contains HAM10000; the liver task of the Decathlon is LiTS; LUNA16 is
# part of LIDC-IDRI.
_LITS = ("lits17", "msd_liver", "organamnist", "organcmnist", "organsmnist", "organmnist3d")
ORIGINS: dict[str, tuple[str, ...]] = {
    "APTOS 2019": ("aptos2019",),
    "BraTS 2018": ("glioma_grading",),
    "CBIS-DDSM": ("cbis_ddsm",),
    "CheXpert": ("chexpert",),
    "ISIC 2019": ("isic2019", "ham10000", "dermamnist"),
    "Kermany OCT": ("octmnist",),
    "LUNA16": ("nodulemnist3d",),
    "LiTS 2017": _LITS,
    "MIMIC-CXR": ("mimic_cxr_jpg",),
    "MSD": (
        "msd_brain_tumour", "msd_colon", "msd_heart", "msd_hepatic_vessel", "msd_hippocampus",
        "msd_liver", "msd_lung", "msd_pancreas", "msd_prostate", "msd_spleen", *_LITS,
    ),
    "NIH ChestX-ray14": ("nih_chestxray14", "chestmnist"),
    "PatchCamelyon": ("patch_camelyon",),
    "Shenzhen": ("shenzhen",),
}  # fmt: skip


def overlap(*data: str) -> dict[str, str]:
    """Catalog data sets that hold images of the pretraining data -> why."""
    out: dict[str, str] = {}
    for origin in data:
        for name in ORIGINS.get(origin, ()):
            out.setdefault(name, f"it was trained on {origin}")
    return out


def square(
    size: int,
    interpolation: str = "bicubic",
    mean: tuple[float, float, float] = IMAGENET_MEAN,
    std: tuple[float, float, float] = IMAGENET_STD,
) -> Preprocess:
    """Both edges resized to ``size``."""
    return Preprocess((size, size), None, interpolation, mean, std)


def cropped(
    size: int,
    edge: int,
    interpolation: str = "bicubic",
    mean: tuple[float, float, float] = IMAGENET_MEAN,
    std: tuple[float, float, float] = IMAGENET_STD,
) -> Preprocess:
    """The shorter edge resized to ``edge``, then the centre of ``size`` cropped."""
    return Preprocess(edge, (size, size), interpolation, mean, std)


def transformer(width: int, blocks: int, heads: int, image: int, patch: int) -> dict[str, int]:
    """The arguments that transformers' ViT-like configs share."""
    return {
        "hidden_size": width, "num_hidden_layers": blocks, "num_attention_heads": heads,
        "intermediate_size": 4 * width, "image_size": image, "patch_size": patch,
    }  # fmt: skip
