"""Tokens on their principal components, so that a store of them is a fraction of the size."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from featprobe.backbones.base import Adapter, Backbone
from featprobe.core.errors import InputError

TOKENS = "tokens"


@dataclass(frozen=True)
class Reduction:
    """Principal components of the tokens of L last blocks, each block by itself.

    ``mean`` (L, D), ``components`` (L, D, N) orthonormal, float32; ``explained`` (L,): the share of
    the variance that they keep; ``items`` and ``frames`` they were learnt from.
    """

    mean: np.ndarray
    components: np.ndarray
    explained: tuple[float, ...]
    items: int
    frames: int

    @property
    def dim(self) -> int:
        return int(self.components.shape[2])

    def to_dict(self) -> dict[str, Any]:
        """JSON values: the arrays as their shape and the base64 of their bytes."""
        arrays = {
            n: {"shape": list(a.shape), "float32": base64.b64encode(a.tobytes()).decode()}
            for n, a in (("mean", self.mean), ("components", self.components))
        }
        return {
            **arrays, "explained": list(self.explained), "items": self.items, "frames": self.frames
        }  # fmt: skip

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Reduction:
        """The inverse of :meth:`to_dict`."""
        mean, components = (
            np.frombuffer(base64.b64decode(v["float32"]), np.float32).reshape(v["shape"])
            for v in (values["mean"], values["components"])
        )
        explained = tuple(float(v) for v in values["explained"])
        return cls(mean, components, explained, int(values["items"]), int(values["frames"]))


class Moments:
    """Sums from which principal components of tokens (B, L, h, w, D) are learnt, batch by batch."""

    def __init__(self) -> None:
        self.n = 0
        self.total: np.ndarray | None = None
        self.product: np.ndarray | None = None

    def add(self, tokens: Tensor) -> None:
        rows = tokens.transpose(0, 1).flatten(1, 3).double()  # (L, B h w, D)
        total, product = rows.sum(1), rows.transpose(1, 2) @ rows
        self.n += rows.shape[1]
        first = self.total is None
        self.total = total.cpu().numpy() + (0 if first else self.total)
        self.product = product.cpu().numpy() + (0 if first else self.product)

    def reduction(self, dim: int, items: int, frames: int) -> Reduction:
        """The first ``dim`` components of each block; the largest value of each is positive.

        Raises :class:`InputError` for more than there are, and for tokens that are all the same.
        """
        if self.total is None or self.product is None:
            raise InputError("--dim: none of the training items could be read")
        width = self.total.shape[1]
        if not 1 <= dim <= width:
            raise InputError(f"--dim {dim}: tokens have {width} values, so 1 to {width} components")
        mean = self.total / self.n
        cov = self.product / self.n - mean[:, :, None] * mean[:, None]
        values, vectors = np.linalg.eigh(cov)
        values = np.maximum(values[:, ::-1], 0)
        kept = vectors[:, :, ::-1][:, :, :dim]
        largest = np.take_along_axis(kept, np.abs(kept).argmax(1)[:, None], 1)
        kept = kept * np.where(largest < 0, -1, 1)
        whole = values.sum(1)
        if not (whole > 0).all():
            raise InputError("--dim: the tokens of the training items are all the same")
        explained = tuple((values[:, :dim].sum(1) / whole).tolist())
        components = np.ascontiguousarray(kept, np.float32)
        return Reduction(mean.astype(np.float32), components, explained, items, frames)


@dataclass
class Reduced:
    """An adapter whose tokens are those of another on principal components."""

    inner: Adapter
    reduction: Reduction

    @property
    def multiple(self) -> int:
        return self.inner.multiple

    @property
    def fixed(self) -> tuple[int, int] | None:
        return self.inner.fixed

    @property
    def outputs(self) -> Mapping[str, tuple[int, int]]:
        blocks = self.inner.outputs[TOKENS][0]
        return {**self.inner.outputs, TOKENS: (blocks, self.reduction.dim)}

    def blocks_of(self, model: nn.Module) -> list[nn.Module]:
        return self.inner.blocks_of(model)

    def __call__(self, model: nn.Module, x: Tensor, wanted: Mapping[str, int]) -> dict[str, Tensor]:
        out = self.inner(model, x, wanted)
        if TOKENS in out:
            tokens = out[TOKENS].float()
            mean = torch.from_numpy(self.reduction.mean.copy()).to(tokens.device)
            components = torch.from_numpy(self.reduction.components.copy()).to(tokens.device)
            with torch.autocast(tokens.device.type, enabled=False):
                centred = tokens - mean[None, :, None, None]
                out[TOKENS] = torch.einsum("blhwd,ldn->blhwn", centred, components)
        return out


def reduced(backbone: Backbone, reduction: Reduction) -> Backbone:
    """The backbone with its tokens on principal components; the module is shared."""
    return replace(backbone, adapter=Reduced(backbone.adapter, reduction))
