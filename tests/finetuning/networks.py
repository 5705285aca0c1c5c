"""Small random networks of every family, as backbones, and what is asked of a trained one."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import AutoConfig

from featprobe.backbones.adapters import Tokens
from featprobe.backbones.base import Backbone
from featprobe.backbones.families import plan
from featprobe.backbones.spec import Preprocess
from tests.backbones.test_families import MAPS, SAM, SAM2, TOKENS, VIT, pictures, stirred

CONFIGS = {
    **TOKENS,
    **MAPS,
    # wider than there: of two channels of squeeze and excitation, ReLU may pass none
    "regnet": {**MAPS["regnet"], "embedding_size": 32, "hidden_sizes": [32, 32, 64, 64]},
    "sam_vision_model": SAM,
    "sam2_vision_model": SAM2,
    "siglip2_vision_model": {
        **{k: v for k, v in VIT.items() if k != "image_size"}, "num_patches": 16,
    },
    "dinov2 with SwiGLU": {**TOKENS["dinov2"], "use_swiglu_ffn": True},
    "dinov3_vit with a gate": {**TOKENS["dinov3_vit"], "use_gated_mlp": True},
}  # fmt: skip


def network(kind: str) -> Backbone:
    """The small network of a family; the same weights each time, all of which matter."""
    config = AutoConfig.for_model(kind.split()[0], **CONFIGS[kind])
    torch.manual_seed(0)
    made = plan(config)
    size = 64 if kind in MAPS or "sam" in kind else 32
    with torch.no_grad():
        module = stirred(made.finished(made.build()))
    return Backbone(kind, module, made.adapter(), Preprocess(resize=size, crop=(size, size)))


def frames(backbone: Backbone) -> Tensor:
    """Two frames of noise (2, 3, S, S)."""
    return pictures(*backbone.preprocess.size)


def means(backbone: Backbone) -> Tensor:
    """The features (2, 1, D) of these frames."""
    return backbone.forward(frames(backbone), outputs=["mean"])["mean"]


def state(backbone: Backbone) -> dict[str, Tensor]:
    """Copies of all parameters and buffers, under the names that they have without adapters."""
    values = dict(backbone.module.named_parameters()) | dict(backbone.module.named_buffers())
    return {
        name.replace(".base_layer", ""): value.detach().clone() for name, value in values.items()
    }


def trained(backbone: Backbone) -> dict[str, nn.Parameter]:
    """The parameters that train, by name."""
    return {n: p for n, p in backbone.module.named_parameters() if p.requires_grad}


def steps(trainable, n: int = 3, lr: float = 1e-2) -> set[str]:
    """Train on a random linear function of the features of noise; what had a gradient, by name."""
    backbone = trainable.backbone
    parameters = trained(backbone)
    optimizer = torch.optim.AdamW(parameters.values(), lr=lr)
    weights = torch.randn(means(backbone).shape, generator=torch.Generator().manual_seed(2))
    reached = set()
    for _ in range(n):
        trainable.train()
        optimizer.zero_grad()
        out = backbone.adapter(backbone.module, frames(backbone), {"mean": 1})["mean"]
        (out * weights).sum().backward()
        reached |= {
            name for name, p in parameters.items() if p.grad is not None and bool(p.grad.any())
        }
        optimizer.step()
    backbone.module.eval()
    return reached


class Block(nn.Module):
    """A block with the names of timm; ``attention``: how its projections are used."""

    def __init__(self, width: int, attention: str) -> None:
        super().__init__()
        self.attn = nn.Module() if attention != "torch" else None
        if self.attn is None:
            self.attn = nn.MultiheadAttention(width, 2, batch_first=True)
        else:
            self.attn.qkv = nn.Linear(width, 3 * width)
            self.attn.proj = nn.Linear(width, width)
        self.mlp = nn.Module()
        self.mlp.fc1 = nn.Linear(width, 2 * width)
        self.mlp.fc2 = nn.Linear(2 * width, width)
        self.attention = attention

    def attended(self, x: Tensor) -> Tensor:
        if self.attention == "torch":
            return self.attn(x, x, x, need_weights=False)[0]
        if self.attention == "weights":
            qkv = nn.functional.linear(x, self.attn.qkv.weight, self.attn.qkv.bias)
        else:
            qkv = self.attn.qkv(x)
        q, k, v = qkv.chunk(3, -1)
        return self.attn.proj(nn.functional.scaled_dot_product_attention(q, k, v))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attended(x)
        return x + self.mlp.fc2(nn.functional.gelu(self.mlp.fc1(x)))


class Fused(nn.Module):
    """A vision transformer as timm writes it, with fused queries, keys and values."""

    def __init__(self, attention: str) -> None:
        super().__init__()
        self.patch_embed = nn.Conv2d(3, 16, 8, 8)
        self.blocks = nn.Sequential(Block(16, attention), Block(16, attention))
        self.norm = nn.LayerNorm(16)
        self.head = nn.Linear(16, 4)

    def forward(self, pixel_values: Tensor) -> Tensor:
        x = self.patch_embed(pixel_values).flatten(2).transpose(1, 2)
        return self.norm(self.blocks(x))


def fused(attention: str = "module") -> Backbone:
    """A backbone of :class:`Fused`."""
    torch.manual_seed(0)
    adapter = Tokens("blocks", "norm", 16, 2, 8, prefix=0, cls=False)
    return Backbone("fused", Fused(attention), adapter, Preprocess(resize=32, crop=(32, 32)))
