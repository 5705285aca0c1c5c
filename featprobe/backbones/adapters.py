"""How outputs are taken from the models of each family of transformers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from featprobe.backbones.base import Adapter


@dataclass
class Tokens:
    """A transformer with a CLS token, optional register tokens, and one final norm.

    Hidden states are caught behind each block and put through the final norm, as DINOv2's
    ``get_intermediate_layers(norm=True)`` does; register tokens are left out of ``mean``.
    """

    layers: str
    norm: str
    width: int
    blocks: int
    prefix: int
    multiple: int
    arguments: dict[str, Any] = field(default_factory=dict)

    @property
    def outputs(self) -> Mapping[str, tuple[int, int]]:
        return {"cls": (self.blocks, self.width), "mean": (self.blocks, self.width)}

    def __call__(self, model: nn.Module, x: Tensor, blocks: int) -> dict[str, Tensor]:
        caught: list[Tensor] = []

        def catch(_module: nn.Module, _args: Any, output: Any) -> None:
            caught.append(output[0] if isinstance(output, tuple) else output)

        layers = list(model.get_submodule(self.layers).children())[-min(blocks, self.blocks) :]
        handles = [layer.register_forward_hook(catch) for layer in layers]
        try:
            model(pixel_values=x, **self.arguments)
        finally:
            for handle in handles:
                handle.remove()
        norm = model.get_submodule(self.norm)
        hidden = [norm(h) for h in caught]
        return {
            "cls": torch.stack([h[:, 0] for h in hidden], 1),
            "mean": torch.stack([h[:, self.prefix :].mean(1) for h in hidden], 1),
        }


@dataclass
class Maps:
    """A convolutional network: the spatial mean of its last feature map; no CLS, one block."""

    width: int
    multiple: int = 1

    @property
    def outputs(self) -> Mapping[str, tuple[int, int]]:
        return {"mean": (1, self.width)}

    def __call__(self, model: nn.Module, x: Tensor, blocks: int) -> dict[str, Tensor]:
        return {"mean": model(pixel_values=x).last_hidden_state.mean((2, 3))[:, None]}


def _dinov2(config: Any) -> Tokens:
    return Tokens(
        "encoder.layer", "layernorm", config.hidden_size, config.num_hidden_layers,
        1 + getattr(config, "num_register_tokens", 0), config.patch_size,
    )  # fmt: skip


def _vit(config: Any) -> Tokens:
    return Tokens(
        "layers", "layernorm", config.hidden_size, config.num_hidden_layers, 1, config.patch_size,
        {"interpolate_pos_encoding": True},
    )  # fmt: skip


def _resnet(config: Any) -> Maps:
    return Maps(config.hidden_sizes[-1])


ADAPTERS: dict[str, Callable[[Any], Adapter]] = {
    "dinov2": _dinov2,
    "dinov2_with_registers": _dinov2,
    "vit": _vit,
    "resnet": _resnet,
}
# A pooler that most checkpoints of the family lack would be filled with random numbers.
BUILD = {"vit": {"add_pooling_layer": False}}
