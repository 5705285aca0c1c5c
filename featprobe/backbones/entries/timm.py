"""Networks that transformers has not: DenseNet, VGG, AlexNet, Inception, EVA-02."""

from __future__ import annotations

from featprobe.backbones.entries.shared import LOGITS, TOKENS
from featprobe.backbones.spec import ModelSpec

_DENSENET = "Huang et al., Densely Connected Convolutional Networks, CVPR 2017, arXiv 1608.06993"
_VGG = (
    "Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, "
    "ICLR 2015, arXiv 1409.1556"
)
_ALEXNET = (
    "Krizhevsky, One weird trick for parallelizing convolutional neural networks, arXiv 1404.5997"
)
_INCEPTION_V3 = (
    "Szegedy et al., Rethinking the Inception Architecture for Computer Vision, "
    "CVPR 2016, arXiv 1512.00567"
)
_INCEPTION_V4 = (
    "Szegedy et al., Inception-v4, Inception-ResNet and the Impact of Residual Connections on "
    "Learning, AAAI 2017, arXiv 1602.07261"
)
_EFFICIENTNET = (
    "Tan and Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, "
    "ICML 2019, arXiv 1905.11946"
)
_EVA02 = "Fang et al., EVA-02: A Visual Representation for Neon Genesis, arXiv 2303.11331"
_RESNET = (
    "Wightman et al., ResNet strikes back: An improved training procedure in timm, arXiv 2110.00476"
)


def _cnn(
    name: str, source: str, width: int, millions: float, citation: str,
    licence: str = "Apache-2.0",
) -> ModelSpec:  # fmt: skip
    return ModelSpec(
        name=name, family="timm", source=f"timm:{source}", width=width, blocks=1,
        parameters=millions, preprocess=None, outputs=LOGITS, data=("ImageNet-1k",),
        pretraining="supervised on ImageNet-1k", licence=licence, citation=citation,
    )  # fmt: skip


def _dense(name: str, source: str, millions: float, citation: str) -> ModelSpec:
    return ModelSpec(
        name=name, family=source.partition(":")[0], source=source, width=4096, blocks=1,
        parameters=millions, preprocess=None, outputs=("mean", "tokens", "prelogits", "logits"),
        data=("ImageNet-1k",), pretraining="supervised on ImageNet-1k", licence="BSD-3-Clause",
        citation=citation,
    )  # fmt: skip


def _eva02(
    name: str, source: str, width: int, blocks: int, millions: float, data: tuple[str, ...],
    labels: bool,
) -> ModelSpec:  # fmt: skip
    return ModelSpec(
        name=name, family="timm", source=f"timm:{source}", width=width, blocks=blocks,
        parameters=millions, patch=14, preprocess=None,
        outputs=(*TOKENS, "logits") if labels else TOKENS, data=data,
        pretraining="masked image modelling of CLIP features" + (", then supervised" * labels),
        licence="MIT", citation=_EVA02,
    )  # fmt: skip


# VGG and AlexNet: 4096 values in front of the last layer; their `mean` has the channels of the map.
ENTRIES = [
    _cnn("densenet121", "densenet121.ra_in1k", 1024, 7.0, _DENSENET),
    _cnn("densenet121_tv", "densenet121.tv_in1k", 1024, 7.0, _DENSENET),
    _cnn("densenet201", "densenet201.tv_in1k", 1920, 18.1, _DENSENET),
    _dense("vgg16", "timm:vgg16.tv_in1k", 134.3, _VGG),
    _dense("vgg19", "timm:vgg19.tv_in1k", 139.6, _VGG),
    _dense("alexnet", "torchvision:alexnet:IMAGENET1K_V1", 57.0, _ALEXNET),
    _cnn("inception_v3", "inception_v3.tv_in1k", 2048, 21.8, _INCEPTION_V3),
    _cnn("inception_v4", "inception_v4.tf_in1k", 1536, 41.1, _INCEPTION_V4),
    _cnn("efficientnet_b4_ra2", "efficientnet_b4.ra2_in1k", 1792, 17.5, _EFFICIENTNET),
    _cnn("resnet50_a1", "resnet50.a1_in1k", 2048, 23.5, _RESNET),
    _eva02("eva02_vitb14", "eva02_base_patch14_224.mim_in22k", 768, 12, 85.8,
           ("ImageNet-22k",), labels=False),
    _eva02("eva02_vitb14_448", "eva02_base_patch14_448.mim_in22k_ft_in22k_in1k", 768, 12, 86.3,
           ("ImageNet-22k", "ImageNet-1k"), labels=True),
    _eva02("eva02_vitl14_448", "eva02_large_patch14_448.mim_m38m_ft_in22k_in1k", 1024, 24, 304.1,
           ("Merged-38M", "ImageNet-22k", "ImageNet-1k"), labels=True),
]  # fmt: skip
