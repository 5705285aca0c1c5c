"""How outputs are taken from models of timm, whose three steps are the same for all of them.

``forward_features`` gives tokens or a map, ``forward_head(..., pre_logits=True)`` pools it and
``forward_head`` classifies. ``mean`` is the mean of the patch tokens or of the map, behind a norm
that follows the pooling; a pooling of another kind (attention, VGG's layers) is ``prelogits``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from featprobe.backbones.adapters import PER_BLOCK
from featprobe.core.errors import InputError

ODD_SIZE = re.compile("size of tensor a|shape '.*' is invalid")


@dataclass
class Timm:
    """What the adapters share.

    ``width`` of tokens or map; ``head``: output -> width, of the others; ``base``: path of timm's
    model in the module, ``top``: of what projects behind it. ``fixed``, ``multiple``: as Adapter's.
    ``pooled_output``: the one that its classifier sees.
    """

    width: int
    cls: bool = False
    head: dict[str, int] = field(default_factory=dict)
    multiple: int = 1
    fixed: tuple[int, int] | None = None
    base: str = ""
    top: str = ""
    blocks: int = 1
    pooled_output: str = ""

    @property
    def outputs(self) -> Mapping[str, tuple[int, int]]:
        names = PER_BLOCK if self.cls else PER_BLOCK[1:]
        taken = dict.fromkeys(names, (self.blocks, self.width)) if self.width else {}
        return taken | {n: (1, width) for n, width in self.head.items()}

    def blocks_of(self, model: nn.Module) -> list[nn.Module]:
        net: Any = model.get_submodule(self.base)
        return list(getattr(net, "blocks", net).children())

    def __call__(self, model: nn.Module, x: Tensor, wanted: Mapping[str, int]) -> dict[str, Tensor]:
        net: Any = model.get_submodule(self.base)
        try:
            final, found = self.take(net, x, wanted)
        except (AssertionError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and not ODD_SIZE.search(str(error)):
                raise
            size = f"{x.shape[-2]} x {x.shape[-1]}"
            raise InputError(f"input of {size} pixels does not suit the model: {error}") from error
        if "prelogits" in wanted:
            found["prelogits"] = net.forward_head(final, pre_logits=True).flatten(1)[:, None]
        if "logits" in wanted:
            found["logits"] = net.forward_head(final)[:, None]
        if "projection" in wanted:
            found["projection"] = model.get_submodule(self.top)(net.forward_head(final))[:, None]
        return found

    def take(self, net: Any, x: Tensor, wanted: Mapping[str, int]) -> tuple[Any, dict[str, Tensor]]:
        """What ``forward_features`` gives, and the outputs of ``PER_BLOCK`` that are wanted."""
        raise NotImplementedError


@dataclass
class TimmTokens(Timm):
    """A vision transformer: one width and one grid through all blocks, each behind the final norm.

    ``prefix``: tokens before the patches (CLS, distillation, registers). ``normed``: the outputs
    that ``fc_norm`` normalises behind the pooling.
    """

    prefix: int = 1
    normed: str = ""

    def take(self, net: Any, x: Tensor, wanted: Mapping[str, int]) -> tuple[Any, dict[str, Tensor]]:
        deep = max((n for name, n in wanted.items() if name in PER_BLOCK), default=1)
        final, states = net.forward_intermediates(
            x, indices=deep, norm=True, output_fmt="NCHW", return_prefix_tokens=self.prefix > 0
        )
        maps = [s[0] if isinstance(s, tuple) else s for s in states]
        found: dict[str, list[Tensor]] = {
            "mean": [m.mean((2, 3)) for m in maps],
            "tokens": [m.permute(0, 2, 3, 1) for m in maps],
        }
        if self.cls:
            found["cls"] = [s[1][:, 0] for s in states]
        if self.normed:
            found[self.normed] = [net.fc_norm(v) for v in found[self.normed]]
        return final, {n: torch.stack(found[n][-wanted[n] :], 1) for n in found if n in wanted}


@dataclass
class TimmMap(Timm):
    """A network whose width and grid change on the way: what its last stage gives, one block.

    ``layout``: NCHW, NHWC or NLC, empty where it is none of them; a sequence has ``prefix`` tokens
    before its patches, each of ``stride`` (h, w) pixels. ``own``: the mean is the model's own
    pooling.
    """

    layout: str = "NCHW"
    prefix: int = 0
    stride: tuple[int, int] = (1, 1)
    own: bool = True

    def take(self, net: Any, x: Tensor, wanted: Mapping[str, int]) -> tuple[Any, dict[str, Tensor]]:
        final = net.forward_features(x)
        grid = x.shape[-2] // self.stride[0], x.shape[-1] // self.stride[1]
        found: dict[str, Tensor] = {}
        if "cls" in wanted:
            found["cls"] = final[:, 0]
        if "tokens" in wanted:
            found["tokens"] = tokens(final, self.layout, grid, self.prefix)
        if "mean" in wanted and self.own:
            found["mean"] = net.forward_head(final, pre_logits=True).flatten(1)
        elif "mean" in wanted:
            found["mean"] = tokens(final, self.layout, grid, self.prefix).mean((1, 2))
        return final, {name: value[:, None] for name, value in found.items()}


def tokens(final: Tensor, layout: str, grid: tuple[int, int], prefix: int) -> Tensor:
    """(B, h, w, D) of a map or sequence."""
    if layout == "NCHW":
        return final.permute(0, 2, 3, 1)
    return final if layout == "NHWC" else final[:, prefix:].unflatten(1, grid)


def adapter(net: Any, size: tuple[int, int], anything: bool, base: str = "", top: str = "") -> Timm:
    """The adapter of a model of timm.

    ``size``: the input (h, w) that the model is made for; ``anything``: whether it takes others.
    With ``base`` the model is a tower whose output ``top`` projects.
    """
    options: dict[str, Any] = {"base": base, "top": top, "fixed": None if anything else size}
    plain = hasattr(net, "num_prefix_tokens") and hasattr(net, "blocks") and hasattr(net, "fc_norm")
    with torch.inference_mode():
        made = _vit(net, options) if plain else _map(net, size, options)
    if base:
        made.head = {}
    return made


def _vit(net: Any, given: dict[str, Any]) -> TimmTokens:
    """Told from the module: nothing is run but the head, on noise."""
    width, prefix = net.embed_dim, net.num_prefix_tokens
    noise = _noise(2, prefix + 16, width)
    own = net.forward_head(noise, pre_logits=True)
    like_cls = prefix > 0 and _same(own, net.fc_norm(noise[:, 0]))
    like_mean = _same(own, net.fc_norm(noise[:, prefix:].mean(1)))
    normed = "cls" if like_cls else "mean"
    if isinstance(net.fc_norm, nn.Identity):
        normed = ""
    head = {} if like_cls or like_mean else {"prelogits": own.shape[-1]}
    return TimmTokens(
        width, prefix > 0 and _class_token(net), head | _classes(net, noise), _patch(net),
        prefix=prefix, normed=normed, blocks=len(net.blocks),
        pooled_output="cls" if like_cls else "mean" if like_mean else "prelogits", **given,
    )  # fmt: skip


def _map(net: Any, size: tuple[int, int], given: dict[str, Any]) -> TimmMap:
    """Told from one frame of noise, for the shape, and from what the head does with noise."""
    x = _noise(1, 3, *size)
    final = net.forward_features(x)
    layout = _layout(final, net.num_features)
    grid, prefix = (1, 1), 0
    if layout == "NLC" and hasattr(net, "forward_intermediates"):
        _, (last,) = net.forward_intermediates(x, indices=1, output_fmt="NCHW")
        grid = last.shape[-2], last.shape[-1]
        prefix = final.shape[1] - grid[0] * grid[1]
    if layout == "NLC" and not (0 <= prefix <= 2 and grid[0] * grid[1] > 1):
        layout = ""
    if not layout:
        width = net.forward_head(final, pre_logits=True).flatten(1).shape[1]
        return TimmMap(0, head={"prelogits": width} | _classes(net, final), layout="", **given)
    noise = _noise(*final.shape)
    mean = tokens(noise, layout, grid, prefix).mean((1, 2))
    pooled, inputs = _pooled(net, noise)
    cls = prefix > 0 and _class_token(net)
    if not inputs:
        own = _same(pooled, mean)
    else:  # a norm of the mean and nothing else
        own = inputs[0][0] and len(inputs) == 1 and _same(inputs[0][1].flatten(1), mean)
    extra = not own and not (cls and not inputs and _same(pooled, noise[:, 0]))
    head = {"prelogits": pooled.shape[1]} if extra else {}
    return TimmMap(
        mean.shape[1], cls, head | _classes(net, noise), _patch(net), layout=layout, prefix=prefix,
        stride=(size[0] // grid[0], size[1] // grid[1]), own=own,
        pooled_output="prelogits" if extra else "mean" if own else "cls", **given,
    )  # fmt: skip


def _pooled(net: Any, final: Tensor) -> tuple[Tensor, list[tuple[bool, Tensor]]]:
    """What the head pools, and the input of each layer of weights on the way: is it a norm?"""
    inputs: list[tuple[bool, Tensor]] = []

    def note(module: nn.Module, args: Any) -> None:
        inputs.append(("norm" in type(module).__name__.lower(), args[0]))

    weighted = [m for m in net.modules() if next(m.parameters(recurse=False), None) is not None]
    handles = [m.register_forward_pre_hook(note) for m in weighted]
    try:
        return net.forward_head(final, pre_logits=True).flatten(1), inputs
    finally:
        for handle in handles:
            handle.remove()


def _noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def _same(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and torch.allclose(a, b, rtol=1e-4, atol=1e-5)


def _classes(net: Any, final: Any) -> dict[str, int]:
    some = getattr(net, "num_classes", 0) > 0
    return {"logits": net.forward_head(final).shape[-1]} if some else {}


def _class_token(net: nn.Module) -> bool:
    return any(name.split(".")[-1] == "cls_token" for name, _ in net.named_parameters())


def _patch(net: Any) -> int:
    """Of what input sides must be a multiple; overlapping patches pad what is left."""
    embed = getattr(net, "patch_embed", None) or getattr(net, "embeds", None)
    ratio, proj = getattr(embed, "feat_ratio", None), getattr(embed, "proj", None)
    if callable(ratio):
        return int(ratio())
    if isinstance(proj, nn.Conv2d):
        return max(proj.stride) if proj.kernel_size == proj.stride else 1
    side = getattr(embed, "patch_size", 1)
    return int(max(side) if isinstance(side, (tuple, list)) else side)


def _layout(final: Any, width: int) -> str:
    if not isinstance(final, Tensor):
        return ""
    if final.ndim == 4:
        return "NCHW" if final.shape[1] == width else "NHWC" if final.shape[3] == width else ""
    return "NLC" if final.ndim == 3 and final.shape[2] == width else ""
