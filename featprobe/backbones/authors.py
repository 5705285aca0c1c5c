"""What the authors of each entry do in evaluation, read in their own public code.

The table of docs/models.md is made of this. An entry that is not named here, or whose transform is
None, is said to be unverified. Files are of the repositories' main branches in November 2026.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from featprobe.backbones.spec import HALF, IMAGENET_MEAN, IMAGENET_STD, ModelSpec, Preprocess

CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
IMAGENET = (IMAGENET_MEAN, IMAGENET_STD)
HALVES = (HALF, HALF)
Statistics = tuple[tuple[float, float, float], tuple[float, float, float]]


@dataclass(frozen=True)
class Authors:
    """Of the entries whose names match a pattern of ``names`` (as file names do).

    ``transform``: of the authors, None where it is not known; ``source``: where that was read;
    ``note``: what it leaves out. ``hub``: what the place of the weights states, where the entry
    does not have it; ``hub_says``: what is known of it where that is not all.
    """

    names: str
    transform: Preprocess | None
    source: str
    note: str = ""
    hub: Preprocess | None = None
    hub_says: str = ""


def _crop(
    size: int, edge: int, interpolation: str = "bicubic", of: Statistics = IMAGENET
) -> Preprocess:
    return Preprocess(edge, (size, size), interpolation, *of)


def _even(
    size: int, edge: int, interpolation: str = "bicubic", of: Statistics = IMAGENET
) -> Preprocess:
    """With torchvision's CenterCrop, as timm, open_clip and nearly all authors have it."""
    return replace(_crop(size, edge, interpolation, of), centre="even")


def _square(size: int, interpolation: str = "bicubic", of: Statistics = IMAGENET) -> Preprocess:
    return Preprocess((size, size), None, interpolation, *of)


def _tensorflow(size: int) -> Preprocess:
    """0.875 of each edge is cropped and made square, which is a square of size / 0.875, cropped."""
    edge = round(size / 0.875)
    return Preprocess((edge, edge), (size, size), "bilinear", *HALVES)


_256 = _even(224, 256)
_TV = "pytorch/vision torchvision/models: ImageClassification(crop_size=224)"
_TIMM = "huggingface/pytorch-image-models timm/models"
_SMOOTH = "tf.image.resize does not antialias; here it is antialiased"
_EFFICIENT = (224, 240, 260, 300, 380, 456, 528, 600)

TABLE = (
    Authors("dino_*", _256, "facebookresearch/dino eval_knn.py, eval_linear.py"),
    Authors(
        "dinov2_*", _256,
        "facebookresearch/dinov2 dinov2/data/transforms.py make_classification_eval_transform",
    ),
    Authors(
        "dinov3_*", _256,
        "facebookresearch/dinov3 dinov3/data/transforms.py make_classification_eval_transform",
    ),
    Authors("mae_*", _256, "facebookresearch/mae main_linprobe.py"),
    Authors("msn_*", _even(224, 256, "bilinear"), "facebookresearch/msn linear_eval.py"),
    Authors(
        "ijepa_vith14_*", None, "",
        "facebookresearch/ijepa has the transform of training alone (src/transforms.py); its mean "
        "and deviation are ImageNet's, as in the entry",
        hub=_square(224, "bilinear", HALVES),
    ),
    Authors(
        "ijepa_vith16_*", None, "",
        "facebookresearch/ijepa has the transform of training alone (src/transforms.py); its mean "
        "and deviation are ImageNet's, as in the entry",
        hub=_square(448, "bilinear", HALVES),
    ),
    Authors(
        "data2vec_*", _even(224, 256, of=HALVES),
        "facebookresearch/data2vec_vision beit/datasets.py build_transform",
        "ImageNet's mean and deviation with --imagenet_default_mean_and_std",
    ),
    Authors(
        "beit_*", _even(224, 256, of=HALVES),
        "microsoft/unilm beit/datasets.py build_transform",
        "ImageNet's mean and deviation with --imagenet_default_mean_and_std",
    ),
    Authors("swin_*", _256, "microsoft/Swin-Transformer data/build.py, config.py"),
    Authors(
        "swinv2_large", _even(192, 219), "microsoft/Swin-Transformer data/build.py, config.py"
    ),
    Authors("swinv2_*", _even(256, 292), "microsoft/Swin-Transformer data/build.py, config.py"),
    Authors("focalnet_*", _256, "microsoft/FocalNet data/build.py, config.py"),
    Authors("convnextv2_*", _256, "facebookresearch/ConvNeXt-V2 datasets.py build_transform"),
    Authors("convnext_*", _256, "facebookresearch/ConvNeXt datasets.py build_transform"),
    Authors("hiera_*", _256, "facebookresearch/hiera examples/inference.ipynb"),
    Authors("pvt_*", _256, "whai362/PVT classification/datasets.py build_transform"),
    Authors(
        "vit_*", _square(224, "bilinear", HALVES),
        "google-research/vision_transformer vit_jax/input_pipeline.py", _SMOOTH,
    ),
    Authors(
        "deit_*_distilled", _256, "facebookresearch/deit datasets.py build_transform",
        hub=Preprocess((256, 256), (224, 224)),
    ),
    Authors(
        "deit_*", _256, "facebookresearch/deit datasets.py build_transform",
        hub_says="a square, mean and deviation of 0.5; its size was not seen",
    ),
    Authors("clip_vitl14_336", _even(336, 336, of=CLIP), "openai/CLIP clip/clip.py"),
    Authors(
        "clip_*_laion2b", _even(224, 224, of=CLIP),
        "mlfoundations/open_clip src/open_clip/pretrained.py",
    ),
    Authors("clip_*", _even(224, 224, of=CLIP), "openai/CLIP clip/clip.py"),
    Authors(
        "openclip_vitb16_laion2b", _even(224, 224, of=CLIP),
        "mlfoundations/open_clip src/open_clip/pretrained.py", hub=_even(224, 224, of=CLIP),
    ),
    Authors(
        "eva02_clip_vitb16", _even(224, 224, of=CLIP),
        "baaivision/EVA EVA-02/asuka/eva_clip/eva_clip.py", hub=_even(224, 224, of=CLIP),
    ),
    *(
        Authors(
            names, _square(size, "bilinear", HALVES),
            "google-research/big_vision pp/ops_image.py, configs/proj/image_text", _SMOOTH,
        )
        for names, size in (
            ("siglip*_256", 256), ("siglip*_384", 384), ("siglip*_vitb16", 224),
            ("siglip*_so400m14", 224),
        )
    ),
    Authors(
        "blip_*", _square(384, of=CLIP),
        "salesforce/BLIP data/__init__.py, configs/retrieval_coco.yaml",
    ),
    Authors(
        "resnet50_a1", _even(288, 288), f"{_TIMM}/resnet.py _rcfg (its size in tests)",
        hub=_even(224, 235),
    ),
    Authors(
        "resnet*", None, "",
        "the hub names no authors' code for these weights, which were converted from timm's",
    ),
    Authors(
        "regnet_*", None, "",
        "whose weights the hub's are was not seen; facebookresearch/pycls pycls/datasets tests "
        "RegNet with shorter=256,crop=224,bilinear",
    ),
    *(
        Authors(
            f"efficientnet_b{n}", _crop(size, round(size / 0.875)),
            "tensorflow/tpu models/official/efficientnet/preprocessing.py", _SMOOTH,
        )
        for n, size in enumerate(_EFFICIENT)
    ),
    Authors(
        "mobilenet_*", _tensorflow(224),
        "tensorflow/models research/slim/preprocessing/inception_preprocessing.py", _SMOOTH,
    ),
    Authors(
        "bit_*", _square(480, "bilinear", HALVES),
        "google-research/big_transfer bit_pytorch/train.py, bit_hyperrule.py",
        "of fine-tuning on images of 96 pixels or more",
    ),
    Authors(
        "*dinoret_*", _square(224), "cm090999/dinoret util/datasets.py build_transform",
        "the size is an option there",
    ),
    Authors(
        "lvm_med_resnet50", _square(224, "bilinear"),
        "duyhominhnguyen/LVM-Med classification_R50/train_R50_classification.py",
        "of the brain tumours; FGADR is not resized",
    ),
    Authors(
        "lvm_med_vitb16", _square(224, "bilinear"),
        "duyhominhnguyen/LVM-Med classification_VIT/train_SAMVIT_classification.py",
        "of the brain tumours; FGADR is not resized. The entry has the size of SAM",
    ),
    Authors("retfound_*", _256, "rmaphoh/RETFound_MAE util/datasets.py build_transform"),
    Authors(
        "rad_dino*", None, "",
        "its authors publish it on the hub alone, so the hub's is theirs; their code of evaluation "
        "was not seen",
    ),
    Authors(
        "unoranic_plus", _square(28, "bilinear", ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))),
        "sdoerrich97/unoranic-plus training/data_loader.py",
        "resized by the mean of areas there, which 28 x 28 images are not",
    ),
    Authors(
        "biomedclip_*", None, "",
        "its authors publish it on the hub as weights of open_clip, whose file was not seen",
    ),
    Authors(
        "pubmedclip_*", _even(224, 224, of=CLIP),
        "sarahESL/PubMedCLIP PubMedCLIP/main/train.py",
        "clip.load's transform; its file of transforms has others as options",
    ),
    Authors("medsiglip_*", None, "", "no public code of its authors was seen"),
    Authors(
        "tiny_vit14", Preprocess((112, 112), None, mean=HALF, std=(0.25, 0.25, 0.25)),
        "bin/train-tiny",
    ),
    Authors(
        "sam_*", Preprocess(1024, None, "bilinear", pad=(1024, 1024)),
        "facebookresearch/segment-anything segment_anything/utils/transforms.py",
    ),
    Authors("sam2_*", _square(1024, "bilinear"), "facebookresearch/sam2 sam2/utils/transforms.py"),
    Authors(
        "seem_*", _crop(512, 512),
        "UX-Decoder/Segment-Everything-Everywhere-All-At-Once demo/seem/tasks/interactive.py",
        "nothing is cropped there: frames keep their aspect",
    ),
    Authors(
        "densenet121", _even(288, 303), f"{_TIMM}/densenet.py (its size in tests)",
        hub=_even(224, 256),
    ),
    Authors("densenet*", _even(224, 256, "bilinear"), _TV, hub=_even(224, 256)),
    Authors("vgg*", _even(224, 256, "bilinear"), _TV, hub=_even(224, 256, "bilinear")),
    Authors("alexnet", _even(224, 256, "bilinear"), _TV, hub=_even(224, 256, "bilinear")),
    Authors(
        "inception_v3", _even(299, 342, "bilinear", HALVES),
        "pytorch/vision torchvision/models/inception.py (crop_size=299, resize_size=342, "
        "transform_input)", hub=_even(299, 341, of=HALVES),
    ),
    Authors(
        "inception_v4", _tensorflow(299),
        "tensorflow/models research/slim/preprocessing/inception_preprocessing.py", _SMOOTH,
        hub=_even(299, 341, of=HALVES),
    ),
    Authors(
        "efficientnet_b4_ra2", _even(384, 384), f"{_TIMM}/efficientnet.py (its size in tests)",
        hub=_even(320, 365),
    ),
    Authors(
        "eva02_*_448", _even(448, 448, of=CLIP),
        "baaivision/EVA EVA-02/asuka/datasets.py, README.md",
        hub=Preprocess((448, 448), (448, 448), "bicubic", *CLIP),
    ),
    Authors(
        "eva02_*", _even(224, 256, of=CLIP), "baaivision/EVA EVA-02/asuka/datasets.py",
        hub=_even(224, 248, of=CLIP),
    ),
)  # fmt: skip


def of(name: str) -> Authors | None:
    """The row of an entry: the first whose pattern its name matches."""
    return next((a for a in TABLE if fnmatchcase(name, a.names)), None)


def with_authors(specs: Iterable[ModelSpec]) -> list[ModelSpec]:
    """Entries with what is known of their authors' transform and of the hub's."""
    return [
        spec if (found := of(spec.name)) is None
        else replace(spec, authors=found.transform, hub=found.hub)
        for spec in specs
    ]  # fmt: skip
