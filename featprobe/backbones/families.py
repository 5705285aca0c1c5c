"""The families of transformers: which class holds the vision tower, and how it is read.

A family that the rules below fit needs one line in ``FAMILIES``. Keys of ``FAMILIES`` are
transformers' ``model_type``; that of an image-text model stands for its vision tower.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from featprobe.backbones import adapter_rules
from featprobe.backbones.adapter_rules import Config, maps, tokens
from featprobe.backbones.adapters import feature_map, pixels_of_any_size, pooled_map, sequence
from featprobe.backbones.base import Adapter
from featprobe.backbones.positions import follow_the_authors
from featprobe.core.errors import InputError


@dataclass(frozen=True)
class Family:
    """How one ``model_type`` is built and read.

    ``adapter``: (configuration, path of the base model inside the module) -> adapter. ``model``:
    name of the class of transformers without a head, None for what ``AutoModel`` builds.
    ``within``: architecture of a checkpoint -> the class that is loaded, with ``vision_model`` and
    perhaps a projection in it.
    ``keywords``: of the constructor, by configuration. ``vision``: attribute of the configuration
    that is the vision tower's. ``drops``: beginnings of keys that belong to no vision tower.
    ``renamed``: pattern -> replacement, in keys of a checkpoint.
    ``part``: attribute of the built model that is the backbone. ``amend``: changes a configuration
    before the model is built. ``finish``: changes the model after it is built or loaded.
    """

    adapter: Callable[[Config, str], Adapter]
    model: str | None = None
    within: Mapping[str, str] = field(default_factory=dict)
    keywords: Callable[[Config], dict[str, Any]] = lambda config: {}
    vision: str = ""
    drops: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    part: str = ""
    amend: Callable[[Config], None] = lambda config: None
    finish: Callable[[nn.Module], nn.Module] = lambda module: module


_VIT = tokens("layers", arguments=pixels_of_any_size)
_TEXT = ("text_model.", "text_projection.", "logit_scale", "logit_bias", "visual_projection.")
_SWIN = Family(maps(adapter_rules.doubled, adapter_rules.strided))
_CONVNEXT = Family(maps(adapter_rules.last, pooled_map, multiple=1, staged=True))
_CNN = Family(maps(adapter_rules.last, feature_map, staged=True))
_CLIP = Family(
    adapter_rules.clip, "CLIPVisionModel",
    dict.fromkeys(("CLIPModel", "CLIPVisionModelWithProjection"), "CLIPVisionModelWithProjection"),
    drops=_TEXT,
)  # fmt: skip
_SIGLIP = Family(adapter_rules.siglip, "SiglipVisionModel", drops=_TEXT)
_SIGLIP2 = Family(adapter_rules.siglip2, "Siglip2VisionModel", drops=_TEXT)
_BLIPS = (
    "BlipModel", "BlipForImageTextRetrieval", "BlipForConditionalGeneration",
    "BlipForQuestionAnswering",
)  # fmt: skip
_BLIP = Family(
    adapter_rules.blip, "BlipVisionModel", {name: name for name in _BLIPS},
    finish=adapter_rules.blip_tower,
    drops=("text_decoder.", "text_encoder.", "text_proj.", "itm_head.", "vision_proj.", *_TEXT),
)  # fmt: skip
_MASKS = ("prompt_encoder.", "mask_decoder.", "shared_image_embedding.")
_SAM = Family(adapter_rules.sam, "SamVisionModel", finish=adapter_rules.sam_any_size, drops=_MASKS)
_SAM2 = Family(
    adapter_rules.sam2, "Sam2VisionModel", part="backbone", renamed={r"^vision_encoder\.": ""},
    drops=(
        *_MASKS, "memory_", "no_memory", "no_object_pointer", "mask_downsample.",
        "object_pointer_proj.", "occlusion_spatial_embedding", "temporal_positional_encoding",
    ),
)  # fmt: skip


def _within(family: Family) -> Family:
    """The same family as part of an image-text or segmentation model."""
    return replace(family, vision="vision_config")


def _registers(config: Config) -> int:
    return 1 + getattr(config, "num_register_tokens", 0)


FAMILIES: dict[str, Family] = {
    "dinov2": Family(tokens("encoder.layer")),
    "dinov2_with_registers": Family(tokens("encoder.layer", prefix=_registers)),
    "dinov3_vit": Family(tokens("model.layer", "norm", prefix=_registers)),
    "dinov3_convnext": Family(
        maps(adapter_rules.last, sequence(32, prefix=1), cls=True, multiple=32)
    ),
    "vit": Family(_VIT, keywords=adapter_rules.without_pooler),
    "deit": Family(
        tokens("layers", prefix=2, arguments=pixels_of_any_size),
        keywords=adapter_rules.without_pooler,
    ),
    "beit": Family(adapter_rules.beit("layers"), keywords=adapter_rules.beit_pooler),
    "data2vec-vision": Family(
        adapter_rules.beit("encoder.layer"), keywords=adapter_rules.beit_pooler
    ),
    "vit_mae": Family(adapter_rules.mae, amend=adapter_rules.unmasked, drops=("decoder.",)),
    "vit_msn": Family(_VIT),
    "ijepa": Family(
        tokens("layers", prefix=0, cls=False, arguments=pixels_of_any_size),
        keywords=adapter_rules.without_pooler,
    ),
    "swin": _SWIN,
    "swinv2": _SWIN,
    "focalnet": _SWIN,
    "convnext": _CONVNEXT,
    "convnextv2": _CONVNEXT,
    "resnet": _CNN,
    "regnet": _CNN,
    "bit": _CNN,
    "pvt_v2": Family(maps(adapter_rules.last, feature_map)),
    "efficientnet": Family(maps(lambda c: c.hidden_dim, feature_map)),
    "mobilenet_v1": Family(
        maps(lambda c: max(int(1024 * c.depth_multiplier), c.min_depth), feature_map)
    ),
    "mobilenet_v2": Family(maps(adapter_rules.mobilenet_v2, feature_map)),
    "hiera": Family(adapter_rules.hiera),
    "pvt": Family(adapter_rules.pvt),
    "clip": _within(_CLIP),
    "clip_vision_model": _CLIP,
    "siglip": _within(_SIGLIP),
    "siglip_vision_model": _SIGLIP,
    "siglip2": _within(_SIGLIP2),
    "siglip2_vision_model": _SIGLIP2,
    "blip": _within(_BLIP),
    "blip_vision_model": _BLIP,
    "sam": _within(_SAM),
    "sam_vision_model": _SAM,
    "sam2": _within(_SAM2),
    "sam2_video": _within(_SAM2),
    "sam2_vision_model": _SAM2,
}


def known(config: Config) -> Family:
    """The family of a configuration of transformers."""
    kind = config.model_type
    if kind not in FAMILIES:
        raise InputError(
            f"transformers model type {kind!r} is not supported yet; supported: "
            f"{', '.join(FAMILIES)}"
        )
    return FAMILIES[kind]


@dataclass(frozen=True)
class Plan:
    """What to build for a configuration: a class of transformers, and where its base model is."""

    family: Family
    model: Any
    config: Config
    keywords: dict[str, Any]
    base: str

    def build(self) -> nn.Module:
        """The architecture, drawn at random."""
        # a class of its own lacks AutoModel's from_config
        make = getattr(self.model, "from_config", None) or self.model._from_config
        # float32, whatever precision a checkpoint of the configuration was saved in
        module = make(self.config, dtype=torch.float32, **self.keywords)
        if blocks := getattr(self.config, "linear_head_blocks", 0):
            c = self.config
            return adapter_rules.LinearClassifier(module, c.hidden_size, blocks, c.num_labels)
        return module

    def finished(self, module: nn.Module) -> nn.Module:
        """The module as it is run: the part that is the backbone, with its mends."""
        if self.family.part:
            module = module.get_submodule(self.family.part)
        module = self.family.finish(module)
        follow_the_authors(module, self.config)
        return module

    def adapter(self) -> Adapter:
        """How the finished module is read."""
        return self.family.adapter(self.config, self.base)


def plan(config: Config, heads: bool = True) -> Plan:
    """How the network of a configuration is built: with its classifier or projection if it has one.

    ``heads`` False asks for the bare vision tower.
    """
    import transformers

    family = known(config)
    architecture = (config.architectures or [""])[0] if heads else ""
    vision = getattr(config, family.vision) if family.vision else config
    family.amend(vision)
    if "ForImageClassification" in architecture and not family.vision:
        model = getattr(transformers, architecture)
        return Plan(family, model, vision, {}, model.base_model_prefix)
    if architecture in family.within:
        model = getattr(transformers, family.within[architecture])
        whole = config if isinstance(config, model.config_class) else vision
        return Plan(family, model, whole, {}, "vision_model")
    model = getattr(transformers, family.model) if family.model else transformers.AutoModel
    base = "backbone" if getattr(config, "linear_head_blocks", 0) else ""
    return Plan(family, model, vision, family.keywords(vision), base)
