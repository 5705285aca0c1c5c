"""Convolutional networks in transformers: ResNet, RegNet, ConvNeXt, EfficientNet and others."""

from __future__ import annotations

from featprobe.backbones.entries.shared import CROP_224, LOGITS, cropped, square
from featprobe.backbones.spec import HALF, ModelSpec

_RESNET = "He et al., Deep Residual Learning for Image Recognition, CVPR 2016, arXiv 1512.03385"
_REGNET = "Radosavovic et al., Designing Network Design Spaces, CVPR 2020, arXiv 2003.13678"
_CONVNEXT = "Liu et al., A ConvNet for the 2020s, CVPR 2022, arXiv 2201.03545"
_CONVNEXTV2 = (
    "Woo et al., ConvNeXt V2: Co-designing and Scaling ConvNets with Masked Autoencoders, "
    "CVPR 2023, arXiv 2301.00808"
)
_EFFICIENTNET = (
    "Tan and Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, "
    "ICML 2019, arXiv 1905.11946"
)
_MOBILENETS = {
    "v1": "Howard et al., MobileNets: Efficient Convolutional Neural Networks for Mobile Vision "
    "Applications, arXiv 1704.04861",
    "v2": "Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, "
    "CVPR 2018, arXiv 1801.04381",
}
_BIT = (
    "Kolesnikov et al., Big Transfer (BiT): General Visual Representation Learning, "
    "ECCV 2020, arXiv 1912.11370"
)
_RESNETS = {  # depths, layer type, stage widths, millions of parameters
    18: ([2, 2, 2, 2], "basic", [64, 128, 256, 512], 11.2),
    34: ([3, 4, 6, 3], "basic", [64, 128, 256, 512], 21.3),
    50: ([3, 4, 6, 3], "bottleneck", [256, 512, 1024, 2048], 23.5),
    101: ([3, 4, 23, 3], "bottleneck", [256, 512, 1024, 2048], 42.5),
    152: ([3, 8, 36, 3], "bottleneck", [256, 512, 1024, 2048], 58.1),
}
_REGNETS = {  # depths, stage widths, group width, millions
    "y_040": ([2, 6, 12, 2], [128, 192, 512, 1088], 64, 19.6),
    "y_080": ([2, 4, 10, 1], [168, 448, 896, 2016], 56, 37.2),
    "y_160": ([2, 4, 11, 1], [224, 448, 1232, 3024], 112, 80.6),
    "y_320": ([2, 5, 12, 1], [232, 696, 1392, 3712], 232, 141.3),
}
_CONVNEXTS = {  # depths, stage widths, millions, hub name
    "tiny": ([3, 3, 9, 3], [96, 192, 384, 768], 27.8, "tiny-224"),
    "small": ([3, 3, 27, 3], [96, 192, 384, 768], 49.5, "small-224"),
    "base": ([3, 3, 27, 3], [128, 256, 512, 1024], 87.6, "base-224"),
    "base_in22k": ([3, 3, 27, 3], [128, 256, 512, 1024], 87.6, "base-224-22k"),
    "large": ([3, 3, 27, 3], [192, 384, 768, 1536], 196.2, "large-224"),
    "large_in22k": ([3, 3, 27, 3], [192, 384, 768, 1536], 196.2, "large-224-22k"),
}
_CONVNEXTV2S = {  # depths, stage widths, millions
    "atto": ([2, 2, 6, 2], [40, 80, 160, 320], 3.4),
    "nano": ([2, 2, 8, 2], [80, 160, 320, 640], 15.0),
    "tiny": ([3, 3, 9, 3], [96, 192, 384, 768], 27.9),
    "base": ([3, 3, 27, 3], [128, 256, 512, 1024], 87.7),
    "large": ([3, 3, 27, 3], [192, 384, 768, 1536], 196.4),
}
_EFFICIENTNETS = {  # width and depth factors, image size, features, millions
    "b0": (1.0, 1.0, 224, 1280, 4.0),
    "b1": (1.0, 1.1, 240, 1280, 6.5),
    "b2": (1.1, 1.2, 260, 1408, 7.7),
    "b3": (1.2, 1.4, 300, 1536, 10.7),
    "b4": (1.4, 1.8, 380, 1792, 17.5),
    "b5": (1.6, 2.2, 456, 2048, 28.3),
    "b6": (1.8, 2.6, 528, 2304, 40.7),
    "b7": (2.0, 3.1, 600, 2560, 63.8),
}
_BITS = {50: ([3, 4, 6, 3], 23.5), 101: ([3, 4, 23, 3], 42.5)}


def _resnet(depth: int) -> ModelSpec:
    depths, kind, widths, millions = _RESNETS[depth]
    return ModelSpec(
        name=f"resnet{depth}", family="resnet", source=f"microsoft/resnet-{depth}",
        width=widths[-1], blocks=1, parameters=millions, preprocess=CROP_224,
        outputs=LOGITS, data=("ImageNet-1k",), pretraining="supervised on ImageNet-1k",
        licence="Apache-2.0", citation=_RESNET,
        config={
            "embedding_size": 64, "hidden_sizes": widths, "depths": depths, "layer_type": kind,
        },
    )  # fmt: skip


def _regnet(size: str) -> ModelSpec:
    depths, widths, groups, millions = _REGNETS[size]
    return ModelSpec(
        name=f"regnet_{size}", family="regnet", source=f"facebook/regnet-{size.replace('_', '-')}",
        width=widths[-1], blocks=1, parameters=millions, preprocess=CROP_224,
        outputs=LOGITS, data=("ImageNet-1k",), pretraining="supervised on ImageNet-1k",
        licence="Apache-2.0", citation=_REGNET,
        config={
            "embedding_size": 32, "hidden_sizes": widths, "depths": depths,
            "groups_width": groups, "layer_type": "y",
        },
    )  # fmt: skip


def _convnext(size: str) -> ModelSpec:
    depths, widths, millions, hub = _CONVNEXTS[size]
    data = "ImageNet-22k" if "22k" in size else "ImageNet-1k"
    return ModelSpec(
        name=f"convnext_{size}", family="convnext", source=f"facebook/convnext-{hub}",
        width=widths[-1], blocks=1, parameters=millions, preprocess=CROP_224,
        outputs=LOGITS, data=(data,), pretraining=f"supervised on {data}",
        licence="Apache-2.0 (the original release: MIT)", citation=_CONVNEXT,
        config={
            "hidden_sizes": widths, "depths": depths, "image_size": 224, "layer_norm_eps": 1e-12,
        },
    )  # fmt: skip


def _convnextv2(size: str) -> ModelSpec:
    depths, widths, millions = _CONVNEXTV2S[size]
    return ModelSpec(
        name=f"convnextv2_{size}", family="convnextv2", source=f"facebook/convnextv2-{size}-1k-224",
        width=widths[-1], blocks=1, parameters=millions, preprocess=CROP_224,
        outputs=LOGITS, data=("ImageNet-1k",),
        pretraining="self-supervised (FCMAE), then supervised",
        licence="Apache-2.0 (the original weights: CC-BY-NC-4.0)", citation=_CONVNEXTV2,
        config={
            "hidden_sizes": widths, "depths": depths, "image_size": 224, "layer_norm_eps": 1e-12,
        },
    )  # fmt: skip


def _efficientnet(size: str) -> ModelSpec:
    """The hub's files divide twice by the root of ImageNet's deviation; here it is once by all."""
    wide, deep, image, features, millions = _EFFICIENTNETS[size]
    return ModelSpec(
        name=f"efficientnet_{size}", family="efficientnet", source=f"google/efficientnet-{size}",
        width=features, blocks=1, parameters=millions, preprocess=square(image, "nearest"),
        outputs=LOGITS, data=("ImageNet-1k",), pretraining="supervised on ImageNet-1k",
        licence="Apache-2.0", citation=_EFFICIENTNET,
        config={
            "width_coefficient": wide, "depth_coefficient": deep, "image_size": image,
            "hidden_dim": features, "depthwise_padding": _PADDED[size],
        },
    )  # fmt: skip


_PADDED = {  # which depthwise convolutions pad to one side, as the converted checkpoints have it
    "b0": [], "b1": [16], "b2": [5, 8, 16], "b3": [5, 18], "b4": [6], "b5": [13, 27], "b6": [31],
    "b7": [18],
}  # fmt: skip


def _mobilenet(version: str) -> ModelSpec:
    return ModelSpec(
        name=f"mobilenet_{version}", family=f"mobilenet_{version}",
        source=f"google/mobilenet_{version}_1.0_224",
        width=1024 if version == "v1" else 1280, blocks=1,
        parameters=3.2 if version == "v1" else 2.22,
        preprocess=cropped(224, 256, "bilinear", HALF, HALF), outputs=LOGITS,
        data=("ImageNet-1k",), pretraining="supervised on ImageNet-1k",
        licence="other (the original release: Apache-2.0)", citation=_MOBILENETS[version],
        config={"depth_multiplier": 1.0, "image_size": 224, "layer_norm_eps": 0.001},
    )  # fmt: skip


def _bit(depth: int) -> ModelSpec:
    depths, millions = _BITS[depth]
    return ModelSpec(
        name=f"bit_{depth}", family="bit", source=f"google/bit-{depth}",
        width=2048, blocks=1, parameters=millions,
        preprocess=cropped(448, 448, "bilinear", HALF, HALF), outputs=LOGITS,
        data=("ImageNet-21k", "ImageNet-1k"),
        pretraining="supervised on ImageNet-21k, then ImageNet-1k",
        licence="Apache-2.0", citation=_BIT,
        config={
            "embedding_size": 64, "hidden_sizes": [256, 512, 1024, 2048], "depths": depths,
            "layer_type": "preactivation", "num_groups": 32, "width_factor": 1,
        },
    )  # fmt: skip


ENTRIES = [
    *(_resnet(d) for d in _RESNETS),
    *(_regnet(s) for s in _REGNETS),
    *(_convnext(s) for s in _CONVNEXTS),
    *(_convnextv2(s) for s in _CONVNEXTV2S),
    *(_efficientnet(s) for s in _EFFICIENTNETS),
    *(_mobilenet(v) for v in _MOBILENETS),
    *(_bit(d) for d in (50, 101)),
]
