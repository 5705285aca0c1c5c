"""Rules by which adapters are made from configurations of transformers, and the odd towers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from featprobe.backbones.adapters import (
    Maps,
    Necked,
    Take,
    Tokens,
    caught,
    channels_last_map,
    pixels_of_any_size,
    sequence,
)
from featprobe.backbones.positions import interpolate

Config = Any


def _path(base: str, name: str) -> str:
    return f"{base}.{name}" if base else name


def _heads(config: Config, base: str) -> Mapping[str, int]:
    """A base inside another model: that one classifies."""
    return {"logits": config.num_labels} if base else {}


def tokens(layers: str, norm: str = "layernorm", **options: Any) -> Callable[[Config, str], Tokens]:
    """A rule for plain vision transformers; ``prefix`` may depend on the configuration."""

    def adapter(config: Config, base: str) -> Tokens:
        values = {k: v(config) if k == "prefix" and callable(v) else v for k, v in options.items()}
        values.setdefault("head", _heads(config, base))
        before = _path(base, norm)
        if getattr(config, "norm_after_pool", False):  # fine-tuned without CLS: MAE's fc_norm
            values |= {"cls": False, "pooled": before}
            before = ""
        return Tokens(
            _path(base, layers), before, config.hidden_size, config.num_hidden_layers,
            config.patch_size, **values,
        )  # fmt: skip

    return adapter


def maps(
    width: Callable[[Config], int], take: Take | Callable[[Config], Take], staged: bool = False,
    **options: Any,
) -> Callable[[Config, str], Maps]:  # fmt: skip
    """A rule for networks that are read at their last feature map, and where they are ``staged``
    at those of ``encoder.stages``, too."""

    def adapter(config: Config, base: str) -> Maps:
        reader = take(config) if take is strided else take
        more = {"stages": "encoder.stages", "widths": tuple(config.hidden_sizes)} if staged else {}
        return Maps(width(config), reader, base, head=_heads(config, base), **more, **options)  # type: ignore[arg-type]

    return adapter


def strided(config: Config) -> Take:
    return sequence(config.patch_size * 2 ** (len(config.depths) - 1))


def last(config: Config) -> int:
    return config.hidden_sizes[-1]


def doubled(config: Config) -> int:
    return int(config.embed_dim * 2 ** (len(config.depths) - 1))


def mobilenet_v2(config: Config) -> int:
    from transformers.models.mobilenet_v2.modeling_mobilenet_v2 import apply_depth_multiplier

    full = config.finegrained_output and config.depth_multiplier < 1.0
    return 1280 if full else apply_depth_multiplier(config, 1280)


def beit(layers: str) -> Callable[[Config, str], Tokens]:
    """Fine-tuned BEiT and data2vec have no final norm but one behind the mean of the patches."""

    def adapter(config: Config, base: str) -> Tokens:
        pooled = config.use_mean_pooling
        return Tokens(
            _path(base, layers), "" if pooled else _path(base, "layernorm"), config.hidden_size,
            config.num_hidden_layers, config.patch_size, head=_heads(config, base),
            pooled=_path(base, "pooler.layernorm") if pooled else "", arguments=pixels_of_any_size,
        )  # fmt: skip

    return adapter


def beit_pooler(config: Config) -> dict[str, Any]:
    return {"add_pooling_layer": bool(config.use_mean_pooling)}


def without_pooler(_config: Config) -> dict[str, Any]:
    # A pooler that most checkpoints of the family lack would be filled with random numbers.
    return {"add_pooling_layer": False}


def clip(config: Config, base: str) -> Tokens:
    head = {"projection": config.projection_dim} if base else {}
    return tokens("encoder.layers", "post_layernorm", head=head, arguments=pixels_of_any_size)(
        config, base
    )


def siglip(config: Config, base: str) -> Tokens:
    """No CLS; the pooled output of the attention head is what is compared with text."""
    head = {"projection": config.hidden_size} if getattr(config, "vision_use_head", True) else {}
    return tokens(
        "encoder.layers", "post_layernorm", prefix=0, cls=False, head=head,
        arguments=pixels_of_any_size,
    )(config, base)  # fmt: skip


def siglip2(config: Config, base: str) -> Tokens:
    """The variant of free aspect: patches are cut here, in rows of (row, column, channel)."""
    patch = config.patch_size

    def arguments(x: Tensor) -> dict[str, Any]:
        b, c, rows, columns = x.shape[0], x.shape[1], x.shape[2] // patch, x.shape[3] // patch
        cut = x.reshape(b, c, rows, patch, columns, patch).permute(0, 2, 4, 3, 5, 1)
        return {
            "pixel_values": cut.reshape(b, rows * columns, -1),
            "pixel_attention_mask": torch.ones(
                b, rows * columns, dtype=torch.long, device=x.device
            ),
            "spatial_shapes": torch.tensor([[rows, columns]] * b, device=x.device),
        }

    return tokens(
        "encoder.layers", "post_layernorm", prefix=0, cls=False,
        head={"projection": config.hidden_size}, arguments=arguments,
    )(config, base)  # fmt: skip


def mae(config: Config, base: str) -> Tokens:
    """Nothing is masked, and noise in ascending order keeps the patches where they are."""

    def arguments(x: Tensor) -> dict[str, Any]:
        n = (x.shape[-2] // config.patch_size) * (x.shape[-1] // config.patch_size)
        noise = torch.arange(n, device=x.device, dtype=torch.float32).expand(len(x), n)
        return {**pixels_of_any_size(x), "noise": noise}

    return tokens("layers", arguments=arguments)(config, base)


def unmasked(config: Config) -> None:
    config.mask_ratio = 0.0


def sam(config: Config, base: str) -> Tokens:
    """The blocks of the image encoder; the neck, which serves the mask decoder, is an output of its
    own."""
    return Necked(
        _path(base, "vision_encoder.layers"), "", config.hidden_size, config.num_hidden_layers,
        config.patch_size, prefix=0, cls=False, head={"neck": config.output_channels},
        neck=_path(base, "vision_encoder.neck"), native=(config.image_size,) * 2,
    )  # fmt: skip


class SamAnySize(nn.Module):
    """SAM's patch embedding, followed by position embeddings interpolated to its grid.

    Bicubic with antialiasing, as timm (``samvit_base_patch16`` at 224, which MED+ has) and WACV
    (joanaapa/Foundation-Medical ``utils/transformers/sam.py``) do.
    """

    def __init__(self, projection: nn.Module, positions: nn.Parameter | None) -> None:
        super().__init__()
        self.projection, self.positions = projection, positions

    def forward(self, x: Tensor) -> Tensor:
        x = self.projection(x).permute(0, 2, 3, 1)
        if self.positions is None:
            return x
        rows, columns = x.shape[1:3]
        p: Tensor = self.positions
        if p.shape[1:3] != (rows, columns):
            p = interpolate(p.flatten(1, 2), rows, columns, antialias=True)
            p = p.unflatten(1, (rows, columns))
        return x + p


def sam_any_size(module: nn.Module) -> nn.Module:
    """transformers' SAM takes its own size only; its relative positions fit any."""
    encoder: Any = module.get_submodule("vision_encoder")
    encoder.patch_embed = SamAnySize(encoder.patch_embed.projection, encoder.pos_embed)
    encoder.pos_embed = None
    return module


class BlipTower(nn.Module):
    """BLIP's vision tower, with the projection of image-text matching where the model has it."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.vision_model: Any = model.vision_model
        self.vision_proj: Any = getattr(model, "vision_proj", None)

    def forward(self, **arguments: Any) -> Any:
        out = self.vision_model(**arguments)
        if self.vision_proj is None:
            return out
        return SimpleNamespace(projection=self.vision_proj(out.last_hidden_state[:, 0]))


def blip_tower(module: nn.Module) -> nn.Module:
    return BlipTower(module) if hasattr(module, "vision_model") else module


def blip(config: Config, base: str) -> Tokens:
    matches = "BlipForImageTextRetrieval" in (config.architectures or [])
    return tokens(
        "encoder.layers", "post_layernorm", arguments=pixels_of_any_size,
        head={"projection": config.image_text_hidden_size} if base and matches else {},
    )(getattr(config, "vision_config", config), base)  # fmt: skip


def sam2(config: Config, _base: str) -> Maps:
    """The Hiera trunk; the neck, which serves the mask decoder, is left out."""
    trunk: Any = getattr(config, "backbone_config", config)
    window = trunk.patch_stride[0] * trunk.window_size_per_stage[0]
    return Maps(trunk.embed_dim_per_stage[-1], channels_last_map, multiple=window)


def hiera(config: Config, base: str) -> Maps:
    """Pooling leaves one token a mask unit, so the last stage is in raster order at any size."""
    unit = config.patch_stride[0] * config.masked_unit_size[0]
    return maps(doubled, sequence(unit, pooled=True), arguments=pixels_of_any_size, multiple=unit)(
        config, base
    )


def pvt(config: Config, base: str) -> Maps:
    """transformers' PVT does not interpolate its position embeddings: one input size."""
    stride = 1
    for s in config.patch_sizes:
        stride *= s
    side = config.image_size
    return maps(last, sequence(stride, prefix=1), cls=True, fixed=(side, side))(config, base)


class LinearClassifier(nn.Module):
    """DINOv2 with its ImageNet classifier on the CLS of the last blocks and the last patch mean.

    ``blocks`` is 4 in the authors' hub by default, 1 in the other published version
    (facebookresearch/dinov2, ``dinov2/hub/classifiers.py``).
    """

    def __init__(self, backbone: nn.Module, width: int, blocks: int, classes: int) -> None:
        super().__init__()
        self.backbone, self.blocks = backbone, blocks
        self.head = nn.Linear((1 + blocks) * width, classes)

    def forward(self, pixel_values: Tensor) -> Any:
        model: Any = self.backbone
        with caught(list(model.encoder.layer)[-self.blocks :]) as hidden:
            model(pixel_values=pixel_values)
        states = [model.layernorm(h) for h in hidden]
        first = 1 + getattr(model.config, "num_register_tokens", 0)
        joined = [h[:, 0] for h in states] + [states[-1][:, first:].mean(1)]
        return SimpleNamespace(logits=self.head(torch.cat(joined, 1)))
