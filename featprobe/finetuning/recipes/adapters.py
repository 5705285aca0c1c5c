"""Small layers beside frozen ones train, by PEFT: LoRA, DoRA, LoHa, LoKr and (IA)3."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, ClassVar, Literal

import peft
import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn

from featprobe.backbones.base import Backbone
from featprobe.core.errors import InputError
from featprobe.finetuning.recipes.base import Recipe, Trainable
from featprobe.finetuning.targets import check_roles, find_targets, kinds

Paths = Mapping[str, Sequence[str]]  # part of a role -> paths of its layers


@dataclass(frozen=True)
class Adapters(Recipe):
    """What the recipes of this module share.

    ``targets``: roles of layers in the blocks: ``qkv``, ``proj``, ``mlp`` or ``fc1`` and ``fc2``,
    ``conv``, and ``q``, ``k``, ``v`` where they are not fused. None is every one of the recipe's
    ``usual`` that the network has; in a network without attention also ``conv``. Convolutions
    that are grouped, dilated, padded by other than zeros or of a subclass never have an adapter.

    Layers are replaced in place, under the same paths; the network's outputs are the frozen one's
    until the first step. ``plain`` merges the adapters into the layers that were there before.
    """

    lr = 5e-4
    targets: tuple[str, ...] = ()

    usual: ClassVar[tuple[str, ...]] = ("qkv", "proj", "mlp")
    tuner: ClassVar[Any]  # PEFT's class of the method

    def check(self) -> None:
        check_roles(self.targets, f"recipe {self.name}")

    def config(self, paths: Paths) -> peft.PeftConfig:
        """PEFT's configuration for layers at these paths."""
        raise NotImplementedError

    def drops(self) -> bool:
        """Whether parts of the adapters are left out at random in train mode."""
        return False

    def refuse(self, path: str, layer: nn.Module) -> None:
        """Raise :class:`InputError` for a layer that the method is not for."""

    def apply(self, backbone: Backbone) -> Trainable:
        paths = find_targets(backbone, self.targets, self.usual)
        for path in chain.from_iterable(paths.values()):
            self.refuse(f"{backbone.name}: {path}", backbone.module.get_submodule(path))
        self.fits(backbone.module.get_submodule(p) for p in chain.from_iterable(paths.values()))
        tuner = self.tuner(backbone.module, self.config(paths), "default")
        backbone.module.eval()
        modules = backbone.module.named_modules()
        added: dict[str, Any] = {n: m for n, m in modules if isinstance(m, BaseTunerLayer)}
        for layer in added.values():
            _geometry(layer)
        unused = _unused(backbone, added)
        if unused:
            tuner.unload()
            backbone.module.requires_grad_(False)
            raise InputError(
                f"{backbone.name} does not call {kinds(unused)}: it reads their weights only, so "
                "that no adapter would train; name other targets, such as proj and mlp"
            )

        def plain() -> Backbone:
            tuner.merge_and_unload()
            return replace(backbone)

        return Trainable(backbone, list(added.values()) if self.drops() else [], plain)

    def fits(self, layers: Iterable[nn.Module]) -> None:
        """Raise :class:`InputError` where the options are beyond the layers."""

    def _check(self, fits: bool, option: str, rule: str) -> None:
        if not fits:
            value = getattr(self, option)
            raise InputError(f"{option}={value} of recipe {self.name} must be {rule}")


def _geometry(layer: Any) -> None:
    """Give the layer of a convolution its stride and the like, which MobileNet's padding reads."""
    base = layer.get_base_layer()
    if isinstance(base, nn.Conv2d):
        for name in ("stride", "kernel_size", "padding", "dilation"):
            setattr(layer, name, getattr(base, name))


def _exactly(paths: Iterable[str]) -> str:
    """A pattern of these paths alone; PEFT takes a list for endings."""
    return "|".join(map(re.escape, paths))


def _every(paths: Paths) -> str:
    return _exactly(chain.from_iterable(paths.values()))


def _unused(backbone: Backbone, layers: Mapping[str, nn.Module]) -> list[str]:
    """Paths of the layers that are not called for one black frame."""
    unused = dict.fromkeys(layers)

    def called(path: str) -> Any:
        return lambda *_: unused.pop(path, None)

    frame = torch.zeros(1, 3, *backbone.preprocess.size, device=backbone.device)
    handles = [m.register_forward_hook(called(path)) for path, m in layers.items()]
    try:
        with torch.no_grad():
            backbone.adapter(backbone.module, frame, dict.fromkeys(backbone.default_outputs, 1))
    finally:
        for handle in handles:
            handle.remove()
    return list(unused)


@dataclass(frozen=True)
class LowRank(Adapters):
    """What all but (IA)3 share: a change of each weight, times ``alpha / rank``."""

    rank: int = 8
    alpha: float = 16.0

    def check(self) -> None:
        self._check(self.rank >= 1, "rank", "at least 1")
        self._check(self.alpha > 0, "alpha", "positive")

    def fits(self, layers: Iterable[nn.Module]) -> None:
        widest = max(max(layer.get_parameter("weight").shape[:2]) for layer in layers)
        if self.rank > widest:
            raise InputError(
                f"rank={self.rank} of recipe {self.name} is above the width of every layer, "
                f"{widest} at most"
            )


@dataclass(frozen=True)
class Lora(LowRank):
    """W + alpha / rank * B A (Hu et al. 2022, arXiv 2106.09685).

    A (rank, in) is drawn at random, B (out, rank) is zero at the start. ``dropout``: of what A
    sees. ``bias``: biases that train too, ``all`` of the network or ``lora_only``, those of layers
    with adapters.
    """

    name = "lora"
    tuner = peft.LoraModel
    dropout: float = 0.0
    bias: Literal["none", "all", "lora_only"] = "none"

    dora: ClassVar[bool] = False

    def check(self) -> None:
        self._check(0 <= self.dropout < 1, "dropout", "at least 0 and below 1")

    def config(self, paths: Paths) -> peft.PeftConfig:
        return peft.LoraConfig(
            target_modules=_every(paths), r=self.rank, lora_alpha=self.alpha,  # type: ignore[arg-type]
            lora_dropout=self.dropout, bias=self.bias, use_dora=self.dora,
        )  # fmt: skip

    def drops(self) -> bool:
        return self.dropout > 0


@dataclass(frozen=True)
class Dora(Lora):
    """LoRA for the direction of each output's weights, and their length trained beside it.

    Liu et al. 2024, arXiv 2402.09353, equation 5. The length is that of W at the start.
    """

    name = "dora"
    dora = True

    def refuse(self, path: str, layer: nn.Module) -> None:
        weight = layer.get_parameter("weight")
        if not weight.flatten(1).any(1).all():
            raise InputError(
                f"{path} has outputs whose weights are all zero, which have no direction that dora "
                "could train; use lora"
            )


@dataclass(frozen=True)
class Lycoris(LowRank):
    """What LoHa and LoKr share.

    ``rank_dropout``: of rows of the change; ``module_dropout``: of whole layers' changes.
    ``effective_conv``: kernels are decomposed too (Hyeon-Woo et al. 2022, proposition 3).
    """

    rank_dropout: float = 0.0
    module_dropout: float = 0.0
    effective_conv: bool = False

    def check(self) -> None:
        for option in ("rank_dropout", "module_dropout"):
            self._check(0 <= getattr(self, option) < 1, option, "at least 0 and below 1")

    def drops(self) -> bool:
        return self.rank_dropout > 0 or self.module_dropout > 0

    def shared(self, paths: Paths) -> dict[str, Any]:
        """The arguments of both methods' configurations."""
        return {
            "target_modules": _every(paths), "r": self.rank, "alpha": self.alpha,
            "rank_dropout": self.rank_dropout, "module_dropout": self.module_dropout,
            "use_effective_conv2d": self.effective_conv,
        }  # fmt: skip


@dataclass(frozen=True)
class LoHa(Lycoris):
    """W + alpha / rank * (A1 B1) o (A2 B2), a product of elements of two low-rank products.

    Hyeon-Woo et al. 2022, *FedPara* (arXiv 2108.06098), whose rank is up to the square of each.
    """

    name = "loha"
    tuner = peft.LoHaModel

    def config(self, paths: Paths) -> peft.PeftConfig:
        return peft.LoHaConfig(**self.shared(paths))


@dataclass(frozen=True)
class LoKr(Lycoris):
    """W + alpha / rank * (C x A B), a Kronecker product of which one factor is of low rank.

    Yeh et al. 2024, *LyCORIS* (arXiv 2309.14859). ``decompose_both``: C too is of low rank.
    ``factor``: wanted size of C, -1 for about the root of the layer's. A factor that is no larger
    than its rank is kept whole.
    """

    name = "lokr"
    tuner = peft.LoKrModel
    decompose_both: bool = False
    factor: int = -1

    def check(self) -> None:
        self._check(self.factor == -1 or self.factor >= 1, "factor", "-1 or at least 1")

    def config(self, paths: Paths) -> peft.PeftConfig:
        return peft.LoKrConfig(
            decompose_both=self.decompose_both, decompose_factor=self.factor, **self.shared(paths)
        )


@dataclass(frozen=True)
class Ia3(Adapters):
    """Channels are scaled: the outputs of targets, and for ``fc2`` what it sees.

    Liu et al. 2022, arXiv 2205.05638, scale keys, values and the inside of the MLP; queries come
    along here, since many networks have one layer for all three.
    """

    name = "ia3"
    lr = 3e-3
    usual = ("qkv", "fc2")
    tuner = peft.IA3Model

    def config(self, paths: Paths) -> peft.PeftConfig:
        return peft.IA3Config(
            target_modules=_every(paths),
            # a pattern that matches nothing where there is none
            feedforward_modules=_exactly(paths.get("fc2", ())),
        )


RECIPE = {kind.name: kind for kind in (Lora, Dora, LoHa, LoKr, Ia3)}
