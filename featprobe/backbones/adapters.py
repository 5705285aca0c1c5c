"""How outputs are taken from networks: token transformers and feature maps.

An adapter runs the module once and returns, for each output, (B, L, ...) with the last L blocks in
order. Outputs: ``cls`` and ``mean`` (D), ``tokens`` (h, w, D), ``logits`` (classes), ``projection``
(the shared space of an image-text model).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

PER_BLOCK = ("cls", "mean", "tokens")
HEADS = {"logits": ("logits",), "projection": ("image_embeds", "projection", "pooler_output")}


def pixels(x: Tensor) -> dict[str, Any]:
    """The arguments of most models of transformers."""
    return {"pixel_values": x}


def pixels_of_any_size(x: Tensor) -> dict[str, Any]:
    """For models that interpolate their position embeddings only when told to."""
    return {"pixel_values": x, "interpolate_pos_encoding": True}


@contextmanager
def caught(modules: list[nn.Module], inputs: bool = False) -> Iterator[list[Any]]:
    """What the modules return during the block, or are given, in the order of their calls.

    Only calls of this thread count: another may run its own batch through the same modules.
    """
    outputs: list[Any] = []
    here = threading.get_ident()

    def catch(_module: nn.Module, args: Any, output: Any) -> None:
        if threading.get_ident() == here:
            outputs.append(args[0] if inputs else output)

    handles = [module.register_forward_hook(catch) for module in modules]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def heads(out: Any, wanted: Mapping[str, int]) -> dict[str, Tensor]:
    """``logits`` and ``projection`` (B, 1, C) of what a model returned."""
    found = {}
    for name in HEADS.keys() & wanted.keys():
        found[name] = next(v for f in HEADS[name] if (v := getattr(out, f, None)) is not None)
    return {name: value[:, None] for name, value in found.items()}


@dataclass
class Tokens:
    """A transformer that keeps one width and one grid through all its blocks.

    ``layers``: path of its list of blocks; ``norm``: path of the final norm, empty for none;
    ``prefix``: how many tokens come before the patches (CLS, registers, distillation); ``patch``
    in pixels; ``pooled``: path of a norm that belongs behind the mean instead of before it.
    ``head``: output -> width, of those in ``HEADS``. ``fixed``: the only input size (h, w).

    Hidden states are caught behind each block and put through the final norm, as DINOv2's
    ``get_intermediate_layers(norm=True)`` does; only patch tokens enter ``mean`` and ``tokens``.
    """

    layers: str
    norm: str
    width: int
    blocks: int
    patch: int
    prefix: int = 1
    cls: bool = True
    pooled: str = ""
    head: Mapping[str, int] = field(default_factory=dict)
    arguments: Callable[[Tensor], dict[str, Any]] = pixels
    fixed: tuple[int, int] | None = None

    @property
    def multiple(self) -> int:
        return self.patch

    @property
    def outputs(self) -> Mapping[str, tuple[int, int]]:
        names = PER_BLOCK if self.cls else PER_BLOCK[1:]
        return dict.fromkeys(names, (self.blocks, self.width)) | {
            n: (1, width) for n, width in self.head.items()
        }

    @property
    def pooled_output(self) -> str:
        """The one that a classifier on top sees; empty where that is a head of its own."""
        return "mean" if self.pooled else "cls" if self.cls else ""

    def blocks_of(self, model: nn.Module) -> list[nn.Module]:
        return list(model.get_submodule(self.layers).children())

    def __call__(self, model: nn.Module, x: Tensor, wanted: Mapping[str, int]) -> dict[str, Tensor]:
        deep = max((n for name, n in wanted.items() if name in PER_BLOCK), default=0)
        layers = self.blocks_of(model)
        with caught(layers[len(layers) - deep :]) as hidden:
            out = model(**self.arguments(x))
        found = heads(out, wanted)
        states = [h[0] if isinstance(h, tuple) else h for h in hidden]
        states = [h.flatten(1, -2) if h.ndim == 4 else h for h in states]
        norm = model.get_submodule(self.norm) if self.norm else nn.Identity()
        pooled = model.get_submodule(self.pooled) if self.pooled else nn.Identity()
        states = [norm(h) for h in states]
        if "cls" in wanted:
            found["cls"] = torch.stack([h[:, 0] for h in states[-wanted["cls"] :]], 1)
        if "mean" in wanted:
            kept = states[-wanted["mean"] :]
            found["mean"] = torch.stack([pooled(h[:, self.prefix :].mean(1)) for h in kept], 1)
        if "tokens" in wanted:
            h, w = x.shape[-2] // self.patch, x.shape[-1] // self.patch
            kept = states[-wanted["tokens"] :]
            found["tokens"] = torch.stack(
                [t[:, self.prefix :].unflatten(1, (h, w)) for t in kept], 1
            )
        return found


@dataclass
class Necked(Tokens):
    """A transformer with a ``neck`` (path) behind its blocks, which serves a decoder of masks.

    The output ``neck`` is the spatial mean of the map (B, C, h, w) that it returns. ``native``: the
    input (h, w) for which it has position embeddings. Those of others are antialiased since version
    2 of what makes its features.
    """

    neck: str = ""
    native: tuple[int, int] = (0, 0)

    def version_at(self, size: tuple[int, int]) -> int:
        """By which version features of an input of that size are made."""
        return 1 if size == self.native else 2

    def __call__(self, model: nn.Module, x: Tensor, wanted: Mapping[str, int]) -> dict[str, Tensor]:
        with caught([model.get_submodule(self.neck)]) as maps:
            found = super().__call__(model, x, wanted)
        if "neck" in wanted:
            found["neck"] = maps[0].mean((2, 3))[:, None]
        return found


# (what the base model returned, input) -> CLS (B, D) or None, mean (B, D), tokens (B, h, w, D)
Take = Callable[[Any, Tensor], tuple[Tensor | None, Tensor, Tensor]]


@dataclass
class Maps:
    """A network whose width and grid change on the way: its last feature map.

    ``base``: path of the model without a head, empty for the whole module. ``take`` reads CLS,
    mean and map from what the base returns. ``multiple``: of input sides, in pixels. ``stages``:
    path in the base of a list of modules that each give a map (B, D, h, w), the last of them the
    one that is taken, and ``widths`` D of each; so ``tokens`` may be of several, see
    :func:`on_one_grid`. CLS and mean are of the last alone.
    """

    width: int
    take: Take
    base: str = ""
    cls: bool = False
    head: Mapping[str, int] = field(default_factory=dict)
    arguments: Callable[[Tensor], dict[str, Any]] = pixels
    multiple: int = 1
    fixed: tuple[int, int] | None = None
    stages: str = ""
    widths: tuple[int, ...] = ()

    @property
    def outputs(self) -> Mapping[str, tuple[int, int]]:
        names = PER_BLOCK if self.cls else PER_BLOCK[1:]
        found = dict.fromkeys(names, (1, self.width)) | {n: (1, w) for n, w in self.head.items()}
        return found | ({"tokens": (len(self.widths), max(self.widths))} if self.widths else {})

    def blocks_of(self, model: nn.Module) -> list[nn.Module]:
        return [model.get_submodule(self.base)]

    def _stages(self, model: nn.Module, wanted: int) -> list[nn.Module]:
        """Those before the last of ``wanted`` stages."""
        if wanted < 2:
            return []
        path = f"{self.base}.{self.stages}" if self.base else self.stages
        return list(model.get_submodule(path).children())[-wanted:-1]

    def __call__(self, model: nn.Module, x: Tensor, wanted: Mapping[str, int]) -> dict[str, Tensor]:
        before = self._stages(model, wanted.get("tokens", 0))
        with caught([*before, model.get_submodule(self.base)]) as inner:
            out = model(**self.arguments(x))
        values = dict(zip(PER_BLOCK, self.take(inner[-1], x)))
        found = heads(out, wanted)
        if before:
            last = values.pop("tokens")
            assert last is not None
            maps = [m.permute(0, 2, 3, 1) for m in inner[:-1]]
            found["tokens"] = on_one_grid([*maps, last], max(self.widths))
        for name in PER_BLOCK:
            value = values.get(name)
            if name in wanted and value is not None:
                found[name] = value[:, None]
        return found


def on_one_grid(maps: Sequence[Tensor], width: int) -> Tensor:
    """(B, L, h, w, D) of the maps (B, h_l, w_l, D_l) of stages: bilinear on the grid of the first,
    which is the finest (cell centres aligned), with zeros behind the D_l values of a narrow one."""
    size = maps[0].shape[1:3]
    out = maps[0].new_zeros(len(maps[0]), len(maps), *size, width)
    for k, m in enumerate(maps):
        x = m.permute(0, 3, 1, 2)
        if m.shape[1:3] != size:
            x = F.interpolate(x, size, mode="bilinear", align_corners=False)
        out[:, k, ..., : m.shape[-1]] = x.permute(0, 2, 3, 1)
    return out


def feature_map(out: Any, _x: Tensor) -> tuple[None, Tensor, Tensor]:
    """The last feature map (B, D, h, w) and its spatial mean."""
    last = out.last_hidden_state
    return None, last.mean((2, 3)), last.permute(0, 2, 3, 1)


def pooled_map(out: Any, x: Tensor) -> tuple[None, Tensor, Tensor]:
    """As :func:`feature_map` with the model's own pooling, which normalises the mean."""
    return None, out.pooler_output.flatten(1), feature_map(out, x)[2]


def channels_last_map(out: Any, _x: Tensor) -> tuple[None, Tensor, Tensor]:
    """The last feature map (B, h, w, D) and its spatial mean."""
    last = out.last_hidden_state
    return None, last.mean((1, 2)), last


def sequence(stride: int, prefix: int = 0, pooled: bool = False) -> Take:
    """Tokens (B, prefix + h * w, D), h and w being the sides divided by ``stride``, rounded up.

    ``pooled``: the mean is the model's own, which normalises it.
    """

    def take(out: Any, x: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        last = out.last_hidden_state
        h, w = (-(-side // stride) for side in x.shape[-2:])
        patches = last[:, prefix:]
        mean = out.pooler_output if pooled else patches.mean(1)
        return (last[:, 0] if prefix else None), mean, patches.unflatten(1, (h, w))

    return take
